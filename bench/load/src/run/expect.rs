//! What a scenario expects, held against what came.

use crate::engine::Played;
use crate::record::Deed;
use crate::results::{Figure, Met, Wish};
use crate::scenario::{Expect, Scenario};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is looked at.
pub struct Came<'a> {
    pub played: &'a Played,
    pub figures: &'a BTreeMap<String, Figure>,
    /// When the last seat of the main event was sold.
    pub sold_out: Option<Duration>,
}

pub fn expected(scenario: &Scenario, came: &Came<'_>) -> Vec<Wish> {
    let expect = &scenario.expect;
    let mut wishes = answers(expect, came.played);
    for (name, most) in &expect.p99_ms {
        wishes.push(p99(name, *most, came.played));
    }
    let counts = &came.played.counts;
    wishes.push(overdue(expect.overdue_max, came.played));
    for (group, least) in &expect.booked_min {
        wishes.push(booked(scenario, group, *least, came));
    }
    if let Some(least) = expect.sold_min {
        let says = format!("{} places sold, at least {least}", counts.sold);
        wishes.push(wish("sold_min", least <= counts.sold, says));
    }
    if expect.sold_out == Some(true) {
        let says = match came.sold_out {
            Some(at) => format!("sold out after {:.1} s", at.as_secs_f64()),
            None => "not sold out at the end".to_owned(),
        };
        wishes.push(wish("sold_out", came.sold_out.is_some(), says));
    }
    if expect.all_gone == Some(true) {
        let (people, gone) = (counts.people, counts.gone);
        let says = format!("{gone} of {people} people have gone");
        wishes.push(wish("all_gone", gone == people, says));
    }
    for (name, most) in &expect.figures_max {
        let value = came.figures.get(name).map(|figure| figure.value);
        let says = match value {
            Some(value) => format!("{name}: {value:.3}, at most {most}"),
            None => format!("{name} is not known, at most {most}"),
        };
        let is_met = value.is_some_and(|value| value <= *most);
        wishes.push(wish(&format!("figures_max.{name}"), is_met, says));
    }
    wishes
}

/// Shares of errors, and of requests to come later.
fn answers(expect: &Expect, played: &Played) -> Vec<Wish> {
    let counts = &played.counts;
    let shares = [
        ("errors_max", "errors", counts.errors, expect.errors_max),
        ("shed_max", "asked to come later", counts.shed, expect.shed_max),
    ];
    let mut wishes = Vec::new();
    for (name, what, count, most) in shares {
        let Some(most) = most else { continue };
        let share = ratio(count, counts.asked);
        let says = format!(
            "{what}: {count} of {} answers ({:.4} %), at most {:.4} %",
            counts.asked,
            share * 100.0,
            most * 100.0
        );
        wishes.push(wish(name, share <= most, says));
    }
    wishes
}

/// Who waits in vain has no latency and is no error: without this a run that is too slow to ask
/// them would look better than one that does.
fn overdue(most: f64, played: &Played) -> Wish {
    let (overdue, people) = (played.counts.overdue, played.counts.people);
    let share = ratio(overdue, people);
    let says = format!(
        "{overdue} of {people} people waited in vain to ask ({:.4} %), at most {:.4} %",
        share * 100.0,
        most * 100.0
    );
    wish("overdue_max", share <= most, says)
}

/// Over all of the time, so that a few good seconds do not stand for the others.
fn booked(scenario: &Scenario, group: &str, least: f64, came: &Came<'_>) -> Wish {
    let tally = &came.played.tally;
    let first = scenario.people[group].arrivals.after_s;
    // A second at least: the last answer is rounded up to whole ones.
    let seconds = (tally.lasted().as_secs_f64() - first).max(1.0);
    let booked: u64 = tally.seconds.values().map(|second| second.booked).sum();
    let rate = number(booked) / seconds;
    let name = format!("booked_min.{group}");
    let probed = came.figures.get(&format!("probed_for_{group}_per_second"));
    let Some(probed) = probed.map(|figure| figure.value) else {
        return wish(&name, false, format!("what the machine serves {group} was not probed"));
    };
    let says = format!("{rate:.1} bookings a second, at least {least} of {probed:.1}");
    wish(&name, least * probed <= rate, says)
}

/// What nobody did was not done in time either.
fn p99(name: &str, most: f64, played: &Played) -> Wish {
    let deed = serde_json::from_value::<Deed>(name.into());
    let deed = deed.expect("a scenario was checked for its deeds");
    let p99 = played.tally.latency.get(&deed).map(|latency| latency.at(0.99));
    let p99 = p99.map(|p99| p99.as_secs_f64() * 1_000.0);
    let says = match p99 {
        Some(p99) => format!("{name}: p99 {p99:.1} ms, at most {most} ms"),
        None => format!("{name}: never answered, p99 at most {most} ms"),
    };
    wish(&format!("p99_ms.{name}"), p99.is_some_and(|p99| p99 <= most), says)
}

