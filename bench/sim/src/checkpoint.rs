//! Checkpoints of the shard, of which two are kept: one of them may be damaged.

use crate::archive::Archive;
use crate::common::Common;
use crate::happening::Happening;
use crate::mutation::Mutation;
use crate::sabotage;
use allocator_core::{AnsweredIds, Snapshot};
use schema::{Applied, InvariantId, UnixMillis, codec};
use serde::{Deserialize, Serialize};

/// A snapshot with the last batch that it includes, and without the ids of archived answers.
#[derive(Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    pub applied: Applied,
    pub time: Option<UnixMillis>,
    pub snapshot: Snapshot,
    /// The number of the first answer whose command is known at all.
    pub known_from: u64,
}

/// The newest last, each encoded, with what a trim asks of it.
#[derive(Debug, Default)]
pub struct Checkpoints(Vec<Stored>);

#[derive(Debug)]
struct Stored {
    /// The last batch in it.
    sequence: u64,
    /// The number of the first answer that it has itself.
    answers_from: u64,
    bytes: Vec<u8>,
}

const KEPT: usize = 2;

impl Checkpoints {
    /// Where the journal may be trimmed as far as a start goes: the older one must lead on, and
    /// what it does not remember must be archived. `None` while there are not two.
    pub fn trimmable(&self, archive: &Archive) -> Option<u64> {
        let oldest = self.0.first().filter(|_| self.0.len() == KEPT)?;
        (oldest.answers_from <= archive.to()).then_some(oldest.sequence)
    }

    /// The last batch in the newest one.
    pub fn newest(&self) -> u64 {
        self.0.last().map_or(0, |newest| newest.sequence)
    }
}

/// Stores a checkpoint, unless there is one as new.
pub fn store(mut checkpoint: Checkpoint, common: &mut Common) {
    let sequence = checkpoint.applied.sequence;
    if sequence <= common.checkpoints.newest() {
        return;
    }
    checkpoint.snapshot.answered = AnsweredIds::default();
    if common.is_broken(Mutation::ForgetSpent) {
        sabotage::forget_spent(&mut checkpoint.snapshot);
    }
    let answers_from = checkpoint.snapshot.answers.from;
    let bytes = codec::encode_checked(&checkpoint);
    let kept = &mut common.checkpoints.0;
    kept.push(Stored { sequence, answers_from, bytes });
    if KEPT < kept.len() {
        kept.remove(0);
    }
    common.note(Happening::CheckpointStored, format_args!("checkpoint {sequence}"));
}

/// Loads the newest checkpoint that can be read, with the ids of what was archived before it.
pub fn load(common: &mut Common) -> Option<Checkpoint> {
    let damaged = common.checkpoints.0.len() == KEPT && common.happens(20);
    let Stored { sequence, bytes, .. } =
        if damaged { common.checkpoints.0.first()? } else { common.checkpoints.0.last()? };
    let (sequence, stored) = (*sequence, codec::decode_checked(bytes));
    let mut checkpoint: Checkpoint = stored.expect("it was encoded here");
    if damaged {
        common.note(Happening::CheckpointDamaged, format_args!("{sequence} is the older one"));
    }
    common.note(Happening::CheckpointRestored, format_args!("checkpoint {sequence} restored"));
    let remembered_from = checkpoint.snapshot.answers.from;
    let numbers = checkpoint.known_from.min(remembered_from)..remembered_from;
    match common.archive.ids_of(numbers.clone()) {
        _ if common.is_broken(Mutation::ForgetArchived) => {}
        Some(answered) => checkpoint.snapshot.answered = answered,
        None => {
            let says = format!("of answers {numbers:?} one is not archived");
            common.promises.break_promise(InvariantId::Cmd1, says);
        }
    }
    Some(checkpoint)
}
