//! Journal batches, and the rule by which every reader applies each outcome once.

use crate::outcome::Outcome;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// What one owner decided in one go; one JetStream message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The stream sequence of the owner's epoch record.
    pub epoch: u64,
    /// Counted from 1 in each epoch, without gaps.
    pub number: u64,
    /// Journal time: never smaller than that of the batch before.
    pub time: UnixMillis,
    /// None when only answers without a new decision wait for the fence, and when the batch tells
    /// nothing but the time.
    pub outcomes: Vec<Outcome>,
}

/// The last batch that a reader has applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Applied {
    pub epoch: u64,
    pub number: u64,
    /// Its stream sequence.
    pub sequence: u64,
}

/// What to do with a batch that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Apply,
    /// Applied before, or written by an owner that had been deposed.
    Skip,
    /// A batch is missing: the reader must stop, its state would be a guess.
    Gap,
}

impl Applied {
    /// Decides what to do with a batch at `sequence`; changes nothing.
    pub fn step(&self, epoch: u64, number: u64, sequence: u64) -> Step {
        assert!(0 < epoch, "an epoch is a stream sequence");
        assert!(0 < number, "batches are counted from 1");
        if sequence <= self.sequence || epoch < self.epoch {
            return Step::Skip;
        }
        let expected = if epoch == self.epoch { self.number + 1 } else { 1 };
        match number.cmp(&expected) {
            std::cmp::Ordering::Less => Step::Skip,
            std::cmp::Ordering::Equal => Step::Apply,
            std::cmp::Ordering::Greater => Step::Gap,
        }
    }

    /// Moves on to a batch for which [`Applied::step`] said [`Step::Apply`].
    pub fn advance(&mut self, epoch: u64, number: u64, sequence: u64) {
        assert!(self.step(epoch, number, sequence) == Step::Apply);
        *self = Self { epoch, number, sequence };
    }
}

#[cfg(test)]
mod tests {
    use super::{Applied, Step};

    #[test]
    fn batches_apply_once_in_order_and_a_gap_stops_the_reader() {
        let mut applied = Applied::default();
        applied.advance(5, 1, 6);
        applied.advance(5, 2, 7);
        assert_eq!(applied.step(5, 2, 8), Step::Skip, "a repetition");
        assert_eq!(applied.step(5, 3, 7), Step::Skip, "an old position");
        assert_eq!(applied.step(5, 4, 8), Step::Gap);
        assert_eq!(applied.step(9, 2, 10), Step::Gap, "a new epoch starts at 1");
        applied.advance(9, 1, 10);
        assert_eq!(applied.step(5, 3, 11), Step::Skip, "a deposed owner");
    }
}
