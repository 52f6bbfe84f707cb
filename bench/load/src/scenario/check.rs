//! What a scenario must keep to, beyond its form.

use super::{Habits, Kind, People, Range, Scenario};
use crate::wire::SOURCES_MAX;
use anyhow::{Context as _, ensure};

/// Connections of one run: Usher takes 10,000, of which some watch, and a process may have 20,000
/// open files.
const CONNECTIONS_MAX: u32 = 9_900;

/// People are numbered by u32, and each takes up to 400 bytes.
pub const PEOPLE_MAX: u64 = 4_000_000;

/// Letters of the name of an event that is made: of the 24 that an event's id has, a run takes nine
/// and the number of a copy six.
const MADE_NAME_MAX: usize = 9;

/// Kept-alive connections that a server takes from one address.
const CONNECTIONS_OF_SOURCE_MAX: u32 = 250;

pub fn check(scenario: &Scenario) -> anyhow::Result<()> {
    ensure!((1..=7_200).contains(&scenario.seconds_max), "seconds_max is 1 to 7,200");
    let door = scenario.door;
    ensure!((1..=CONNECTIONS_MAX).contains(&door.connections), "connections are 1 to 9,900");
    ensure!(door.sources <= SOURCES_MAX, "sources are at most {SOURCES_MAX}");
    let carried = CONNECTIONS_OF_SOURCE_MAX * u32::from(door.sources.max(1));
    ensure!(
        door.connections <= carried,
        "{} connections need {} sources: a server takes 250 from one address",
        door.connections,
        door.connections.div_ceil(CONNECTIONS_OF_SOURCE_MAX),
    );
    ensure!(!scenario.people.is_empty(), "there are no people");
    let people: u64 = scenario.people.values().map(|people| u64::from(people.count)).sum();
    ensure!(people <= PEOPLE_MAX, "there are {people} people; at most 4,000,000 fit");
    for (name, event) in &scenario.events {
        check_event(scenario, name, event.copies).with_context(|| format!("event {name}"))?;
    }
    for (name, people) in &scenario.people {
        check_people(scenario, people).with_context(|| format!("people {name}"))?;
    }
    for steering in &scenario.operator {
        known(scenario, &steering.event).context("operator")?;
    }
    for name in scenario.expect.beside.iter().flat_map(|(group, other)| [group, other]) {
        ensure!(scenario.people.contains_key(name), "expect.beside: there are no people {name:?}");
    }
    check_expect(scenario)
}

fn check_event(scenario: &Scenario, name: &str, copies: u32) -> anyhow::Result<()> {
    let event = &scenario.events[name];
    ensure!(copies <= 10_000, "at most 10,000 copies are made");
    ensure!(copies == 0 || event.make.is_some(), "only an event that is made has copies");
    ensure!(copies == 0 || event.room.is_none(), "copies have no settings of a room");
    let Some(make) = &event.make else { return Ok(()) };
    ensure!(name.len() <= MADE_NAME_MAX, "the name of an event that is made has at most 9 letters");
    let seats = u64::from(make.sections) * u64::from(make.rows) * u64::from(make.seats);
    ensure!((1..=64).contains(&make.seats), "a row has 1 to 64 seats");
    ensure!((1..=200_000).contains(&seats), "a plan has 1 to 200,000 seats, not {seats}");
    Ok(())
}

fn check_people(scenario: &Scenario, people: &People) -> anyhow::Result<()> {
    known(scenario, &people.event)?;
    ensure!(0.0 <= people.arrivals.seconds, "arrivals take no negative time");
    let scales = people.arrivals.rate.is_some();
    ensure!(0 < people.count || scales, "there is nobody: count is 0, and arrivals have no rate");
    ensure!(0 < people.count || 0.0 < people.arrivals.seconds, "arrivals at a rate take time");
    ensure!(!scales || people.kind == Kind::Fan, "only fans come at a rate");
    ensure!(0.0 <= people.arrivals.after_s, "arrivals begin after the start");
    let buys = !matches!(people.kind, Kind::Flooder | Kind::Partner);
    ensure!(!buys || 0 < scenario.accounts, "those who buy need accounts");
    let acts = &people.habits.acts;
    ensure!(people.kind != Kind::Shopper || !acts.is_empty(), "a shopper needs habits.acts");
    check_habits(&people.habits)
}

fn check_habits(habits: &Habits) -> anyhow::Result<()> {
    let shares = [
        ("no_show", habits.no_show),
        ("asks_me", habits.asks_me),
        ("named", habits.named),
        ("abandon", habits.abandon),
        ("release", habits.release),
        ("decline", habits.decline),
        ("cancel", habits.cancel),
        ("double_click", habits.double_click),
    ];
    for (name, share) in shares {
        ensure!((0.0..=1.0).contains(&share), "habits.{name} is a share from 0 to 1, not {share}");
    }
    ensure!(habits.abandon + habits.release <= 1.0, "abandon and release are more than everybody");
    ensure!((1..=10).contains(&habits.parties.len()), "parties are of 1 to 10 people");
    for weights in [habits.parties.clone(), habits.acts.values().copied().collect()] {
        ensure!(weights.iter().all(|weight| 0.0 <= *weight), "no weight is negative");
        ensure!(weights.is_empty() || 0.0 < weights.iter().sum::<f64>(), "all weights are 0");
    }
    for (name, Range(from, to)) in [("look_ms", habits.look_ms), ("think_ms", habits.think_ms)] {
        ensure!(from <= to, "habits.{name} goes from {from} down to {to}");
    }
    ensure!((0.0..=7_200.0).contains(&habits.stay_s), "stay_s is 0 to 7,200");
    ensure!((0.0..=7_200.0).contains(&habits.linger_s), "linger_s is 0 to 7,200");
    Ok(())
}

fn known(scenario: &Scenario, event: &str) -> anyhow::Result<()> {
    let names = scenario.events.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    ensure!(scenario.events.contains_key(event), "there is no event {event:?}, only {names}");
    Ok(())
}

fn check_expect(scenario: &Scenario) -> anyhow::Result<()> {
    let expect = &scenario.expect;
    for deed in expect.p99_ms.keys() {
        let name = serde_json::Value::String(deed.clone());
        let known = serde_json::from_value::<crate::record::Deed>(name).is_ok();
        ensure!(known, "expect.p99_ms: nobody does {deed:?}");
    }
    ensure!((0.0..=1.0).contains(&expect.overdue_max), "expect.overdue_max is a share");
    for group in expect.booked_min.keys() {
        let is_probed = |people: &People| people.arrivals.rate.is_some();
        let books = scenario.people.get(group).is_some_and(|people| {
            is_probed(people) && !scenario.events[&people.event].may_have_room()
        });
        ensure!(books, "expect.booked_min: the machine is not probed for bookings of {group:?}");
    }
    Ok(())
}
