//! How long answers took.

use hdrhistogram::Histogram;
use std::time::Duration;

/// The longest time that is told apart: longer ones count as this.
const LONGEST_US: u64 = 120_000_000;

/// Significant digits: a value is off by at most 0.1 %.
const DIGITS: u8 = 3;

/// A histogram of times, from 1 us to two minutes.
#[derive(Debug, Clone)]
pub struct Latency(Histogram<u64>);

impl Default for Latency {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_US, DIGITS).expect("the bounds are valid"))
    }
}

impl Latency {
    /// One that knows its values to 6 % only, in a fiftieth of the memory: for every second of a
    /// long run.
    pub fn rough() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_US, 1).expect("the bounds are valid"))
    }

    pub fn add(&mut self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(LONGEST_US);
        self.0.saturating_record(us.max(1));
    }

    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that this share of the answers, 0 to 1, did not exceed; zero without any.
    pub fn at(&self, share: f64) -> Duration {
        Duration::from_micros(if self.0.is_empty() { 0 } else { self.0.value_at_quantile(share) })
    }

    pub fn max(&self) -> Duration {
        Duration::from_micros(self.0.max())
    }

    pub fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }
}

#[cfg(test)]
mod tests {
    use super::Latency;
    use std::time::Duration;

    #[test]
    fn percentiles_are_those_of_all_parts_together() {
        let (mut all, mut part) = (Latency::default(), Latency::default());
        assert_eq!((all.at(0.5), all.max()), (Duration::ZERO, Duration::ZERO));
        (1..=50).for_each(|ms| all.add(Duration::from_millis(ms)));
        (51..=100).for_each(|ms| part.add(Duration::from_millis(ms)));
        all.merge(&part);
        assert_eq!(all.count(), 100);
        let ms = |share| all.at(share).as_millis();
        assert_eq!((ms(0.5), ms(0.99), all.max().as_millis()), (50, 99, 100));
    }
}
