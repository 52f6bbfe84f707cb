//! Journal time: the one clock that decides deadlines. It never goes back, and no step of the wall
//! clock moves it.

use crate::config::PULSE_AFTER;
use schema::{DurationMs, UnixMillis};
use std::time::Instant;

/// How far journal time may be behind the wall clock without being moved up to it.
///
/// Shorter would count a take-over as an outage and move every deadline each time. What names a
/// time of the wall, as passes and sales do, is judged by the wall.
const OUTAGE_MIN: DurationMs = DurationMs(1_500);

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
    /// Returns the outage, by which deadlines are to be moved: how far the journal is behind the
    /// wall clock, if that is more than a take-over takes.
    pub(crate) fn resume(
        last: Option<UnixMillis>,
        wall: UnixMillis,
        received: Instant,
        now: Instant,
    ) -> (Self, Option<DurationMs>) {
        let Some(base) = last else { return (Self { base: wall, since: now }, None) };
        let clock = Self { base, since: received };
        let outage = wall.since(clock.now(now));
        if outage < OUTAGE_MIN {
            return (clock, None);
        }
        (Self { base: wall, since: now }, Some(outage))
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

    /// Whether the journal is to be told the time now, where `told` is the last that it was told.
    ///
    /// Only while a deadline runs: an outage moves nothing else.
    pub(crate) fn is_pulse_due(
        &self,
        told: Option<UnixMillis>,
        next_turn: Option<UnixMillis>,
        now: Instant,
    ) -> bool {
        let is_told = told.is_some_and(|told| self.now(now) < told + PULSE_AFTER);
        next_turn.is_some() && !is_told
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
    use schema::{DurationMs, UnixMillis};
    use std::time::{Duration, Instant};

    #[test]
    fn journal_time_goes_on_by_itself_whatever_the_wall_says() {
        let start = Instant::now();
        let (last, wall) = (Some(UnixMillis(60_000)), UnixMillis(61_000));
        let (clock, outage) = JournalClock::resume(last, wall, start, start);
        assert_eq!(outage, None, "a second is what a take-over takes");
        let later = start + Duration::from_millis(5);
        assert_eq!(clock.now(later), UnixMillis(60_005));
        let deadline = clock.translate(UnixMillis(61_205), UnixMillis(61_005), later);
        assert_eq!(deadline, UnixMillis(60_205));
        let past = clock.translate(UnixMillis(61_000), UnixMillis(61_005), later);
        assert_eq!(past, UnixMillis(60_000));
    }

    #[test]
    fn after_an_outage_journal_time_is_the_walls_and_the_outage_is_told() {
        let start = Instant::now();
        let (last, wall) = (Some(UnixMillis(1_000)), UnixMillis(61_000));
        let (clock, outage) = JournalClock::resume(last, wall, start, start);
        assert_eq!((clock.now(start), outage), (wall, Some(DurationMs(60_000))));
    }

    #[test]
    fn what_is_left_of_a_hold_is_what_was_left_at_the_last_batch_whatever_the_wall_says() {
        let start = Instant::now();
        let (last, deadline) = (UnixMillis(100_000), UnixMillis(105_000));
        for wall in [40_000, 100_000, 101_499, 101_500, 102_000, 162_000] {
            let (clock, by) = JournalClock::resume(Some(last), UnixMillis(wall), start, start);
            let deadline = deadline + by.unwrap_or_default();
            assert_eq!(deadline.since(clock.now(start)), DurationMs(5_000), "wall {wall}");
        }
    }

    #[test]
    fn the_journal_is_told_the_time_each_fifth_of_a_second_while_a_deadline_runs() {
        let start = Instant::now();
        let (told, due) = (UnixMillis(60_000), UnixMillis(660_000));
        let (clock, _) = JournalClock::resume(Some(told), told, start, start);
        let is_due =
            |after, told, due| clock.is_pulse_due(told, due, start + Duration::from_millis(after));
        assert!(!is_due(199, Some(told), Some(due)));
        assert!(is_due(200, Some(told), Some(due)));
        assert!(is_due(0, None, Some(due)), "a journal that was never told");
        assert!(!is_due(500, Some(told), None), "nothing that an outage could move");
    }

    #[test]
    fn a_wall_clock_behind_the_journal_does_not_turn_it_back() {
        let start = Instant::now();
        let (last, wall) = (Some(UnixMillis(61_000)), UnixMillis(1_000));
        let (mut clock, outage) = JournalClock::resume(last, wall, start, start);
        assert_eq!((clock.now(start), outage), (UnixMillis(61_000), None));
        clock.catch_up(wall, start);
        assert_eq!(clock.now(start), UnixMillis(61_000));
        clock.catch_up(UnixMillis(62_000), start);
        assert_eq!(clock.now(start), UnixMillis(62_000));
    }
}
