//! The figures of a run.

use crate::engine::Played;
use crate::record::{Deed, Latency, Tally};
use crate::results::Figure;
use crate::sample::Samples;
use std::collections::BTreeMap;
use std::time::Duration;

/// Rates by the public names; a poll is a look at one's own place.
const RATES: [(&str, Deed); 4] = [
    ("join_per_second", Deed::Join),
    ("poll_per_second", Deed::Me),
    ("reserve_per_second", Deed::Reserve),
    ("confirm_per_second", Deed::Confirm),
];

pub fn figures(
    played: &Played,
    samples: &Samples,
    ready_after: Option<Duration>,
) -> BTreeMap<String, Figure> {
    let mut figures = samples.figures();
    let mut add = |name: String, figure: Figure| drop(figures.insert(name, figure));
    for (name, deed) in RATES {
        if let Some(rate) = rate(&played.tally, deed) {
            let latency = &played.tally.latency[&deed];
            add(name.to_owned(), with_latency(rate, "1/s", latency));
        }
    }
    if let Some(time) = ready_after {
        add("start_seconds".to_owned(), plain(time.as_secs_f64(), "s"));
    }
    let counts = &played.counts;
    if let (Some(first), Some(last)) = (counts.first_reserved, counts.sold_out) {
        let took = last.saturating_sub(first).as_secs_f64();
        add("sell_out_seconds".to_owned(), plain(took, "s"));
    }
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
    for (name, count) in numbers {
        add(name.to_owned(), plain(number(count), "1"));
    }
    for (deed, latency) in &played.tally.latency {
        let p50 = latency.at(0.5).as_secs_f64() * 1_000.0;
        add(format!("{}_ms", name(*deed)), with_latency(p50, "ms", latency));
    }
    if 1 < played.groups.values().filter(|group| 0 < group.asked).count() {
        for (group_name, group) in &played.groups {
            for (deed, latency) in &group.latency {
                let p50 = latency.at(0.5).as_secs_f64() * 1_000.0;
                let figure = with_latency(p50, "ms", latency);
                add(format!("{group_name}_{}_ms", name(*deed)), figure);
            }
        }
    }
    figures
}

/// Successes a second, over the seconds that had any.
fn rate(tally: &Tally, deed: Deed) -> Option<f64> {
    let good = tally.seconds.values().filter_map(|second| second.good.get(&deed));
    let (seconds, good) = good.fold((0, 0), |(seconds, sum), good| (seconds + 1, sum + good));
    (seconds != 0).then(|| number(good) / number(seconds))
}

fn name(deed: Deed) -> String {
    let name = serde_json::to_value(deed).expect("a deed is a text");
    name.as_str().expect("a deed is a text").to_owned()
}

fn with_latency(value: f64, unit: &str, latency: &Latency) -> Figure {
    let ms = |share| Some(latency.at(share).as_secs_f64() * 1_000.0);
    let (p50, p99, p999) = (ms(0.5), ms(0.99), ms(0.999));
    Figure { value, unit: unit.to_owned(), p50, p99, p999 }
}

fn plain(value: f64, unit: &str) -> Figure {
    Figure { value, unit: unit.to_owned(), p50: None, p99: None, p999: None }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}
