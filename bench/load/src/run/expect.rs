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
        let (people, gone, overdue) = (counts.people, counts.gone, counts.overdue);
        let says = format!("{gone} of {people} people have gone, {overdue} waited to ask");
        wishes.push(wish("all_gone", gone == people && overdue == 0, says));
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

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^53")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::{Came, expected};
    use crate::engine::{Counts, Played};
    use crate::record::{Deed, Latency};
    use crate::results::{Met, Wish};
    use crate::scenario::{self, Expect};
    use std::collections::BTreeMap;
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

    #[test]
    fn everybody_has_gone_only_if_nobody_still_waits_to_ask() {
        let expect = Expect { all_gone: Some(true), ..Expect::default() };
        let all = Counts { people: 10, gone: 10, ..Counts::default() };
        assert!(missed(expect.clone(), all).is_empty());
        assert_eq!(missed(expect.clone(), Counts { gone: 9, ..all }).len(), 1);
        assert_eq!(missed(expect, Counts { overdue: 1, ..all }).len(), 1);
    }
}
