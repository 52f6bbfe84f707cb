//! A follower of the journal: what the next owner starts from, and where checkpoints come from.

use crate::archive;
use crate::checkpoint::{self, Checkpoint};
use crate::common::Common;
use crate::journal::Record;
use crate::mutation::Mutation;
use allocator_core::{Shard, Snapshot};
use schema::{Applied, Batch, InvariantId, Step, UnixMillis, codec};

#[derive(Debug)]
pub struct Replica {
    pub shard: Shard,
    pub applied: Applied,
    /// Journal time of the last batch, and when that came.
    pub time: Option<UnixMillis>,
    pub received: UnixMillis,
    /// The last message read, of any kind.
    pub sequence: u64,
    /// When answers are archived next, however few there are.
    archives_at: UnixMillis,
}

impl Replica {
    /// Starts from a checkpoint; without one from the journal's first message.
    pub fn restore(common: &mut Common) -> Self {
        let now = common.now;
        let (shard, applied, time) = match checkpoint::load(common) {
            None => (common.hall.new_shard(), Applied::default(), None),
            Some(Checkpoint { applied, time, snapshot, .. }) => {
                (common.hall.restore(snapshot), applied, time)
            }
        };
        let sequence = applied.sequence;
        Self { shard, applied, time, received: now, sequence, archives_at: now }
    }

    /// Does what is to be done from time to time.
    pub fn turn(&mut self, common: &mut Common) {
        archive::fill_at_times(&self.shard, &mut self.archives_at, common);
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
        if !batch.outcomes.is_empty() {
            archive::fill_before(&self.shard, batch.time, common);
        }
        for outcome in &batch.outcomes {
            self.shard.apply(batch.time, outcome);
        }
        self.applied.advance(batch, sequence);
        (self.time, self.received) = (Some(batch.time), common.now);
        if !batch.outcomes.is_empty() {
            common.promises.followed(&self.shard, self.applied);
            archive::fill_if_much(&self.shard, common);
        }
    }

    /// Stores a checkpoint, as of `snapshot`.
    pub fn store_checkpoint(&self, common: &mut Common, live: Option<Snapshot>) {
        let live = live.filter(|_| common.is_broken(Mutation::CheckpointOfOwner));
        let snapshot = live.unwrap_or_else(|| self.shard.snapshot());
        let (applied, time) = (self.applied, self.time);
        let known_from = self.shard.answers_known_from();
        checkpoint::store(Checkpoint { applied, time, snapshot, known_from }, common);
    }
}
