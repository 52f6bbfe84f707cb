//! The counters that this crate moves, for the tests of one thread.

use ::metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Counts what is counted on the thread that it is the local recorder of.
#[derive(Debug, Default)]
pub struct Counted(Mutex<BTreeMap<String, Arc<One>>>);

#[derive(Debug, Default)]
struct One(AtomicU64);

impl Counted {
    /// How many places were called within these of the figures that they were told.
    pub fn waits(&self, within: &[&str]) -> u64 {
        let name = |within: &&str| format!("usher_room_waits_total{{within=\"{within}\"}}");
        within.iter().map(|within| self.total(&name(within))).sum()
    }

    /// The counter of this name with these labels, as `name{label="value"}`.
    fn total(&self, name: &str) -> u64 {
        let counters = self.0.lock().unwrap();
        // Relaxed: one thread counts and reads.
        counters.get(name).map_or(0, |one| one.0.load(Ordering::Relaxed))
    }
}

impl CounterFn for One {
    fn increment(&self, value: u64) {
        // Relaxed: see `total`.
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }
}

impl Recorder for Counted {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}=\"{}\"", label.key(), label.value())).collect();
        let name = match &labels[..] {
            [] => key.name().to_owned(),
            labels => format!("{}{{{}}}", key.name(), labels.join(",")),
        };
        Counter::from_arc(Arc::clone(self.0.lock().unwrap().entry(name).or_default()))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
