//! The leader's decision: whom to call now.

use crate::adapt::Headroom;
use crate::bits::{Bits, between};
use crate::horizon::{Horizons, Line};
use crate::inside::{Entry, Inside, Uncounted};
use crate::late::LateShare;
use crate::limits::{CALLED_MAX, SIGHT_NUMBERS};
use crate::manner::Manner;
use crate::mono::MonoMs;
use crate::pace::Pace;
use crate::returns::Returns;
use crate::window::Window;
use schema::admission::LimitedBy;
use schema::{DurationMs, InvariantId, RoomSettings};

/// What the leader of a room knows beyond the records: who was called lately, who is inside.
#[derive(Debug, Clone, Default)]
pub struct Room {
    pub cursor: u64,
    pub(crate) window: Window,
    pub(crate) inside: Inside,
    pace: Pace,
    horizons: Horizons,
    late: LateShare,
    in_flight: Option<Plan>,
}

/// What there is to see at a tick.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    pub settings: &'a RoomSettings,
    pub manner: Manner,
    /// The last number that may be called: given out, and not of a pre-queue that still gathers.
    pub line_last: u64,
    /// The numbers up to this are in the bitmaps.
    pub sight_last: u64,
    /// Who is known to have joined, or has checked in, and did not leave.
    pub live: &'a Bits,
    /// Who checked in lately.
    pub seen: &'a Bits,
    /// Numbers of which nobody knows whether they were given out before Redis was lost: in `live`
    /// only once they have checked in.
    pub doubt: &'a Bits,
    /// Skipped numbers that came back, longest waiting first.
    pub late: &'a [u64],
    /// Free seats, or for a room that adapts how many people there are any for; `None` for a room
    /// without seats, or while they are not known.
    pub seats_free: Option<u32>,
    /// Once all seats were gone.
    pub returns: Option<Returns>,
    /// What the stages behind bear; no limits for a room that does not adapt.
    pub headroom: Headroom,
}

/// Whom to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub cursor_before: u64,
    pub cursor: u64,
    /// With the late ones.
    pub called: u32,
    pub skipped: Vec<(u64, u64)>,
    pub late: Vec<u64>,
}

/// What comes of a tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// To be appended before anybody hears of it, then [`Room::acked`].
    pub release: Option<Plan>,
    pub limited_by: LimitedBy,
}

impl Room {
    /// A room whose cursor is here and of which nothing else is known.
    pub fn at(cursor: u64) -> Self {
        Self { cursor, ..Self::default() }
    }

    /// Decides whom to call at `now`. A release counts from here on.
    pub fn decide(&mut self, now: MonoMs, sight: Sight<'_>) -> Decision {
        assert!(self.in_flight.is_none(), "the last release was not acknowledged");
        assert!(self.cursor <= sight.line_last);
        let checked = self.horizons.checked(now);
        // The window keeps the operator's cap, which is about any minute; what is borne is about
        // now, and lowers the pace alone: else nobody would be called until a busy minute is over.
        let (borne, bearing) = sight.headroom.binding(sight.settings.admission_rate_per_minute);
        let paced = self.pace.available(now, borne);
        let (limit, binding) = self.limit(now, sight, (paced, bearing));
        if sight.manner == Manner::Nobody {
            return Decision { release: None, limited_by: LimitedBy::Mode };
        }
        let line_waits = sight.live.count(self.cursor, sight.line_last) != 0;
        let late_waiting = u32::try_from(sight.late.len()).unwrap_or(u32::MAX);
        let late_share = self.late.of(limit, late_waiting, line_waits);
        let (mut plan, is_held) = self.walk(sight, checked, limit - late_share);
        let line_called = plan.called;
        let line_is_through = !is_held
            && sight.line_last <= sight.sight_last
            && sight.live.count(plan.cursor, sight.line_last) == 0;
        // What the line has nobody for is the lane's: rate that nobody uses is lost.
        let late_called =
            if line_is_through { late_waiting.min(limit - line_called) } else { late_share };
        plan.called += late_called;
        plan.late = sight.late.iter().copied().take(late_called as usize).collect();
        let still_waiting = sight.live.count(plan.cursor, sight.line_last) != 0
            || late_called < late_waiting
            || sight.sight_last < sight.line_last;
        let limited_by = match (is_held, still_waiting) {
            (true, _) => LimitedBy::Recovery,
            (false, true) => binding,
            (false, false) => LimitedBy::Nothing,
        };
        if plan.called == 0 && plan.cursor == self.cursor {
            return Decision { release: None, limited_by };
        }
        self.late.called(line_called, late_called);
        self.pace.spend(plan.called.min(paced));
        self.window.begin(plan.called);
        let cap = u64::from(sight.settings.admission_rate_per_minute);
        schema::check!(InvariantId::Line2, plan.called == 0 || self.window.sum() <= cap);
        self.in_flight = Some(plan.clone());
        Decision { release: Some(plan), limited_by }
    }

    /// The release of the last decision is durable since `now`; its terms end at the given spans.
    pub fn acked(&mut self, now: MonoMs, claim_window: DurationMs, pass_life: DurationMs) {
        let plan = self.in_flight.take().expect("a release is in flight");
        self.window.acked(now);
        self.cursor = plan.cursor;
        self.inside.called(Entry {
            cursor_before: plan.cursor_before,
            cursor: plan.cursor,
            skipped: plan.skipped,
            late: plan.late,
            called: plan.called,
            claim_until: now + claim_window,
            pass_until: now + pass_life,
            claimed: None,
        });
    }

