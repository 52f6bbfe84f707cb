//! A follower of a shard's journal: warm standby, source of checkpoints, and what the next owner starts from.
//!
//! Checkpoints never come from the owner's live seats, which include claims that are not durable yet.

use crate::catalog::Catalog;
use crate::checkpoint::{Store, Stored};
use crate::config::{CATALOG_WAIT, Config};
use crate::error::Error;
use crate::metrics;
use allocator_core::{Shard, Snapshot};
use chassis::{Follower, HealthHandle, Nats, Shutdown, StartAt};
use schema::{Applied, Batch, ShardId, Step, UnixMillis, codec, subject};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// What the replica knows at one position of the journal.
pub(crate) struct State {
    pub snapshot: Snapshot,
    pub applied: Applied,
    /// Journal time of the last batch, and when it was received here.
    pub time: Option<(UnixMillis, Instant)>,
}

/// Asks for the state that includes everything up to a stream sequence.
pub(crate) struct StateAt {
    pub sequence: u64,
    pub answer: oneshot::Sender<State>,
}

pub(crate) struct Replica {
    nats: Nats,
    catalog: Catalog,
    shard: Shard,
    applied: Applied,
    time: Option<(UnixMillis, Instant)>,
    /// The last message read, of any kind.
    sequence: u64,
    store: Store,
    stored: Stored,
}

impl Replica {
    /// Loads the newest good checkpoint; without one the journal is read from its start.
    pub(crate) async fn restore(
        nats: Nats,
        catalog: Catalog,
        store: Store,
        id: ShardId,
    ) -> Result<Self, Error> {
        let limits = allocator_core::Limits::default();
        let loaded = store.load().await;
        let (shard, applied) = match loaded {
            Some(checkpoint) => {
                for event in checkpoint.snapshot.events() {
                    find(&catalog, id, event).await?;
                }
                let find = |event: &_| catalog.find(event).map(|at| (at.listing, at.plan));
                let shard = Shard::restore(limits, checkpoint.snapshot, find);
                (shard, checkpoint.applied)
            }
            None => (Shard::new(id, limits), Applied::default()),
        };
        let stored = Stored::at(applied.sequence);
        let sequence = applied.sequence;
        Ok(Self { nats, catalog, shard, applied, time: None, sequence, store, stored })
    }

    /// Follows until the process stops, answering requests for the state.
    pub(crate) async fn run(
        mut self,
        config: Config,
        mut requests: mpsc::Receiver<StateAt>,
        health: HealthHandle,
        stop: Shutdown,
    ) -> Result<(), Error> {
        let id = self.shard.id();
        let stream = subject::journal_stream(id);
        let from = StartAt::Sequence(self.sequence + 1);
        let all = subject::journal_all(id);
        let mut follower = Follower::start(self.nats.clone(), &stream, &all, from);
        let mut waiting: Vec<StateAt> = Vec::new();
        let mut checkpoint =
            tokio::time::interval(Duration::from_millis(config.checkpoint_every_ms));
        health.set_ready();
        loop {
            // Cancel-safe: a follower's `next`, a queue, an interval and a switch lose nothing.
            tokio::select! {
                message = follower.next() => {
                    let message = message?;
                    if message.subject == subject::journal(id) {
                        self.apply(&message.payload, message.sequence).await?;
                    }
                    self.sequence = message.sequence;
                }
                Some(request) = requests.recv() => waiting.push(request),
                _ = checkpoint.tick() => self.checkpoint().await,
                () = stop.begun() => return Ok(()),
            }
            let reached = self.sequence;
            for request in waiting.extract_if(.., |request| request.sequence <= reached) {
                // An asker that has gone has lost the shard again.
                drop(request.answer.send(self.state()));
            }
        }
    }

    fn state(&self) -> State {
        State { snapshot: self.shard.snapshot(), applied: self.applied, time: self.time }
    }

    async fn apply(&mut self, payload: &[u8], sequence: u64) -> Result<(), Error> {
        let shard = self.shard.id();
        let broken = |why: String| Error::Journal { shard, why };
        let batch: Batch = codec::decode_checked(payload)
            .map_err(|error| broken(format!("{}", chassis::telemetry::chain(&error))))?;
        match self.applied.step(batch.epoch, batch.number, sequence) {
            Step::Skip => return Ok(()),
            Step::Gap => return Err(broken(format!("a batch is missing before {sequence}"))),
            Step::Apply => {}
        }
        for outcome in &batch.outcomes {
            let listed = find(&self.catalog, shard, &outcome.event).await?;
            self.shard.put_event(listed.listing, listed.plan);
            self.shard.apply(batch.time, outcome);
        }
        self.applied.advance(batch.epoch, batch.number, sequence);
        self.time = Some((batch.time, Instant::now()));
        metrics::replica_applied(shard, sequence);
        Ok(())
    }

    /// Stores a checkpoint when something changed. A failure is told and tried again at the next turn.
    async fn checkpoint(&mut self) {
        if self.applied.sequence == self.stored.sequence() {
            return;
        }
        let started = Instant::now();
        match self.store.save(self.applied, self.shard.snapshot()).await {
            Ok(bytes) => {
                self.stored = Stored::at(self.applied.sequence);
                metrics::checkpoint_stored(self.shard.id(), bytes, started.elapsed());
            }
            Err(error) => {
                metrics::checkpoint_failed(self.shard.id());
                tracing::warn!(error = %chassis::telemetry::chain(&error), "checkpoint not stored");
            }
        }
    }
}

async fn find(
    catalog: &Catalog,
    shard: ShardId,
    event: &schema::EventId,
) -> Result<crate::catalog::Listed, Error> {
    let listed = catalog.find_within(event, CATALOG_WAIT).await;
    listed.ok_or_else(|| Error::CatalogBehind { shard, event: event.clone() })
}
