//! Journal time of one owner, by the rules of the allocator's shell but over virtual time.

use schema::{DurationMs, UnixMillis};

/// How far journal time may be behind the wall clock without being moved up to it.
const OUTAGE_MIN: DurationMs = DurationMs(1_500);

/// How long the journal of a shard with deadlines may be silent.
const PULSE_AFTER: DurationMs = DurationMs(200);

#[derive(Debug, Clone, Copy)]
pub struct JournalClock {
    base: UnixMillis,
    /// When that was, in true time, which nobody reads but as spans.
    since: UnixMillis,
}

impl JournalClock {
    /// Goes on from the journal's `last` time, `received` here. Returns the outage too, by which
    /// deadlines are to be moved.
    pub fn resume(
        last: Option<UnixMillis>,
        wall: UnixMillis,
        received: UnixMillis,
        now: UnixMillis,
    ) -> (Self, Option<DurationMs>) {
        let Some(base) = last else { return (Self { base: wall, since: now }, None) };
        let clock = Self { base, since: received };
        let outage = wall.since(clock.now(now));
        if outage < OUTAGE_MIN {
            return (clock, None);
        }
        (Self { base: wall, since: now }, Some(outage))
    }

    pub fn now(&self, now: UnixMillis) -> UnixMillis {
        self.base + now.since(self.since)
    }

    /// Moves up to the wall clock while no deadline could be shortened by the step.
    pub fn catch_up(&mut self, wall: UnixMillis, now: UnixMillis) {
        if self.now(now) < wall {
            *self = Self { base: wall, since: now };
        }
    }

    pub fn is_pulse_due(
        &self,
        told: Option<UnixMillis>,
        next_turn: Option<UnixMillis>,
        now: UnixMillis,
    ) -> bool {
        let is_told = told.is_some_and(|told| self.now(now) < told + PULSE_AFTER);
        next_turn.is_some() && !is_told
    }

    /// Translates a wall-clock time of another process into journal time.
    pub fn translate(&self, time: UnixMillis, wall: UnixMillis, now: UnixMillis) -> UnixMillis {
        let here = self.now(now);
        if wall <= time { here + time.since(wall) } else { here - wall.since(time) }
    }
}
