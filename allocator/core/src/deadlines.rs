//! When the owner has to act next, and on which hold.

use crate::digest::mix;
use schema::{DurationMs, HoldId, UnixMillis};
use std::collections::BTreeSet;

/// Due times of holds, at most one a slot. O(log n) each; equal times come in order of slot, so
/// that every owner would act in the same order.
///
/// A hold's turn comes up to `spread` later than it is due, by its id, which nobody but its owner
/// knows: who sees a seat's deadline cannot be there at the very moment it is free.
#[derive(Debug)]
pub(crate) struct Deadlines {
    turns: BTreeSet<(UnixMillis, u32)>,
    spread: DurationMs,
}

impl Deadlines {
    pub fn new(spread: DurationMs) -> Self {
        Self { turns: BTreeSet::new(), spread }
    }

    /// Moves a hold from one due time to another; `None` is never.
    pub fn change(
        &mut self,
        slot: u32,
        hold: HoldId,
        from: Option<UnixMillis>,
        to: Option<UnixMillis>,
    ) {
        if let Some(from) = from {
            let was_there = self.turns.remove(&(self.turn(hold, from), slot));
            assert!(was_there, "slot {slot} was not due at {from}");
        }
        if let Some(to) = to {
            let is_new = self.turns.insert((self.turn(hold, to), slot));
            assert!(is_new, "slot {slot} is due twice");
        }
    }

    /// When a hold's turn comes that is due then.
    pub fn turn(&self, hold: HoldId, due: UnixMillis) -> UnixMillis {
        let half =
            |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).expect("masked to 64 bits");
        let chance = mix(half(hold.0 >> 64), half(hold.0));
        due + DurationMs(chance % (self.spread.0 + 1))
    }

    pub fn first(&self) -> Option<(UnixMillis, u32)> {
        self.turns.first().copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = (UnixMillis, u32)> {
        self.turns.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::Deadlines;
    use schema::{DurationMs, HoldId, UnixMillis};

    #[test]
    fn turns_are_spread_over_the_whole_time_and_never_early() {
        let due = UnixMillis(5_000);
        let deadlines = Deadlines::new(DurationMs(700));
        let mut tenths = [0_u32; 8];
        for id in 0..7_000_u128 {
            // As ids are: the time is the same, the command differs.
            let late = deadlines.turn(HoldId((9 << 80) | id), due).since(due).0;
            tenths[usize::try_from(late / 100).unwrap()] += 1;
        }
        assert!(tenths[..7].iter().all(|count| (850..1_150).contains(count)), "{tenths:?}");
        assert!(tenths[7] < 40, "at most 700 ms: {tenths:?}");
        assert_eq!(Deadlines::new(DurationMs(0)).turn(HoldId(1), due), due);
    }
}