    /// A new epoch began: Redis lost its bits.
    pub fn epoch_started(&mut self) {
        self.horizons.interrupt();
        self.inside.marks_lost();
    }

    /// How many may be called, and which limit says so. Of equal limits the one that lasts is
    /// named.
    fn limit(
        &mut self,
        now: MonoMs,
        sight: Sight<'_>,
        (paced, bearing): (u32, LimitedBy),
    ) -> (u32, LimitedBy) {
        let settings = sight.settings;
        let rate = settings.admission_rate_per_minute;
        let inside = self.inside.count(now);
        let active = settings.active_max.saturating_sub(inside);
        let is_free = sight.manner == Manner::AtOnce && bearing == LimitedBy::Rate;
        let pace = if is_free { u32::MAX } else { paced };
        let enough = |free| sight.returns.map_or(free, |returns| returns.enough_for(free, inside));
        let limits = [
            (sight.seats_free.map_or(u32::MAX, enough), LimitedBy::Seats),
            (active, LimitedBy::Active),
            (pace, bearing),
            (self.window.free(now, rate).min(CALLED_MAX), LimitedBy::Rate),
        ];
        limits.into_iter().min_by_key(|&(limit, _)| limit).expect("there are four")
    }

    /// Goes ahead from the cursor until `limit` live people are passed, or nobody is left in sight.
    ///
    /// A number is gone if its bit is 0, or if it was asked to check in for long enough and did
    /// not. LINE-1: nobody is called before a smaller live number, because the walk is in order and
    /// stops. A number in doubt is called once it has checked in, as it would if anybody had it;
    /// until its silence means that nobody has, the walk stops before it. So the line never waits
    /// at its own pace for numbers that nobody has, and waits for them one lapse at most.
    ///
    /// Says too whether a doubt stopped it.
    fn walk(&self, sight: Sight<'_>, checked: u64, limit: u32) -> (Plan, bool) {
        let mut plan = Plan {
            cursor_before: self.cursor,
            cursor: self.cursor,
            called: 0,
            skipped: Vec::new(),
            late: Vec::new(),
        };
        let last = sight.line_last.min(sight.sight_last);
        if limit == 0 || last <= self.cursor {
            return (plan, false);
        }
        for word in Bits::word_of(self.cursor + 1)..=Bits::word_of(last) {
            let silent = between(word, 0, checked) & !sight.seen.word(word);
            let unsure = sight.doubt.word(word) & !sight.seen.word(word);
            let maybe = sight.live.word(word) | unsure;
            let mut alive = maybe & !silent & between(word, self.cursor, last);
            while alive != 0 {
                let idx = alive.leading_zeros();
                if unsure >> (63 - idx) & 1 == 1 {
                    plan.skip_to(word * 64 + u64::from(idx) - 1);
                    return (plan, true);
                }
                alive &= !(1 << (63 - idx));
                plan.call(word * 64 + u64::from(idx));
                if plan.called == limit {
                    return (plan, false);
                }
            }
        }
        plan.skip_to(last);
        (plan, false)
    }

    /// The horizon to publish now, `given` being the last number given out and `poll_ceiling` the
    /// longest that anybody is told to wait.
    ///
    /// All doubts in sight are asked at once, however slow the line: else each stretch of them
    /// would hold it up for another lapse.
    pub fn publish_horizon(
        &mut self,
        now: MonoMs,
        given: u64,
        doubt: &Bits,
        settings: &RoomSettings,
        poll_ceiling: DurationMs,
    ) -> u64 {
        let (cursor, rate_per_minute) = (self.cursor, settings.admission_rate_per_minute);
        let asked = doubt.iter(cursor, cursor + SIGHT_NUMBERS).last().unwrap_or(0);
        let line = Line { cursor, given, asked, rate_per_minute, poll_ceiling };
        self.horizons.publish(now, line)
    }

    /// Notes that at `at` people may have been told to come back only after `poll_ceiling`.
    pub(crate) fn told(&mut self, at: MonoMs, poll_ceiling: DurationMs) {
        self.horizons.told(at, poll_ceiling);
    }

    /// Check-ins did not work for a while.
    pub fn check_ins_failed(&mut self) {
        self.horizons.interrupt();
    }

    /// The place bought, or gave its pass back.
    pub fn completed(&mut self, number: u64) {
        self.inside.completed(number);
    }

    /// The place was given up before a claim, and the record that says so is durable.
    pub fn left(&mut self, number: u64) {
        self.inside.left(number);
    }

    /// Releases whose claim window is over: no more of their people may claim from here on, and
    /// then those who did are to be counted.
    pub fn uncounted(&self, now: MonoMs) -> Vec<Uncounted> {
        self.inside.uncounted(now)
    }

    pub fn claimed(&mut self, cursor_before: u64, cursor: u64, late: &[u64], claimed: u32) {
        self.inside.claimed(cursor_before, cursor, late, claimed);
    }

    pub fn active(&mut self, now: MonoMs) -> u32 {
        self.inside.count(now)
    }

    /// How many count against the rate now.
    pub fn called_last_minute(&mut self, now: MonoMs) -> u32 {
        self.window.free(now, 0);
        u32::try_from(self.window.sum()).unwrap_or(u32::MAX)
    }
}

impl Plan {
    fn call(&mut self, number: u64) {
        self.skip_to(number - 1);
        self.cursor = number;
        self.called += 1;
    }

    fn skip_to(&mut self, last: u64) {
        if self.cursor < last {
            self.skipped.push((self.cursor + 1, last));
            self.cursor = last;
        }
    }
}

#[cfg(test)]
mod draw_kills;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod tests;
