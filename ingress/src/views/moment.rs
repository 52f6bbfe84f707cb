//! Journal time and the wall clock's time of one moment.

use chassis::clock::{self, Monotonic};
use schema::{DurationMs, UnixMillis};

/// One moment on both clocks: deadlines are in journal time, people read the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub journal: UnixMillis,
    pub wall: UnixMillis,
}

impl Moment {
    pub fn new(journal: UnixMillis) -> Self {
        Self { journal, wall: clock::now() }
    }

    /// What is left until a deadline; zero after it.
    pub fn until(&self, deadline: UnixMillis) -> DurationMs {
        deadline.since(self.journal)
    }

    /// Translates a journal time into the wall clock's.
    pub fn on_wall(&self, time: UnixMillis) -> UnixMillis {
        self.wall + time.since(self.journal) - self.journal.since(time)
    }
}

/// Journal time as a follower of the journal knows it: the last batch's, going on by the own
/// monotonic clock, as the owner's does.
#[derive(Debug, Clone, Copy)]
pub struct Follows {
    time: UnixMillis,
    at: Monotonic,
}

impl Follows {
    /// A batch of journal time `time`, written `ago`.
    pub fn batch(time: UnixMillis, ago: DurationMs) -> Self {
        Self { time: time + ago, at: Monotonic::now() }
    }

    pub fn now(&self) -> Moment {
        let passed = u64::try_from(self.at.elapsed().as_millis()).expect("584 million years");
        Moment::new(self.time + DurationMs(passed))
    }
}

#[cfg(test)]
mod tests {
    use super::{Follows, Moment};
    use schema::{DurationMs, UnixMillis};

    #[test]
    fn times_before_and_after_the_moment_keep_their_distance_to_it() {
        let moment = Moment { journal: UnixMillis(1_000), wall: UnixMillis(61_000) };
        assert_eq!(moment.on_wall(UnixMillis(1_500)), UnixMillis(61_500));
        assert_eq!(moment.on_wall(UnixMillis(400)), UnixMillis(60_400));
        assert_eq!(moment.until(UnixMillis(1_500)), DurationMs(500));
        assert_eq!(moment.until(UnixMillis(400)), DurationMs(0));
    }

    #[test]
    fn an_old_batch_is_as_far_behind_as_it_is_old() {
        let now = Follows::batch(UnixMillis(1_000), DurationMs(5_000)).now();
        assert!(now.journal.since(UnixMillis(6_000)) < DurationMs(1_000), "{now:?}");
    }
}
