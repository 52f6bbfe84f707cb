//! The samples of a run. Times count from its start.

use super::slope::per_hour;
use crate::results::Figure;
use std::collections::BTreeMap;
use std::time::Duration;

/// Runs shorter than this get no slopes: what grows in minutes is not a leak yet.
const SLOPE_SPAN_MIN: Duration = Duration::from_mins(5);

/// One process, with its children (Postgres has one for each connection).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Process {
    pub at: Duration,
    /// Time on a core since the process began.
    pub cpu: Duration,
    /// Pages shared between parent and children count once.
    pub resident_kib: u64,
    /// Resident, with shared pages split among all who share them; read only now and then.
    pub proportional_kib: Option<u64>,
    pub threads: u32,
    /// `None` where we may not look.
    pub open_files: Option<u32>,
}

/// One event, as its operator sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inside {
    pub at: Duration,
    pub queued: u64,
    /// Every number up to it has been called.
    pub called: u64,
    /// People with a pass or on their way to one.
    pub active: u32,
    pub active_max: Option<u32>,
    pub called_last_minute: u32,
    pub admission_per_minute: Option<u32>,
    pub free: u32,
    /// Also those in payment.
    pub held: u32,
    pub sold: u32,
    /// How old the room's word was.
    pub room_lag: Option<Duration>,
}

#[derive(Debug, Clone, Default)]
pub struct Samples {
    /// By name: those of `usher.json`, those that were named, and `bench` for the crowd itself.
    pub processes: BTreeMap<String, Vec<Process>>,
    /// Cores that were not idle, of all the machine's programs together.
    pub busy: Vec<(Duration, f64)>,
    /// By event.
    pub inside: BTreeMap<String, Vec<Inside>>,
    /// Series of the metrics page by name and labels, without buckets.
    pub metrics: BTreeMap<String, Vec<(Duration, f64)>>,
}

impl Samples {
    /// `rss_mib_<process>`: the most that was resident at a sample, and `pss_mib_<process>` with
    /// shared pages split, where that was cheap to know. Of runs of five minutes and more also
    /// `rss_slope_<process>` and `open_files_slope_<process>`, by [`per_hour`].
    pub fn figures(&self) -> BTreeMap<String, Figure> {
        let mut figures = BTreeMap::new();
        for (name, samples) in &self.processes {
            let mib: Vec<_> = samples.iter().map(|one| (one.at, one.resident_mib())).collect();
            let most = mib.iter().map(|(_, mib)| *mib).fold(0.0, f64::max);
            figures.insert(format!("rss_mib_{name}"), plain(most, "MiB"));
            if let Some(most) = samples.iter().filter_map(|one| one.proportional_kib).max() {
                figures.insert(format!("pss_mib_{name}"), plain(as_mib(most), "MiB"));
            }
            let first = samples.first().map_or(Duration::ZERO, |one| one.at);
            let last = samples.last().map_or(Duration::ZERO, |one| one.at);
            if last.saturating_sub(first) < SLOPE_SPAN_MIN {
                continue;
            }
            let files = |one: &Process| Some((one.at, f64::from(one.open_files?)));
            let files: Vec<_> = samples.iter().filter_map(files).collect();
            let slopes = [("rss_slope", mib, "MiB/h"), ("open_files_slope", files, "1/h")];
            for (what, samples, unit) in slopes {
                if let Some(slope) = per_hour(&samples) {
                    figures.insert(format!("{what}_{name}"), plain(slope, unit));
                }
            }
        }
        figures
    }
}

impl Process {
    pub fn resident_mib(&self) -> f64 {
        as_mib(self.resident_kib)
    }
}

fn as_mib(kib: u64) -> f64 {
    // A petabyte fits in 40 bits of KiB.
    #[expect(clippy::cast_precision_loss, reason = "memory in KiB is far below 2^53")]
    let kib = kib as f64;
    kib / 1_024.0
}

/// A figure without percentiles, with three digits after the point.
fn plain(value: f64, unit: &str) -> Figure {
    let value = (value * 1_000.0).round() / 1_000.0;
    Figure { value, unit: unit.to_owned(), p50: None, p99: None, p999: None }
}

#[cfg(test)]
mod tests {
    use super::{Process, Samples};
    use std::time::Duration;

    fn samples(seconds: u64) -> Samples {
        let sample = |second: u64| Process {
            at: Duration::from_secs(second),
            resident_kib: 102_400 + second * 1_024,
            open_files: Some(30),
            ..Process::default()
        };
        let processes = [("usher".to_owned(), (0..=seconds).map(sample).collect())].into();
        Samples { processes, ..Samples::default() }
    }

    #[test]
    fn memory_is_the_most_that_was_seen_and_long_runs_have_slopes() {
        let short = samples(100).figures();
        assert_eq!(short.len(), 1);
        assert!((short["rss_mib_usher"].value - 200.0).abs() < 1e-9);
        let long = samples(600).figures();
        assert!((long["rss_slope_usher"].value - 3_600.0).abs() < 1e-3);
        assert!(long["open_files_slope_usher"].value.abs() < 1e-9);
    }
}
