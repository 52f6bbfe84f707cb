//! What time it is. Shells ask here and hand the answer to the cores.

use std::time::{Duration, Instant, SystemTime};

use schema::UnixMillis;

/// Returns the wall clock's time; it may step in both directions.
pub fn now() -> UnixMillis {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // A clock before 1970 is a machine that has not found its time yet: the epoch is as good.
    let millis = since_epoch.unwrap_or(Duration::ZERO).as_millis();
    UnixMillis(u64::try_from(millis).expect("584 million years from now"))
}

/// A point on the clock that never steps; comparable within this process only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Monotonic(Instant);

impl Monotonic {
    pub fn now() -> Monotonic {
        Monotonic(Instant::now())
    }

    /// Returns the time that has passed since this point.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// Returns the span from `earlier` to this point, zero when `earlier` is later.
    pub fn since(self, earlier: Monotonic) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// Returns the point `span` after this one, for `tokio::time::sleep_until`.
    pub fn deadline(self, span: Duration) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.0 + span)
    }
}

#[cfg(test)]
mod tests {
    use super::{Monotonic, now};
    use std::time::Duration;

    #[test]
    fn the_wall_clock_is_in_this_century() {
        let (year_2024, year_2100) = (1_704_067_200_000, 4_102_444_800_000);
        assert!(year_2024 < now().0);
        assert!(now().0 < year_2100);
    }

    #[test]
    fn the_monotonic_clock_measures_forward_only() {
        let earlier = Monotonic::now();
        while earlier.elapsed() < Duration::from_micros(1) {}
        let later = Monotonic::now();
        assert!(earlier < later);
        assert!(Duration::ZERO < later.since(earlier));
        assert_eq!(earlier.since(later), Duration::ZERO);
    }
}
