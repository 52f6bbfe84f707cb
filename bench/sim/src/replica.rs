//! A follower of the journal: what the next owner starts from, and where checkpoints come from.

use crate::common::Common;
use crate::happening::Happening;
use crate::journal::Record;
use crate::mutation::Mutation;
use allocator_core::{Shard, Snapshot};
use schema::{Applied, Batch, InvariantId, Step, UnixMillis, codec};
use serde::{Deserialize, Serialize};

/// A snapshot with the last batch that it includes.
#[derive(Debug, Serialize, Deserialize)]
struct Checkpoint {
    applied: Applied,
    time: Option<UnixMillis>,
    snapshot: Snapshot,
}

#[derive(Debug)]
pub struct Replica {
    pub shard: Shard,
    pub applied: Applied,
    /// Journal time of the last batch, and when that came.
    pub time: Option<UnixMillis>,
    pub received: UnixMillis,
    /// The last message read, of any kind.
    pub sequence: u64,
}

impl Replica {
    /// Starts from the newest checkpoint; without one from the journal's first message.
    pub fn restore(common: &mut Common) -> Self {
        let received = common.now;
        let Some(bytes) = &common.checkpoint else {
            let shard = common.hall.new_shard();
            return Self { shard, applied: Applied::default(), time: None, received, sequence: 0 };
        };
        let stored = codec::decode_checked(bytes);
        let Checkpoint { applied, time, snapshot } = stored.expect("it was encoded here");
        let shard = common.hall.restore(snapshot);
        let at = applied.sequence;
        common.note(Happening::CheckpointRestored, format_args!("checkpoint {at} restored"));
        Self { shard, applied, time, received, sequence: at }
    }

    /// Reads up to `count` messages.
    pub fn follow(&mut self, common: &mut Common, count: usize) {
        for _ in 0..count {
            let next = common.journal.after(self.sequence);
            let Some((sequence, record)) = next else { return };
            self.sequence = sequence;
            if let Record::Batch(bytes) = record {
                let batch = codec::decode_checked(bytes).expect("an owner encoded it");
                self.apply(common, &batch, sequence);
            }
        }
    }

    fn apply(&mut self, common: &mut Common, batch: &Batch, sequence: u64) {
        match self.applied.step(batch, sequence) {
            Step::Skip => return,
            Step::Gap => {
                let says = format!("a batch is missing before {sequence}");
                common.promises.break_promise(InvariantId::Cmd1, says);
                return;
            }
            Step::Apply => {}
        }
        for outcome in &batch.outcomes {
            self.shard.apply(batch.time, outcome);
        }
        self.applied.advance(batch, sequence);
        (self.time, self.received) = (Some(batch.time), common.now);
        if !batch.outcomes.is_empty() {
            common.promises.followed(&self.shard, self.applied);
        }
    }

    /// Stores a checkpoint, as of `snapshot`.
    pub fn store_checkpoint(&self, common: &mut Common, live: Option<Snapshot>) {
        let live = live.filter(|_| common.is_broken(Mutation::CheckpointOfOwner));
        let snapshot = live.unwrap_or_else(|| self.shard.snapshot());
        let (applied, time) = (self.applied, self.time);
        let at = applied.sequence;
        common.checkpoint_at = at;
        common.checkpoint = Some(codec::encode_checked(&Checkpoint { applied, time, snapshot }));
        common.note(Happening::CheckpointStored, format_args!("checkpoint {at}"));
    }
}
