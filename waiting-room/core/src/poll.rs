//! When to ask again: from the distance to the cursor, so that the load does not grow with the
//! line.

use schema::DurationMs;

/// What a fan is told to wait between polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollPolicy {
    /// Shorter gains a fan nothing: the claim window is a minute and more.
    pub floor: DurationMs,
    /// Longer and a fan near the front would not check in within a horizon's lapse.
    pub ceiling: DurationMs,
    /// A fan asks this many times on the way from here to the cursor.
    pub divisor: u64,
}

pub const POLLS: PollPolicy =
    PollPolicy { floor: DurationMs(2_000), ceiling: DurationMs(30_000), divisor: 4 };

/// The largest jitter, in 1/256 of the wait: 0.3.
const JITTER_MAX: u64 = 77;

impl PollPolicy {
    /// How long a place with `ahead` people before it waits until its next poll.
    ///
    /// `jitter` is a byte that belongs to the place: the same place keeps its rhythm, and a crowd
    /// that joined in one second does not ask in one second.
    pub fn poll_after(&self, ahead: u64, rate_per_minute: u32, jitter: u8) -> DurationMs {
        let minute = 60_000;
        // A room that calls nobody is asked as seldom as one that calls one a second.
        let rate = u64::from(rate_per_minute).max(60);
        let wait = ahead.saturating_mul(minute) / rate / self.divisor;
        // The jitter comes on top, so the base ends below the ceiling by as much.
        let base_max = self.ceiling.0 * 256 / (256 + JITTER_MAX);
        let base = wait.clamp(self.floor.0, base_max);
        let poll_after = DurationMs(base + base * JITTER_MAX * u64::from(jitter) / (256 * 255));
        assert!(self.floor <= poll_after);
        assert!(poll_after <= self.ceiling);
        poll_after
    }
}

/// A byte of jitter from bytes that differ from place to place, such as a MAC.
pub fn jitter(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |mixed, byte| mixed ^ byte)
}

/// Who polls too often: one call a second on average, ten at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollGuard;

impl PollGuard {
    const INTERVAL_MS: u32 = 1_000;
    const BURST: u32 = 10;

    /// Decides over a call at `now_ms` for a place whose next free time is `next_ms` (0 for a new
    /// one).
    ///
    /// Returns the place's new next free time, or how long to wait. A refused call moves nothing,
    /// so impatience costs no more than itself.
    ///
    /// # Errors
    /// The time until the next call is accepted.
    pub fn call(next_ms: u32, now_ms: u32) -> Result<u32, DurationMs> {
        let allowed_from = next_ms.saturating_sub(Self::INTERVAL_MS * (Self::BURST - 1));
        if now_ms < allowed_from {
            return Err(DurationMs(u64::from(allowed_from - now_ms)));
        }
        Ok(next_ms.max(now_ms).saturating_add(Self::INTERVAL_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::{POLLS, PollGuard};
    use schema::DurationMs;

    #[test]
    fn the_next_poll_is_far_for_the_far_and_within_bounds_for_all() {
        for jitter in [0, 128, 255] {
            for ahead in [0, 1, 100, 1_000, 1_000_000, u64::MAX] {
                let wait = POLLS.poll_after(ahead, 600, jitter);
                assert!(POLLS.floor <= wait && wait <= POLLS.ceiling, "{ahead}: {wait:?}");
            }
        }
        assert_eq!(POLLS.poll_after(400, 600, 0), DurationMs(10_000));
        assert_eq!(POLLS.poll_after(400, 600, 255), DurationMs(13_007));
    }

    #[test]
    fn ten_calls_at_once_are_fine_and_then_one_a_second() {
        let mut next = 0;
        for _ in 0..10 {
            next = PollGuard::call(next, 50_000).unwrap();
        }
        assert_eq!(PollGuard::call(next, 50_000), Err(DurationMs(1_000)));
        assert_eq!(PollGuard::call(next, 50_400), Err(DurationMs(600)), "it did not move");
        next = PollGuard::call(next, 51_000).unwrap();
        assert!(PollGuard::call(next, 51_001).is_err());
        assert!(PollGuard::call(next, 90_000).is_ok());
    }
}
