//! A follower of a shard's journal: warm standby, source of checkpoints, and what the next owner
//! starts from.
//!
//! Checkpoints never come from the owner's live seats, which include claims that are not durable
//! yet.

use crate::catalog::Catalog;
use crate::checkpoint::{self, Checkpoint, Store};
use crate::config::{CATALOG_WAIT, CHECKPOINT_REST, Config};
use crate::error::Error;
use crate::metrics;
use allocator_core::{Shard, Snapshot};
use chassis::telemetry::chain;
use chassis::{Follower, HealthHandle, Nats, Shutdown, StartAt};
use schema::{Applied, Batch, EventId, ShardId, Step, UnixMillis, codec, subject};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// What the replica knows at one position of the journal.
pub(crate) struct State {
    pub snapshot: Snapshot,
    /// Journal time of the last batch.
    pub time: Option<UnixMillis>,
    /// When that batch came; at the latest when this process began to follow.
    pub received: Instant,
}

/// Asks for the state that includes everything up to a stream sequence.
pub(crate) struct StateAt {
    pub sequence: u64,
    pub answer: oneshot::Sender<State>,
}

pub(crate) struct Replica {
    nats: Nats,
    catalog: Catalog,
    id: ShardId,
    shard: Shard,
    applied: Applied,
    time: Option<UnixMillis>,
    received: Instant,
    /// The last message read, of any kind.
    sequence: u64,
    store: Store,
    /// Whether anything was decided since the newest checkpoint. The time alone is no news.
    changed: bool,
    /// Until when no checkpoint is made.
    rests_until: Instant,
}

impl Replica {
    /// Loads the newest good checkpoint; without one the journal is read from its start.
    pub(crate) async fn restore(nats: Nats, catalog: Catalog, store: Store, id: ShardId) -> Self {
        let limits = allocator_core::Limits::default();
        let (mut shard, applied, time) = match store.load().await {
            Some(Checkpoint { applied, time, snapshot }) => {
                (Shard::restore(limits, snapshot), applied, time)
            }
            None => (Shard::new(id, limits), Applied::default(), None),
        };
        list_all(&mut shard, &catalog, id);
        let (sequence, received) = (applied.sequence, Instant::now());
        Self {
            nats,
            catalog,
            id,
            shard,
            applied,
            time,
            received,
            sequence,
            store,
            changed: false,
            rests_until: received,
        }
    }

    /// Follows until the process stops, answering requests for the state.
    pub(crate) async fn run(
        mut self,
        config: Config,
        mut requests: mpsc::Receiver<StateAt>,
        health: HealthHandle,
        stop: Shutdown,
    ) -> Result<(), Error> {
        let id = self.id;
        let stream = subject::journal_stream(id);
        let from = StartAt::Sequence(self.sequence + 1);
        let all = subject::journal_all(id);
        let mut follower = Follower::start(self.nats.clone(), &stream, &all, from);
        let mut waiting: Vec<StateAt> = Vec::new();
        let mut turns = tokio::time::interval(Duration::from_millis(config.checkpoint_every_ms));
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
                _ = turns.tick() => self.store_checkpoint().await,
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
        let snapshot = self.shard.snapshot();
        State { snapshot, time: self.time, received: self.received }
    }

    async fn apply(&mut self, payload: &[u8], sequence: u64) -> Result<(), Error> {
        let shard = self.id;
        let broken = |why: String| Error::Journal { shard, why };
        let batch: Batch =
            codec::decode_checked(payload).map_err(|error| broken(format!("{}", chain(&error))))?;
        match self.applied.step(batch.epoch, batch.number, sequence) {
            Step::Skip => return Ok(()),
            Step::Gap => return Err(broken(format!("a batch is missing before {sequence}"))),
            Step::Apply => {}
        }
        for outcome in &batch.outcomes {
            self.learn(&outcome.event).await?;
            self.shard.apply(batch.time, outcome);
        }
        self.changed |= !batch.outcomes.is_empty();
        self.applied.advance(batch.epoch, batch.number, sequence);
        (self.time, self.received) = (Some(batch.time), Instant::now());
        metrics::replica_applied(shard, sequence);
        Ok(())
    }

    /// Waits for the catalogue to show an event that the shard has not met.
    async fn learn(&mut self, event: &EventId) -> Result<(), Error> {
        if self.shard.is_listed(event) {
            return Ok(());
        }
        let behind = || Error::CatalogBehind { shard: self.id, event: event.clone() };
        let listed = self.catalog.find_within(event, CATALOG_WAIT).await.ok_or_else(behind)?;
        let listing = self.shard.put_event(listed.listing, listed.plan);
        listing.map_err(|error| Error::Journal { shard: self.id, why: error.to_string() })
    }

    /// Stores a checkpoint when something changed. A failure is told and tried again at the next
    /// turn.
    async fn store_checkpoint(&mut self) {
        let started = Instant::now();
        if !self.changed || started < self.rests_until {
            return;
        }
        let (applied, time) = (self.applied, self.time);
        // A large state takes longer than a runtime thread may be kept from its other tasks.
        let bytes = tokio::task::block_in_place(|| {
            checkpoint::encode_large(&Checkpoint { applied, time, snapshot: self.shard.snapshot() })
        });
        match self.store.save(applied, bytes).await {
            Ok(bytes) => {
                self.changed = false;
                self.rests_until = Instant::now() + started.elapsed() * CHECKPOINT_REST;
                metrics::checkpoint_stored(self.id, bytes, started.elapsed());
            }
            Err(error) => {
                metrics::checkpoint_failed(self.id);
                tracing::warn!(error = %chain(&error), "checkpoint not stored");
            }
        }
    }
}

/// Brings every listing of the shard in; one that the shard refuses is not on sale.
pub(crate) fn list_all(shard: &mut Shard, catalog: &Catalog, id: ShardId) {
    for listed in catalog.of_shard(id) {
        if let Err(error) = shard.put_event(listed.listing, listed.plan) {
            tracing::error!(shard = %id, error = %chain(&error), "listing ignored");
        }
    }
}
