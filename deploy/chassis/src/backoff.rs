//! How long to wait before the next attempt: exponential, with full jitter, bounded.

use std::time::Duration;

use crate::{Shutdown, random};

/// The waits between attempts of one thing.
///
/// The n-th wait is uniform in `[0, min(first * 2^n, max)]`. Full jitter spreads a crowd whose
/// attempts failed at the same instant; a part of it that did not depend on chance would bring them
/// back together.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    attempts_max: Option<u32>,
    attempts: u32,
}

/// Why [`Backoff::pause`] came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Pause {
    /// The wait is over: try again.
    Elapsed,
    /// `attempts_max` waits have been taken: give up.
    Exhausted,
    /// The process ends: give up.
    ShuttingDown,
}

impl Backoff {
    /// `attempts_max` is the number of waits before giving up; `None` goes on until the process
    /// ends.
    pub fn new(first: Duration, max: Duration, attempts_max: Option<u32>) -> Backoff {
        assert!(!first.is_zero(), "without a first wait every attempt follows at once");
        assert!(first <= max);
        Backoff { first, max, attempts_max, attempts: 0 }
    }

    /// Returns the next wait, or `None` when there have been enough.
    pub fn next_delay(&mut self) -> Option<Duration> {
        if self.attempts_max.is_some_and(|attempts_max| attempts_max <= self.attempts) {
            return None;
        }
        let factor = 1u32.checked_shl(self.attempts).unwrap_or(u32::MAX);
        let bound = self.first.saturating_mul(factor).min(self.max);
        self.attempts = self.attempts.saturating_add(1);
        Some(random::duration_up_to(bound))
    }

    /// Starts again from the first wait; to be called after a success.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// Takes the next wait, cut short when the process ends.
    pub async fn pause(&mut self, shutdown: &Shutdown) -> Pause {
        if shutdown.is_begun() {
            return Pause::ShuttingDown;
        }
        let Some(delay) = self.next_delay() else { return Pause::Exhausted };
        // Both branches are cancel-safe.
        tokio::select! {
            () = tokio::time::sleep(delay) => Pause::Elapsed,
            () = shutdown.begun() => Pause::ShuttingDown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Backoff, Pause};
    use crate::Shutdown;

    const FIRST: Duration = Duration::from_millis(10);
    const MAX: Duration = Duration::from_millis(80);

    #[test]
    fn waits_grow_to_the_bound_and_never_beyond_it() {
        let mut longest = [Duration::ZERO; 40];
        for _ in 0..400 {
            let mut backoff = Backoff::new(FIRST, MAX, None);
            for longest in &mut longest {
                *longest = backoff.next_delay().expect("unbounded").max(*longest);
            }
        }
        let bounds = [10, 20, 40, 80].map(Duration::from_millis).into_iter();
        for (longest, bound) in longest.into_iter().zip(bounds.chain(std::iter::repeat(MAX))) {
            assert!(longest <= bound, "{longest:?} is above {bound:?}");
            assert!(bound / 2 < longest, "{longest:?} never came near {bound:?}");
        }
    }

    #[test]
    fn attempts_end_and_begin_again_after_a_reset() {
        let mut backoff = Backoff::new(FIRST, MAX, Some(2));
        let taken = |backoff: &mut Backoff| std::iter::from_fn(|| backoff.next_delay()).count();
        assert_eq!(taken(&mut backoff), 2);
        assert_eq!(taken(&mut backoff), 0);
        backoff.reset();
        assert_eq!(taken(&mut backoff), 2);
    }

    #[tokio::test]
    async fn a_pause_ends_with_the_process_however_long_it_is() {
        let hour = Duration::from_hours(1);
        let shutdown = Shutdown::new();
        let mut backoff = Backoff::new(hour, hour, None);
        let pause = backoff.pause(&shutdown);
        let end = async { shutdown.begin("test") };
        let (pause, ()) = tokio::join!(pause, end);
        assert_eq!(pause, Pause::ShuttingDown);
        assert_eq!(backoff.pause(&shutdown).await, Pause::ShuttingDown);
    }

    #[tokio::test]
    async fn a_pause_says_when_there_were_enough_of_them() {
        let mut backoff = Backoff::new(Duration::from_micros(1), MAX, Some(1));
        let shutdown = Shutdown::new();
        assert_eq!(backoff.pause(&shutdown).await, Pause::Elapsed);
        assert_eq!(backoff.pause(&shutdown).await, Pause::Exhausted);
    }
}
