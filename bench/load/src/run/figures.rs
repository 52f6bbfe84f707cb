//! The figures of a run.

use super::Seen;
use super::sold_out::SoldOut;
use crate::engine::Played;
use crate::record::{Deed, Latency, Second, Tally};
use crate::results::Figure;
use crate::scenario::Scenario;
use std::collections::BTreeMap;
use std::time::Duration;

/// Rates by the public names; a poll is a look at one's own place.
const RATES: [(&str, Deed); 4] = [
    ("join_per_second", Deed::Join),
    ("poll_per_second", Deed::Me),
    ("reserve_per_second", Deed::Reserve),
    ("confirm_per_second", Deed::Confirm),
];

type Figures = BTreeMap<String, Figure>;

pub fn figures(seen: &Seen, sold_out: Option<SoldOut>, ready_after: Option<Duration>) -> Figures {
    let Seen { scenario, probed, played, samples, .. } = seen;
    let mut figures = samples.figures();
    figures.extend(rates(&played.tally));
    if let Some(time) = ready_after {
        figures.insert("start_seconds".to_owned(), plain(time.as_secs_f64(), "s"));
    }
    if let Some(SoldOut { took, .. }) = sold_out {
        figures.insert("sell_out_seconds".to_owned(), plain(took.as_secs_f64(), "s"));
    }
    for (name, capacity) in probed {
        figures.insert(format!("probed_for_{name}_per_second"), plain(*capacity, "1/s"));
    }
    figures.extend(counts(played));
    figures.extend(latencies("", &played.tally.latency));
    if 1 < played.groups.values().filter(|group| 0 < group.asked).count() {
        for (name, group) in &played.groups {
            figures.extend(latencies(&format!("{name}_"), &group.latency));
        }
    }
    figures.extend(ratios(scenario, played));
    figures
}

fn rates(tally: &Tally) -> Figures {
    let mut figures = Figures::new();
    for (name, deed) in RATES {
        let good = |second: &Second| second.good.get(&deed).copied();
        if let Some(rate) = rate(tally, good) {
            // Where only bots were served, nobody's waiting is known.
            let latency = tally.latency.get(&deed);
            let figure = latency.map(|latency| with_latency(rate, "1/s", latency));
            figures.insert(name.to_owned(), figure.unwrap_or_else(|| plain(rate, "1/s")));
        }
    }
    let booked = |second: &Second| Some(second.booked).filter(|booked| 0 < *booked);
    if let Some(rate) = rate(tally, booked) {
        let figure = with_latency(rate, "1/s", &tally.bookings);
        figures.insert("booking_per_second".to_owned(), figure);
    }
    figures
}

/// Successes a second, from the second of the first to that of the last: a standstill between them
/// counts.
fn rate(tally: &Tally, good: impl Fn(&Second) -> Option<u64>) -> Option<f64> {
    let all = tally.seconds.iter();
    let all: Vec<(u64, u64)> = all.filter_map(|(at, second)| Some((*at, good(second)?))).collect();
    let ((first, _), (last, _)) = (all.first()?, all.last()?);
    let sum = all.iter().map(|(_, good)| good).sum();
    Some(number(sum) / number(last - first + 1))
}

fn counts(played: &Played) -> Figures {
    let counts = &played.counts;
    let numbers = [
        ("questions", counts.asked),
        ("errors", counts.errors),
        ("asked_to_come_later", counts.shed),
        ("status_from_cache", counts.cached),
        ("people", counts.people),
        ("people_gone", counts.gone),
        ("overdue_at_end", counts.overdue),
        ("places_reserved", counts.reserved),
        ("places_sold", counts.sold),
    ];
    let figure = |(name, count): (&str, u64)| (name.to_owned(), plain(number(count), "1"));
    numbers.into_iter().map(figure).collect()
}

