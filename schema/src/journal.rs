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
    /// The stream sequence of the batch before, which whoever reads this one must have applied: of
    /// the first of an epoch the last that its owner had read when it took over.
    ///
    /// 0 where there is none before, and in batches that do not say it. It is what tells a reader
    /// that the end of an epoch is missing, or the beginning of the journal.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub previous: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the serializer hands a reference")]
fn is_zero(sequence: &u64) -> bool {
    *sequence == 0
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
    pub fn step(&self, batch: &Batch, sequence: u64) -> Step {
        let Batch { epoch, number, previous, .. } = *batch;
        assert!(0 < epoch, "an epoch is a stream sequence");
        assert!(0 < number, "batches are counted from 1");
        if sequence <= self.sequence || epoch < self.epoch {
            return Step::Skip;
        }
        let expected = if epoch == self.epoch { self.number + 1 } else { 1 };
        match number.cmp(&expected) {
            std::cmp::Ordering::Less => Step::Skip,
            std::cmp::Ordering::Equal if previous <= self.sequence => Step::Apply,
            std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => Step::Gap,
        }
    }

    /// Moves on to a batch for which [`Applied::step`] said [`Step::Apply`].
    pub fn advance(&mut self, batch: &Batch, sequence: u64) {
        assert!(self.step(batch, sequence) == Step::Apply);
        *self = Self::at(batch, sequence);
    }

    /// The position of a reader that has applied a batch.
    pub fn at(batch: &Batch, sequence: u64) -> Self {
        Self { epoch: batch.epoch, number: batch.number, sequence }
    }
}

#[cfg(test)]
mod tests {
    use super::{Applied, Batch, Step};
    use crate::time::UnixMillis;

    fn batch(epoch: u64, number: u64, previous: u64) -> Batch {
        Batch { epoch, number, time: UnixMillis(1), outcomes: Vec::new(), previous }
    }

    #[test]
    fn batches_apply_once_in_order_and_a_gap_stops_the_reader() {
        let mut applied = Applied::default();
        applied.advance(&batch(5, 1, 0), 6);
        applied.advance(&batch(5, 2, 6), 7);
        let step = |applied: Applied, epoch, number, sequence| {
            applied.step(&batch(epoch, number, 0), sequence)
        };
        assert_eq!(step(applied, 5, 2, 8), Step::Skip, "a repetition");
        assert_eq!(step(applied, 5, 3, 7), Step::Skip, "an old position");
        assert_eq!(step(applied, 5, 4, 8), Step::Gap);
        assert_eq!(step(applied, 9, 2, 10), Step::Gap, "a new epoch starts at 1");
        applied.advance(&batch(9, 1, 7), 10);
        assert_eq!(step(applied, 5, 3, 11), Step::Skip, "a deposed owner");
    }

    #[test]
    fn a_lost_end_of_an_epoch_and_a_trimmed_beginning_are_gaps() {
        let applied = Applied { epoch: 5, number: 2, sequence: 7 };
        assert_eq!(applied.step(&batch(9, 1, 7), 10), Step::Apply);
        assert_eq!(applied.step(&batch(9, 1, 8), 10), Step::Gap, "its owner had read one more");
        assert_eq!(applied.step(&batch(5, 3, 8), 10), Step::Gap);
        assert_eq!(applied.step(&batch(9, 1, 3), 10), Step::Apply, "a reader may be ahead");
        assert_eq!(applied.step(&batch(9, 1, 0), 10), Step::Apply, "it does not say");
        let nothing = Applied::default();
        assert_eq!(nothing.step(&batch(9, 1, 8), 10), Step::Gap);
        assert_eq!(nothing.step(&batch(1, 1, 0), 2), Step::Apply, "the first ever");
        assert_eq!(nothing.step(&batch(1, 2, 2), 3), Step::Gap);
    }
}
