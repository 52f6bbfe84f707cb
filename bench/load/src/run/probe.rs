//! What the machine does, asked for some seconds before a crowd comes that is scaled by it.
//!
//! As many as the connections carry join a line, or buy seats, of an event made for that: a closed
//! loop. The same crowd code asks as in the run, so that what it takes of the machine is in it.

use super::run_name;
use crate::arrivals::steepness;
use crate::engine::{self, Board, Play, Played};
use crate::prepare::prepare;
use crate::record::Deed;
use crate::scenario::{
    Act, Arrivals, Event, Habits, Kind, Make, PEOPLE_MAX, People, Range, Rate, Room, Scenario,
    Shape,
};
use crate::wire::Door;
use anyhow::{Context as _, ensure};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The event that is probed.
const EVENT: &str = "PROBE";

/// How long is asked. The first second does not count: connections open in it, and caches fill.
const SECONDS: u32 = 4;

/// More connections would only wait.
const CONNECTIONS_MAX: u32 = 256;

/// People who join: more than any machine answers in the time.
const JOINERS: u32 = 400_000;

/// Accounts of those who buy.
const ACCOUNTS: u32 = 1_000;

/// How long the last answers may take; what joins and was not asked by then does not count.
const PATIENCE: Duration = Duration::from_secs(1);

/// Probes the machine for each group that is scaled by it, and says what was chosen. Returns the
/// scenario with counts and times, and what the machine did in a second, by group.
pub async fn fit(
    scenario: &Scenario,
    door: &Door,
    bench_door: bool,
) -> anyhow::Result<(Scenario, BTreeMap<String, f64>)> {
    let mut fitted = scenario.clone();
    let mut probed = BTreeMap::new();
    for (name, people) in &mut fitted.people {
        let Some(rate) = people.arrivals.rate else { continue };
        let joins = scenario.events[&people.event].may_have_room();
        let mut probe = probe(scenario, joins);
        probe.name_events(&run_name()?);
        let capacity = capacity(&probe, joins, door, bench_door).await?;
        ensure!(0.0 < capacity, "the machine did nothing when it was probed");
        scale(people, rate, capacity);
        let what = if joins { "joins" } else { "bookings" };
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "probe: {capacity:.0} {what} a second; {} {name} come within {:.1} s, {:.0} in the \
             busiest second",
            people.count,
            people.arrivals.seconds,
            rate.0 * capacity
        )?;
        probed.insert(name.clone(), capacity);
    }
    Ok((fitted, probed))
}

/// Chooses the time for a given crowd, or the crowd for a given time.
fn scale(people: &mut People, Rate(times): Rate, capacity: f64) {
    let mean = times * capacity / steepness(people.arrivals.shape);
    if 0 < people.count {
        people.arrivals.seconds = f64::from(people.count) / mean;
        return;
    }
    let others_max = u32::try_from(PEOPLE_MAX / 2).expect("32 bits fit");
    let count = (mean * people.arrivals.seconds).min(f64::from(others_max));
    // Positive and at most two millions.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was bounded")]
    let count = count.ceil() as u32;
    people.count = count;
}

/// A crowd that asks as fast as it is answered.
fn probe(scenario: &Scenario, joins: bool) -> Scenario {
    let connections = scenario.door.connections.min(CONNECTIONS_MAX);
    let make = Make {
        sections: if joins { 1 } else { 160 },
        rows: 20,
        seats: 50,
        waiting_room: joins,
        hold_ttl_seconds: 600,
        account_places_max: 10_000,
    };
    let habits = Habits {
        no_show: 1.0,
        named: 0.0,
        look_ms: Range(0, 0),
        think_ms: Range(0, 0),
        stay_s: f64::from(SECONDS),
        acts: [(Act::Buy, 1.0)].into(),
        ..Habits::default()
    };
    let people = People {
        kind: if joins { Kind::Fan } else { Kind::Shopper },
        count: if joins { JOINERS } else { connections },
        event: EVENT.to_owned(),
        arrivals: Arrivals { shape: Shape::Steady, seconds: 0.0, rate: None, after_s: 0.0 },
        habits,
    };
    let mut probe = scenario.clone();
    probe.seconds_max = SECONDS;
    probe.door.connections = connections;
    probe.accounts = ACCOUNTS.min(scenario.accounts);
    // Nobody is called: joins are what is counted.
    let hold = Room { mode: Some("hold".to_owned()), ..Room::default() };
    let event = Event { make: Some(make), room: joins.then_some(hold), ..Event::default() };
    probe.events = [(EVENT.to_owned(), event)].into();
    probe.people = [("probe".to_owned(), people)].into();
    probe.operator.clear();
    probe
}

/// Successes a second.
async fn capacity(
    probe: &Scenario,
    joins: bool,
    door: &Door,
    bench_door: bool,
) -> anyhow::Result<f64> {
    let world = prepare(probe, door, bench_door).await.context("prepare the probe")?;
    let board = Arc::new(Board::new(engine::lanes(probe)));
    let play = Play {
        scenario: Arc::new(probe.clone()),
        door: door.clone(),
        world: Arc::new(world),
        board,
        began: Instant::now(),
        patience: PATIENCE,
    };
    let played = engine::run(&play).await.context("probe the machine")?;
    Ok(per_second(&played, if joins { Deed::Join } else { Deed::Confirm }))
}

/// Over the whole seconds between the first and the end.
fn per_second(played: &Played, deed: Deed) -> f64 {
    let seconds = played.tally.seconds.range(1..u64::from(SECONDS));
    let good = seconds.filter_map(|(_, second)| second.good.get(&deed).copied()).sum::<u64>();
    let good = u32::try_from(good).unwrap_or(u32::MAX);
    f64::from(good) / f64::from(SECONDS - 1)
}

#[cfg(test)]
mod tests {
    use super::scale;
    use crate::scenario::{self, Rate};

    #[test]
    fn a_given_crowd_takes_its_time_and_a_given_time_its_crowd() {
        let (mut scenario, _) = scenario::find("flash-sale", false).unwrap();
        let fans = scenario.people.get_mut("fans").unwrap();
        scale(fans, Rate(2.0), 10_000.0);
        // 20,000 in the first second of a spike, a third of that in the mean.
        assert!((157.0..159.0).contains(&fans.arrivals.seconds), "{}", fans.arrivals.seconds);
        assert_eq!(fans.count, 1_000_000);
        let (mut scenario, _) = scenario::find("overload", false).unwrap();
        let fans = scenario.people.get_mut("fans").unwrap();
        scale(fans, Rate(10.0), 1_500.0);
        assert_eq!(fans.count, 450_000);
    }
}