/// `DEED_ms` by what was asked, each with the median as its value.
fn latencies(prefix: &str, latencies: &BTreeMap<Deed, Latency>) -> Figures {
    let figure = |(deed, latency): (&Deed, &Latency)| {
        let figure = with_latency(millis(latency, 0.5), "ms", latency);
        (format!("{prefix}{}_ms", name(*deed)), figure)
    };
    latencies.iter().map(figure).collect()
}

/// `GROUP_over_OTHER_DEED`: how many times as long the slowest in a hundred of one group waited as
/// those of another, of deeds that both did.
fn ratios(scenario: &Scenario, played: &Played) -> Figures {
    let mut figures = Figures::new();
    for (group_name, other_name) in &scenario.expect.beside {
        let groups = (played.groups.get(group_name), played.groups.get(other_name));
        let (Some(group), Some(other)) = groups else { continue };
        for (deed, latency) in &group.latency {
            let Some(of_other) = other.latency.get(deed) else { continue };
            let ratio = millis(latency, 0.99) / millis(of_other, 0.99);
            let deed = name(*deed);
            figures.insert(format!("{group_name}_over_{other_name}_{deed}"), plain(ratio, "1"));
        }
    }
    figures
}

fn name(deed: Deed) -> String {
    let name = serde_json::to_value(deed).expect("a deed is a text");
    name.as_str().expect("a deed is a text").to_owned()
}

fn millis(latency: &Latency, share: f64) -> f64 {
    latency.at(share).as_secs_f64() * 1_000.0
}

fn with_latency(value: f64, unit: &str, latency: &Latency) -> Figure {
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| Some(millis(latency, share)));
    Figure { value, unit: unit.to_owned(), p50, p99, p999 }
}

fn plain(value: f64, unit: &str) -> Figure {
    Figure { value, unit: unit.to_owned(), p50: None, p99: None, p999: None }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::figures;
    use crate::engine::{Group, Played};
    use crate::promises::Checks;
    use crate::record::{Deed, Latency};
    use crate::run::Seen;
    use crate::sample::Samples;
    use crate::scenario::{self, Scenario};
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    fn seen(scenario: Scenario, played: Played) -> Seen {
        let (samples, checks) = (Samples::default(), Checks::default());
        Seen { scenario: Arc::new(scenario), probed: BTreeMap::new(), played, samples, checks }
    }

    fn group(reserve_ms: u64) -> Group {
        let mut latency = Latency::default();
        latency.add(Duration::from_millis(reserve_ms));
        Group { asked: 1, latency: [(Deed::Reserve, latency)].into(), ..Group::default() }
    }

    #[test]
    fn one_group_is_shown_beside_another_by_its_slowest() {
        let (mut scenario, _) = scenario::find("smoke", true).unwrap();
        scenario.expect.beside = [("late".to_owned(), "early".to_owned())].into();
        let groups = [("early".to_owned(), group(10)), ("late".to_owned(), group(25))];
        let played = Played { groups: groups.into(), ..Played::default() };
        let figures = figures(&seen(scenario, played), None, None);
        let ratio = figures["late_over_early_reserve"].value;
        assert!((2.4..2.6).contains(&ratio), "{ratio}");
    }

    #[test]
    fn a_standstill_lowers_a_rate_and_what_came_before_and_after_does_not() {
        let (scenario, _) = scenario::find("smoke", true).unwrap();
        let mut played = Played::default();
        played.tally.arrive(Duration::ZERO);
        for (second, ms) in [(3, 100), (3, 200), (7, 300), (7, 400), (7, 400)] {
            played.tally.book(Duration::from_secs(second), Duration::from_millis(ms));
        }
        played.tally.seconds.entry(20).or_default();
        let figures = figures(&seen(scenario, played), None, None);
        let booking = &figures["booking_per_second"];
        assert!((booking.value - 1.0).abs() < 1e-9 && 390.0 < booking.p99.unwrap());
        assert!(!figures.contains_key("sell_out_seconds"));
    }
}
