//! What was measured, for people and for files.

use crate::record::Latency;
use crate::results::Figure;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// One measurement.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Answers as wished to what was asked after the warm-up, and of the whole time.
    pub good: u64,
    pub good_all: u64,
    pub per_second: f64,
    pub latency: Latency,
    /// Other answers of the whole time, by status and code.
    pub other: BTreeMap<String, u64>,
}

impl Measured {
    pub fn new(
        latency: Latency,
        per_second: f64,
        good_all: u64,
        other: BTreeMap<String, u64>,
    ) -> Self {
        let good = latency.count();
        Self { good, good_all, per_second, latency, other }
    }

    /// Adds what was heard at another time; the rate is left as it was.
    pub fn merge(&mut self, other: &Self) {
        self.good += other.good;
        self.good_all += other.good_all;
        self.latency.merge(&other.latency);
        for (label, count) in &other.other {
            *self.other.entry(label.clone()).or_default() += count;
        }
    }

    /// `value` takes the place of this measurement's own rate.
    pub fn figure(&self, value: f64) -> Figure {
        let at = |share| Some(millis(self.latency.at(share)));
        Figure { value, unit: "1/s".to_owned(), p50: at(0.5), p99: at(0.99), p999: at(0.999) }
    }

    /// One line for the terminal.
    pub fn line(&self, what: &str) -> String {
        let at = |share| millis(self.latency.at(share));
        let other = if self.other.is_empty() { String::new() } else { format!("{:?}", self.other) };
        let (rate, max) = (self.per_second, millis(self.latency.max()));
        format!(
            "{what:<34}{rate:>10.0}{:>10.2}{:>10.2}{:>10.2}{max:>10.2}  {other}",
            at(0.5),
            at(0.99),
            at(0.999)
        )
    }

    pub fn json(&self) -> Value {
        let at = |share| millis(self.latency.at(share));
        json!({
            "good": self.good, "goodWithWarmUp": self.good_all, "perSecond": self.per_second,
            "p50Ms": at(0.5), "p99Ms": at(0.99), "p999Ms": at(0.999),
            "maxMs": millis(self.latency.max()), "other": self.other,
        })
    }
}

/// The heads of the columns of [`Measured::line`].
pub fn heads(what: &str) -> String {
    format!(
        "{what:<34}{:>10}{:>10}{:>10}{:>10}{:>10}  other answers",
        "per s", "p50 ms", "p99 ms", "p99.9 ms", "max ms"
    )
}

/// How many a second; 0 where no time was.
pub fn rate(count: u64, lasted: Duration) -> f64 {
    let count = u32::try_from(count).map_or(f64::from(u32::MAX), f64::from);
    if lasted.is_zero() { 0.0 } else { count / lasted.as_secs_f64() }
}

pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::{Duration, Latency, Measured};
    use std::collections::BTreeMap;

    #[test]
    fn what_came_after_the_warm_up_is_told_apart() {
        let mut latency = Latency::default();
        (0..500).for_each(|_| latency.add(Duration::from_millis(4)));
        let measured = Measured::new(latency, 250.0, 700, BTreeMap::new());
        assert_eq!((measured.good, measured.json()["goodWithWarmUp"].as_u64()), (500, Some(700)));
        assert_eq!(measured.figure(250.0).p99.map(f64::round), Some(4.0));
        let nothing = Measured::default();
        assert!(nothing.line("nothing").contains('0'));
    }
}
