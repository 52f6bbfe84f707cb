//! How many commands this instance lets wait for answers, by how soon answers come.
//!
//! An answer that comes after its asker has gone is work for nobody, and when everything offered is
//! let in, that is soon all that is done. So the limit rises a little with each round of answers in
//! time and falls by a quarter when they come late: slow increase, multiplicative decrease (Chiu
//! and Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance", 1989).

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Answers later than this are late: a quarter of what an asker waits.
const LATE: Duration = Duration::from_millis(500);

/// The limit falls once in this time at most: those let in before a fall are answered late after.
const FALL_EVERY_MS: u64 = 500;

/// The limit in a fresh process: what two cores answer in less than [`LATE`].
const FIRST: usize = 2_048;

/// What is let in however late answers are, so that it shows when they come in time again.
const LEAST: usize = 64;

/// The limit of one instance. Its parts are read and written apart: a limit that is off by a few
/// for a moment does no harm.
#[derive(Debug)]
pub struct Pace {
    limit: AtomicUsize,
    most: usize,
    /// Answers in time since the limit rose last.
    in_time: AtomicUsize,
    /// When the limit fell last, in milliseconds of the caller's monotonic clock.
    fell_at: AtomicU64,
}

impl Pace {
    /// A limit that never rises above `most`.
    pub fn new(most: usize) -> Self {
        assert!(LEAST <= most);
        Self {
            limit: AtomicUsize::new(FIRST.min(most)),
            most,
            in_time: AtomicUsize::new(0),
            fell_at: AtomicU64::new(0),
        }
    }

    /// Whether one more may wait beside `waiting` others.
    pub fn lets_in(&self, waiting: usize) -> bool {
        waiting < self.limit()
    }

    pub fn limit(&self) -> usize {
        // Relaxed, here and below: hints; nothing is ordered by them.
        self.limit.load(Ordering::Relaxed)
    }

    /// Takes in how long an answer took that came, or did not come, at `now_ms`.
    pub fn answered(&self, took: Duration, now_ms: u64) {
        if took < LATE {
            self.rise();
        } else {
            self.fall(now_ms);
        }
    }

    fn rise(&self) {
        let limit = self.limit();
        if self.in_time.fetch_add(1, Ordering::Relaxed) + 1 < limit {
            return;
        }
        self.in_time.store(0, Ordering::Relaxed);
        // A sixteenth a round, and not one: a crowd comes faster than a round trip.
        self.limit.store((limit + limit.div_ceil(16)).min(self.most), Ordering::Relaxed);
    }

    fn fall(&self, now_ms: u64) {
        let fell_at = self.fell_at.load(Ordering::Relaxed);
        if now_ms < fell_at.saturating_add(FALL_EVERY_MS) {
            return;
        }
        let (set, failed) = (Ordering::Relaxed, Ordering::Relaxed);
        if self.fell_at.compare_exchange(fell_at, now_ms, set, failed).is_ok() {
            let limit = self.limit();
            self.limit.store((limit - limit / 4).max(LEAST), Ordering::Relaxed);
            self.in_time.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST, LATE, LEAST, Pace};
    use std::time::Duration;

    const SOON: Duration = Duration::from_millis(5);

    #[test]
    fn the_limit_rises_while_answers_come_in_time_and_stops_at_the_most() {
        let pace = Pace::new(4_000);
        for _ in 0..100_000 {
            pace.answered(SOON, 0);
        }
        assert_eq!(pace.limit(), 4_000);
        assert!(pace.lets_in(3_999) && !pace.lets_in(4_000));
    }

    #[test]
    fn late_answers_lower_it_once_a_while_and_never_to_nothing() {
        let pace = Pace::new(8_192);
        for _ in 0..1_000 {
            pace.answered(LATE, 1_000);
        }
        assert_eq!(pace.limit(), FIRST - FIRST / 4, "those let in before are late together");
        for at in 2..100 {
            pace.answered(LATE, at * 1_000);
        }
        assert_eq!(pace.limit(), LEAST);
    }
}
