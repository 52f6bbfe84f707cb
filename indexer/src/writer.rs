//! The single writer: applies what the streams say, commits it with the positions.

use schema::{Applied, Batch, EventId, EventListing, ShardId, Shards};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::config::{COMMIT_INTERVAL, FED_BATCH_MAX, POSITION_INTERVAL};
use crate::position::{Origins, Positions, Targets};
use crate::record::Records;
use crate::store::{self, Opened, Store};
use crate::{Error, metrics};

/// A message of a stream, decoded.
#[derive(Debug)]
pub(crate) enum Fed {
    /// `None` for a message that says nothing of an event's listing.
    Catalog { sequence: u64, listing: Option<Box<EventListing>> },
    /// `None` for an epoch record.
    Journal { shard: ShardId, sequence: u64, batch: Option<Batch> },
    /// What a replica tells in place of a part of the journal that is trimmed: its last batch, and
    /// the free places of the events.
    State { shard: ShardId, applied: Applied, frees: Vec<(EventId, u32)> },
}

pub(crate) struct Writer {
    pub store: Store,
    records: Records,
    // IDX-1: what `positions` covers is in `records`, and both go into the index in the same
    // commit.
    pub positions: Positions,
    /// When the oldest thing that is not committed came; `None` if all is.
    pending_since: Option<Instant>,
    targets: Targets,
    /// Whether a commit has covered the targets.
    caught_up: watch::Sender<bool>,
}

impl Writer {
    /// Opens the index in `dir`, or makes an empty one if there is none of these streams.
    pub(crate) fn open(
        dir: &Path,
        shards: Shards,
        origins: &Origins,
        targets: Targets,
    ) -> Result<Self, Error> {
        assert!(origins.journals.len() == shards.count());
        let opened = match store::open(dir, origins) {
            Ok(opened) => opened,
            Err(Error::Unusable { why }) => {
                tracing::warn!(why, "making the index anew");
                metrics::rebuilt();
                let positions = Positions::start(origins.clone());
                Opened { store: store::create(dir)?, positions, records: Vec::new() }
            }
            Err(error) => return Err(error),
        };
        let Opened { store, positions, records } = opened;
        let caught_up = watch::Sender::new(positions.reach(&targets));
        let records = Records::new(shards, records);
        metrics::documents(records.count());
        Ok(Self { store, records, positions, pending_since: None, targets, caught_up })
    }

    pub(crate) fn caught_up(&self) -> watch::Receiver<bool> {
        self.caught_up.subscribe()
    }

    /// Applies and commits until all senders are gone; blocks its thread.
    pub(crate) fn run(
        mut self,
        runtime: &Handle,
        mut fed: mpsc::Receiver<Fed>,
    ) -> Result<(), Error> {
        let mut batch = Vec::with_capacity(FED_BATCH_MAX);
        loop {
            let wait = self.commit_wait();
            let receive = async {
                // Cancel-safe: nothing has been received when the wait ends first.
                tokio::time::timeout(wait, fed.recv_many(&mut batch, FED_BATCH_MAX)).await
            };
            let is_closed = runtime.block_on(receive) == Ok(0);
            for message in batch.drain(..) {
                self.apply(message)?;
            }
            if is_closed || self.commit_wait().is_zero() {
                self.commit()?;
            }
            if is_closed {
                return Ok(());
            }
        }
    }

    /// Applies one message; it is visible after [`Writer::commit`].
    ///
    /// # Errors
    /// [`Error::Gap`] if a batch is missing in a journal.
    pub(crate) fn apply(&mut self, message: Fed) -> Result<(), Error> {
        match message {
            Fed::Catalog { sequence, listing } => {
                if let Some(listing) = listing {
                    self.records.apply_listing(*listing);
                }
                // A catalogue that is read again from its beginning tells what is known already.
                self.positions.catalog = self.positions.catalog.max(sequence);
            }
            Fed::Journal { shard, sequence, batch } => {
                let position = &mut self.positions.journals[usize::from(shard.0)];
                if let Some(batch) = batch
                    && position.advance(shard, sequence, &batch)?
                {
                    for outcome in &batch.outcomes {
                        self.records.apply_outcome(outcome);
                    }
                }
                position.read = position.read.max(sequence);
            }
            Fed::State { shard, applied, frees } => {
                self.records.free_others(shard, &frees.iter().map(|(event, _)| event).collect());
                for (event, free) in &frees {
                    self.records.set_free(event, *free);
                }
                let position = &mut self.positions.journals[usize::from(shard.0)];
                position.read = position.read.max(applied.sequence);
                position.applied = applied;
            }
        }
        self.pending_since.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Commits everything applied; does nothing if there is nothing.
    pub(crate) fn commit(&mut self) -> Result<(), Error> {
        let Some(pending_since) = self.pending_since.take() else { return Ok(()) };
        let started = Instant::now();
        self.store.commit(self.records.changed(), &self.positions)?;
        self.records.mark_written();
        metrics::committed(started.elapsed(), pending_since.elapsed());
        metrics::documents(self.records.count());
        if self.positions.reach(&self.targets) {
            self.caught_up.send_replace(true);
        }
        Ok(())
    }

    /// How long until a commit is due.
    fn commit_wait(&self) -> Duration {
        let Some(pending_since) = self.pending_since else { return POSITION_INTERVAL };
        let is_urgent = self.records.is_changed() || !*self.caught_up.borrow();
        let interval = if is_urgent { COMMIT_INTERVAL } else { POSITION_INTERVAL };
        interval.saturating_sub(pending_since.elapsed())
    }
}

#[cfg(test)]
mod tests;
