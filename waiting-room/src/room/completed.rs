//! Places that are over before their passes end: they have bought, or given the pass back.

use super::{Room, View, lock};
use std::sync::MutexGuard;
use waiting_room_core::{NumberSet, Standing};

/// Places that bought, or gave their passes back.
#[derive(Debug, Default)]
pub(crate) struct Completed {
    pub numbers: NumberSet,
    /// Those that this process has still to count as the room's leader; `None` while it is not.
    pub fresh: Option<Vec<u64>>,
}

/// What a gate knows of a pass that is genuine and has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visit {
    Good,
    GivenBack,
    /// What was given back before this process came is still being read.
    Unknown,
}

impl Room {
    /// Notes places that are over, each once.
    pub(crate) fn complete(&self, numbers: impl Iterator<Item = u64>) {
        let mut completed = self.completed();
        for number in numbers {
            if completed.numbers.insert(number) {
                completed.fresh.iter_mut().for_each(|fresh| fresh.push(number));
            }
        }
        drop(completed);
        self.changed();
    }

    /// Takes in that the place has given its pass back, if by the records before it can have one.
    ///
    /// LINE-2: a place without a pass takes up no slot that it could make free. All processes read
    /// the same records in the same order, so they agree.
    pub(crate) fn give_back(&self, number: u64) {
        let may_have_pass = match self.ledger().standing(number) {
            Standing::Called(terms) => terms.counted != Some(false),
            // Its release is forgotten: the pass has ended, and counts no more.
            Standing::Over => true,
            Standing::Waiting | Standing::Skipped | Standing::Left => false,
        };
        if may_have_pass {
            self.complete([number].into_iter());
        } else {
            tracing::warn!(event = %self.event, number, "a pass was given back that nobody has");
        }
    }

    pub(crate) fn completed(&self) -> MutexGuard<'_, Completed> {
        lock(&self.completed)
    }

    pub(crate) fn has_completed(&self, number: u64) -> bool {
        self.completed().numbers.contains(number)
    }

    /// How the visit of a place with a pass stands, at the cost of no call to anybody.
    ///
    /// Where seats are sold a pass that has bought still opens a gate: whoever has bought may look.
    pub(crate) fn visit(&self, view: &View, number: u64) -> Visit {
        if view.has_seats {
            return Visit::Good;
        }
        match (view.has_completed(self, number), view.has_begun) {
            (true, _) => Visit::GivenBack,
            (false, true) => Visit::Good,
            (false, false) => Visit::Unknown,
        }
    }
}

#[cfg(test)]
mod tests;
