//! Journal time: the one clock that decides deadlines. It never goes back, and no step of the wall
//! clock moves it.

use schema::UnixMillis;
use std::time::Instant;

/// The clock of one owner of a shard.
#[derive(Debug)]
pub(crate) struct JournalClock {
    base: UnixMillis,
    since: Instant,
}

impl JournalClock {
    /// Goes on from the journal's `last` time, `received` here; a journal without one starts at the
    /// wall clock.
    ///
    /// After an outage the journal is behind the wall clock by its length, so holds live on by as
    /// much.
    pub(crate) fn resume(
        last: Option<UnixMillis>,
        wall: UnixMillis,
        received: Instant,
        now: Instant,
    ) -> Self {
        match last {
            Some(base) => Self { base, since: received },
            None => Self { base: wall, since: now },
        }
    }

    pub(crate) fn now(&self, now: Instant) -> UnixMillis {
        let passed = now.saturating_duration_since(self.since).as_millis();
        UnixMillis(self.base.0 + u64::try_from(passed).expect("584 million years"))
    }

    /// Moves up to the wall clock while the shard has no deadline that the step could shorten.
    pub(crate) fn catch_up(&mut self, wall: UnixMillis, now: Instant) {
        if self.now(now) < wall {
            *self = Self { base: wall, since: now };
        }
    }

    /// Translates a wall-clock time of another process into journal time.
    pub(crate) fn translate(&self, time: UnixMillis, wall: UnixMillis, now: Instant) -> UnixMillis {
        let here = self.now(now);
        if wall <= time { here + time.since(wall) } else { here - wall.since(time) }
    }
}

#[cfg(test)]
mod tests {
    use super::JournalClock;
    use schema::UnixMillis;
    use std::time::{Duration, Instant};

    #[test]
    fn journal_time_goes_on_from_the_journal_and_not_from_the_wall() {
        let start = Instant::now();
        let (last, wall) = (Some(UnixMillis(1_000)), UnixMillis(61_000));
        let mut clock = JournalClock::resume(last, wall, start, start);
        let later = start + Duration::from_millis(5);
        assert_eq!(clock.now(later), UnixMillis(1_005));
        let deadline = clock.translate(UnixMillis(61_205), UnixMillis(61_005), later);
        assert_eq!(deadline, UnixMillis(1_205));
        let past = clock.translate(UnixMillis(61_000), UnixMillis(61_005), later);
        assert_eq!(past, UnixMillis(1_000));
        clock.catch_up(UnixMillis(61_005), later);
        assert_eq!(clock.now(later), UnixMillis(61_005));
        clock.catch_up(UnixMillis(5), later);
        assert_eq!(clock.now(later), UnixMillis(61_005), "never back");
    }
}
