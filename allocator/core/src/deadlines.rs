//! When the owner has to act next, and on which hold.

use schema::UnixMillis;
use std::collections::BTreeSet;

/// Due times of holds, at most one a slot. O(log n) each; equal times come in order of slot, so
/// that every owner would act in the same order.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    due: BTreeSet<(UnixMillis, u32)>,
}

impl Deadlines {
    /// Moves a slot from one due time to another; `None` is never.
    pub fn change(&mut self, slot: u32, from: Option<UnixMillis>, to: Option<UnixMillis>) {
        if let Some(from) = from {
            let was_there = self.due.remove(&(from, slot));
            assert!(was_there, "slot {slot} was not due at {from}");
        }
        if let Some(to) = to {
            let is_new = self.due.insert((to, slot));
            assert!(is_new, "slot {slot} is due twice");
        }
    }

    pub fn first(&self) -> Option<(UnixMillis, u32)> {
        self.due.first().copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = (UnixMillis, u32)> {
        self.due.iter().copied()
    }
}
