//! Times that the system measures itself, from its metrics page.

use super::grid::{Grid, growth};
use super::plot::{Look, Plot, Series};
use super::text::Unit;
use crate::sample::Samples;
use std::collections::BTreeMap;
use std::time::Duration;

/// Histograms whose means are shown: what one step took.
const STEPS: [(&str, &str); 5] = [
    ("usher_ingress_ask_seconds", "command, asked to answered"),
    ("usher_allocator_append_seconds", "append to the journal"),
    ("usher_ingress_barrier_seconds", "read barrier of seats"),
    ("usher_group_seconds", "commit of orders"),
    ("usher_room_release_seconds", "call of people in line"),
];

pub fn times(samples: &Samples, grid: Grid) -> Plot {
    let mean = |(colour, (metric, name)): (usize, &(&str, &str))| {
        let sums = growth(&all(samples, &format!("{metric}_sum")));
        let counts = growth(&all(samples, &format!("{metric}_count")));
        let means = sums.into_iter().zip(counts).filter(|(_, (_, count))| 0.0 < *count);
        let millis = means.map(|((at, sum), (_, count))| (at, sum / count * 1_000.0));
        Series::new(name, colour, Look::Line, grid.mean(millis))
    };
    Plot {
        title: "Steps inside".to_owned(),
        says: "The mean time that each step took, as the system itself measures it.".to_owned(),
        unit: Unit::Millis,
        logarithmic: true,
        grid,
        series: STEPS.iter().enumerate().map(mean).collect(),
    }
}

/// A metric summed over its labels.
fn all(samples: &Samples, metric: &str) -> Vec<(Duration, f64)> {
    let mut sums: BTreeMap<Duration, f64> = BTreeMap::new();
    for (series, values) in &samples.metrics {
        if series.split('{').next() == Some(metric) {
            for (at, value) in values {
                *sums.entry(*at).or_default() += value;
            }
        }
    }
    sums.into_iter().collect()
}