fn wish(name: &str, is_met: bool, says: String) -> Wish {
    let met = if is_met { Met::Met } else { Met::Missed };
    Wish { name: name.to_owned(), met, says }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { number(part) / number(whole) }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::{Came, expected};
    use crate::engine::{Counts, Group, Played};
    use crate::promises::Checks;
    use crate::record::{Deed, Latency};
    use crate::results::{Figure, Met, Wish};
    use crate::run::Seen;
    use crate::run::figures::figures;
    use crate::sample::Samples;
    use crate::scenario::{self, Expect, Scenario};
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    /// What is missed of `expect` by a run of these counts, in which reserves took 700 ms.
    fn missed(expect: Expect, counts: Counts) -> Vec<Wish> {
        let (mut scenario, _) = scenario::find("smoke", true).unwrap();
        scenario.expect = expect;
        let mut played = Played { counts, ..Played::default() };
        let mut latency = Latency::default();
        latency.add(Duration::from_millis(700));
        played.tally.latency.insert(Deed::Reserve, latency);
        let figures = BTreeMap::new();
        let came = Came { played: &played, figures: &figures, sold_out: None };
        let mut wishes = expected(&scenario, &came);
        wishes.retain(|wish| wish.met == Met::Missed);
        wishes
    }

    #[test]
    fn a_missed_target_is_told_with_both_figures() {
        let expect = Expect {
            errors_max: Some(0.0),
            shed_max: Some(0.0),
            p99_ms: [("reserve".to_owned(), 200.0)].into(),
            sold_min: Some(500),
            ..Expect::default()
        };
        let counts = Counts { asked: 1_000, errors: 1, sold: 499, ..Counts::default() };
        let missed = missed(expect, counts);
        let says = missed.iter().map(|wish| wish.says.as_str()).collect::<Vec<_>>();
        assert_eq!(says.len(), 3, "{says:?}");
        assert!(says[0].contains("1 of 1000"), "{says:?}");
        assert!(says[1].starts_with("reserve: p99 700"), "{says:?}");
        assert_eq!(says[2], "499 places sold, at least 500");
    }

    #[test]
    fn what_never_happened_and_what_nobody_knows_is_missed() {
        let expect = Expect {
            p99_ms: [("confirm".to_owned(), 500.0)].into(),
            sold_out: Some(true),
            figures_max: [("rss_slope_usher".to_owned(), 50.0)].into(),
            ..Expect::default()
        };
        let missed = missed(expect, Counts::default());
        let names = missed.iter().map(|wish| wish.name.as_str()).collect::<Vec<_>>();
        assert_eq!(names, ["p99_ms.confirm", "sold_out", "figures_max.rss_slope_usher"]);
    }

    /// What the groups of `many-events` miss when the others wait so many times as long meanwhile.
    fn missed_beside(times: u64) -> Vec<String> {
        let (scenario, _) = scenario::find("many-events", false).unwrap();
        let group = |ms| {
            let mut latency = Latency::default();
            latency.add(Duration::from_millis(ms));
            let latency = [(Deed::Reserve, latency.clone()), (Deed::Confirm, latency)].into();
            Group { asked: 2, latency, ..Group::default() }
        };
        let groups =
            [("before".to_owned(), group(10)), ("meanwhile".to_owned(), group(10 * times))];
        let played = Played { groups: groups.into(), ..Played::default() };
        let expect_only = Expect { p99_ms: BTreeMap::new(), ..scenario.expect.clone() };
        let seen = Seen {
            scenario: Arc::new(Scenario { expect: expect_only, ..scenario }),
            probed: BTreeMap::new(),
            played,
            samples: Samples::default(),
            checks: Checks::default(),
        };
        let figures = figures(&seen, None, None);
        let came = Came { played: &seen.played, figures: &figures, sold_out: None };
        let missed = expected(&seen.scenario, &came).into_iter();
        missed.filter(|wish| wish.met == Met::Missed).map(|wish| wish.name).collect()
    }

    #[test]
    fn many_events_misses_its_target_if_the_quiet_ones_wait_for_the_hot_one() {
        assert!(missed_beside(4).is_empty());
        let both = ["confirm", "reserve"];
        let both = both.map(|deed| format!("figures_max.meanwhile_over_before_{deed}"));
        assert_eq!(missed_beside(6), both);
    }

    #[test]
    fn whoever_waits_in_vain_is_a_missed_target_of_every_scenario() {
        let all = Counts { people: 10, gone: 10, ..Counts::default() };
        assert!(missed(Expect::default(), all).is_empty());
        let missed_by = |expect: Expect| {
            let missed = missed(expect, Counts { gone: 9, overdue: 1, ..all });
            missed.into_iter().map(|wish| wish.name).collect::<Vec<_>>()
        };
        assert_eq!(missed_by(Expect::default()), ["overdue_max"]);
        let all_gone = Expect { all_gone: Some(true), ..Expect::default() };
        assert_eq!(missed_by(all_gone), ["overdue_max", "all_gone"]);
        assert!(missed_by(Expect { overdue_max: 0.1, ..Expect::default() }).is_empty());
    }

    /// What `overload` misses when it made so many bookings in each of 10 s, of the 1,000 a second
    /// that it was probed for, and so many of 100 people still waited to ask.
    fn missed_by_overload(a_second: u64, overdue: u64) -> Vec<String> {
        let (scenario, _) = scenario::find("overload", false).unwrap();
        let counts = Counts { people: 100, overdue, ..Counts::default() };
        let mut played = Played { counts, ..Played::default() };
        for second in 0..10 {
            played.tally.seconds.entry(second).or_default().booked = a_second;
        }
        let probed =
            Figure { value: 1_000.0, unit: "1/s".to_owned(), p50: None, p99: None, p999: None };
        let figures = [("probed_for_fans_per_second".to_owned(), probed)].into();
        let came = Came { played: &played, figures: &figures, sold_out: None };
        let mut wishes = expected(&scenario, &came);
        wishes.retain(|wish| wish.met == Met::Missed);
        wishes.into_iter().map(|wish| wish.name).collect()
    }

    #[test]
    fn an_overload_that_books_almost_nothing_or_asks_few_misses_its_targets() {
        assert!(missed_by_overload(500, 25).is_empty());
        assert_eq!(missed_by_overload(499, 0), ["booked_min.fans"]);
        assert_eq!(missed_by_overload(0, 26), ["overdue_max", "booked_min.fans"]);
    }
}
