//! SEAT-3: how long holds live, at least and at most.

use super::book::Book;
use super::hold::Phase;
use super::{Checked, expect};
use crate::owner::Answer;
use schema::{DurationMs, InvariantId, OutcomeBody, Reply, UnixMillis};

/// How much longer a hold may live for each outage: the owner tells the journal the time each fifth
/// of a second, an outage counts from the last time told, and the batch that told it may have
/// waited.
const OUTAGE_SLACK: DurationMs = DurationMs(900);

/// SEAT-3: how soon after its deadline a hold is free.
const FREE_WITHIN: DurationMs = DurationMs(1_000);

impl Book {
    /// Somebody is told that a hold lives until a deadline.
    pub fn told(&mut self, now: UnixMillis, time: UnixMillis, answer: &Answer) {
        let Reply::Done { outcome, .. } = &answer.reply else { return };
        let (OutcomeBody::SeatsHeld(held) | OutcomeBody::SeatsSwapped(held)) = &outcome.body else {
            return;
        };
        if let (Some(hold), Some(deadline)) = (self.holds.get_mut(&held.hold), held.deadline) {
            hold.told_end = hold.told_end.max(now + deadline.since(time));
        }
    }

    pub fn trouble_begins(&mut self) {
        for hold in self.holds.values_mut() {
            hold.calm_end = hold.calm_end + OUTAGE_SLACK;
        }
    }

    /// SEAT-3: in a calm that lasts holds end soon after their deadline.
    pub fn calm_lasts(&mut self, by: DurationMs) -> Checked {
        self.calm = self.calm + by;
        let calm = self.calm;
        for (id, hold) in self.holds.iter().filter(|(_, hold)| hold.phase == Phase::Held) {
            let late = calm.0.saturating_sub(hold.calm_end.0);
            expect(InvariantId::Seat3, late <= FREE_WITHIN.0, || {
                format!("{id} is held {late} ms behind its end")
            })?;
        }
        Ok(())
    }

    /// SEAT-3: nothing is held or being paid for ever.
    pub fn has_come_to_rest(&self) -> Checked {
        let mut waiting =
            self.holds.iter().filter(|(_, hold)| matches!(hold.phase, Phase::Held | Phase::Paying));
        let left = waiting.next();
        expect(InvariantId::Seat3, left.is_none(), || format!("never ends: {left:?}"))
    }
}
