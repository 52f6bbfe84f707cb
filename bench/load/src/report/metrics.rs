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

/// Pages as a system shows them, at these times.
#[cfg(test)]
pub fn fixture(times: &[Duration]) -> BTreeMap<String, Vec<(Duration, f64)>> {
    let series = [
        ("usher_allocator_append_seconds_sum{shard=\"0\"}", 0.12),
        ("usher_allocator_append_seconds_count{shard=\"0\"}", 60.0),
        ("usher_ingress_ask_seconds_sum", 0.9),
        ("usher_ingress_ask_seconds_count", 120.0),
    ];
    let counted = |each: f64| times.iter().map(|at| (*at, at.as_secs_f64() * each)).collect();
    series.into_iter().map(|(name, each)| (name.to_owned(), counted(each))).collect()
}

#[cfg(test)]
mod tests {
    use super::{Grid, Samples, fixture, times};
    use std::time::Duration;

    #[test]
    fn a_step_takes_the_growth_of_its_sum_by_the_growth_of_its_count() {
        let metrics = fixture(&(0..10).map(Duration::from_secs).collect::<Vec<_>>());
        let plot = times(&Samples { metrics, ..Samples::default() }, Grid { step: 1, count: 10 });
        let append = plot.series.iter().find(|one| one.name == "append to the journal").unwrap();
        let last = append.values.last().copied().flatten().unwrap();
        assert!((last - 2.0).abs() < 1e-6, "{last} ms");
    }
}
