//! Holds that have ended lately, so that a late question about one hears how it ended.

use crate::log::Log;
use crate::map::HashMap;
use crate::numbered::Numbered;
use schema::{AccountId, DurationMs, EventId, HoldId, Released, UnixMillis};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What is remembered of a hold that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub hold: HoldId,
    pub event: EventId,
    pub account: AccountId,
    pub why: Released,
    pub at: UnixMillis,
}

/// Ended holds in the order of their end.
#[derive(Debug, Default)]
pub(crate) struct EndedHolds {
    in_order: Log<Ended>,
    /// The number of each hold, counted from the first of the journal that ended.
    numbers: HashMap<HoldId, u64>,
    forgotten: u64,
    /// When the youngest of those that were ever remembered here was made.
    youngest_made_at: UnixMillis,
}

impl EndedHolds {
    pub fn restore(ended: Numbered<Ended>) -> Self {
        let mut restored = Self { forgotten: ended.from, ..Self::default() };
        for ended in ended.entries {
            restored.push(ended);
        }
        restored
    }

    /// Whether a hold of this id, made now, has ended: hardly ever a question, since all but those
    /// of this millisecond are older.
    pub fn has_just_seen(&self, hold: HoldId) -> bool {
        hold.made_at() <= self.youngest_made_at && self.get(hold).is_some()
    }

    /// The numbers of those that are remembered.
    pub fn numbers(&self) -> Range<u64> {
        self.forgotten..self.next_number()
    }

    /// The remembered ones with this number or a higher one.
    pub fn since(&self, number: u64) -> Numbered<Ended> {
        Numbered::since(self.forgotten, &self.in_order, number)
    }

    pub fn get(&self, hold: HoldId) -> Option<&Ended> {
        let number = self.numbers.get(&hold)? - self.forgotten;
        self.in_order.get(usize::try_from(number).expect("a position in memory"))
    }

    pub fn push(&mut self, ended: Ended) {
        let number = self.next_number();
        let before = self.numbers.insert(ended.hold, number);
        assert!(before.is_none(), "hold {} ended twice", ended.hold);
        self.youngest_made_at = self.youngest_made_at.max(ended.hold.made_at());
        self.in_order.push(ended);
    }

    /// Forgets what ended more than `memory` before `time`, and the oldest beyond `count_max`.
    pub fn forget(&mut self, time: UnixMillis, memory: DurationMs, count_max: usize) {
        while let Some(oldest) = self.in_order.first() {
            if time <= oldest.at + memory && self.in_order.len() <= count_max {
                break;
            }
            let number = self.numbers.remove(&oldest.hold);
            assert!(number == Some(self.forgotten));
            self.in_order.forget_first();
            self.forgotten += 1;
        }
    }

    fn next_number(&self) -> u64 {
        self.forgotten + u64::try_from(self.in_order.len()).expect("a count in memory")
    }

    pub fn iter(&self) -> impl Iterator<Item = &Ended> {
        self.in_order.iter()
    }
}
