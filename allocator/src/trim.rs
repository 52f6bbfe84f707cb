//! Trims the journal of a shard: the batches that nobody needs any more go, the epoch records stay.
//!
//! It asks where everybody is each time and remembers nothing, so that any process may trim, and
//! two at once do no harm.

use crate::archive::Archive;
use crate::config::{BASES_KEPT, STORE_WAIT, TRIM_EVERY};
use crate::error::Error;
use crate::metrics;
use crate::replica::Kept;
use crate::store::oldest_head;
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use chassis::telemetry::chain;
use chassis::{Cause, Nats, Shutdown, outside};
use futures_util::TryStreamExt;
use schema::{DurationMs, UnixMillis, subject};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How long one call of the server may take before the trim is given up until the next turn.
const CALL_WAIT: Duration = Duration::from_secs(5);

/// The first sequence that a stream gives.
const BEGINNING: u64 = 1;

pub(crate) struct Trimmer {
    nats: Nats,
    archive: Archive,
    keep: DurationMs,
    stop: Shutdown,
}

/// A batch in the stream.
#[derive(Debug, Clone, Copy)]
struct Found {
    sequence: u64,
    stored: UnixMillis,
}

impl Trimmer {
    /// Batches younger than `keep` stay.
    pub(crate) fn new(nats: Nats, kept: &Kept, keep: DurationMs, stop: Shutdown) -> Self {
        Self { nats, archive: kept.archive.clone(), keep, stop }
    }

    /// Trims until the process stops. A failure is told and tried again at the next turn.
    pub(crate) async fn run(self) {
        let shard = self.archive.shard;
        let mut turns = interval(TRIM_EVERY.min(Duration::from(self.keep)));
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Cancel-safe: an interval and a switch lose nothing.
            tokio::select! {
                _ = turns.tick() => {}
                () = self.stop.begun() => return,
            }
            match self.trim().await {
                Ok(0) => {}
                Ok(count) => {
                    metrics::journal_trimmed(shard, count);
                    tracing::info!(%shard, count, "batches trimmed from the journal");
                }
                Err(error) => {
                    metrics::trim_failed(shard);
                    tracing::warn!(error = %chain(&error), "journal not trimmed");
                }
            }
        }
    }

    /// Drops the batches that nobody needs; returns how many there were.
    async fn trim(&self) -> Result<u64, Error> {
        let Some(checkpointed) = self.checkpointed().await? else { return Ok(0) };
        let stream = subject::journal_stream(self.archive.shard);
        let stream = self.ask(self.nats.jetstream.get_stream(stream)).await?;
        let created = stream.cached_info().created.unix_timestamp_nanos() / 1_000_000;
        if created != i128::from(self.archive.incarnation_ms) {
            // The replica sees it too and stops.
            return Ok(0);
        }
        let Some(acknowledged) = self.acknowledged(&stream).await? else { return Ok(0) };
        // The newest batch stays: by what it says of the one before, a reader that begins sees that
        // something is gone.
        let newest = self.newest(&stream).await?;
        let end = newest.min(checkpointed + 1).min(acknowledged + 1);
        let keep_from = self.first_young(&stream, end).await?;
        if keep_from == BEGINNING {
            return Ok(0);
        }
        // The server purges below the sequence it is given, and the filter leaves the epoch
        // records alone: the fence stands on them.
        let batches = subject::journal(self.archive.shard);
        let purge = stream.purge().filter(batches).sequence(keep_from);
        Ok(self.ask(outside("trim a journal", purge.into_future())).await?.purged)
    }

    /// The last batch that the older of the two kept checkpoints includes, so that the journal
    /// leads on from it when the newer one is damaged; `None` while it cannot be started from.
    async fn checkpointed(&self) -> Result<Option<u64>, Error> {
        let Archive { pool, shard, incarnation_ms } = &self.archive;
        let failed = |source| Error::Checkpoint { shard: *shard, source };
        let slow = Error::CheckpointSlow { shard: *shard };
        let asking = async {
            let head = oldest_head(pool, *shard, *incarnation_ms, BASES_KEPT).await?;
            let Some(head) = head else { return Ok(None) };
            let archived = self.archive.whole_to(head.known_from).await?;
            // What has left its memory must be in the archive, or only the journal has it.
            let is_usable = head.answers_from <= archived;
            Ok(is_usable.then_some(head.position.applied.sequence))
        };
        timeout(STORE_WAIT, asking).await.map_err(|_| slow)?.map_err(failed)
    }

    /// The last message that every durable consumer has acknowledged; `None` before settlement has
    /// one.
    async fn acknowledged(&self, stream: &Stream) -> Result<Option<u64>, Error> {
        let settlement = subject::settlement_consumer(self.archive.shard);
        let mut consumers = stream.consumers();
        let (mut last, mut settles) = (u64::MAX, false);
        while let Some(consumer) = self.ask(consumers.try_next()).await? {
            // Others are followers, who keep their positions themselves.
            if consumer.config.durable_name.is_some() {
                last = last.min(consumer.ack_floor.stream_sequence);
                settles |= consumer.name == settlement;
            }
        }
        Ok(settles.then_some(last))
    }

    /// The sequence of the newest batch; 0 before there is one.
    async fn newest(&self, stream: &Stream) -> Result<u64, Error> {
        let batches = subject::journal(self.archive.shard);
        match timeout(CALL_WAIT, stream.get_last_raw_message_by_subject(&batches)).await {
            Ok(Ok(message)) => Ok(message.sequence),
            Ok(Err(error)) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(0),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(elapsed) => Err(self.failed(&elapsed)),
        }
    }

    /// The first position of which all batches before are older than [`Self::keep`]; `end` at most.
    ///
    /// The server stores in the order of time, so halving finds it: some twenty questions for a
    /// week of batches, one while nothing is old enough.
    async fn first_young(&self, stream: &Stream, end: u64) -> Result<u64, Error> {
        let until = chassis::clock::now() - self.keep;
        let (mut from, mut to) = (BEGINNING, end);
        let mut at = from;
        while from < to {
            match self.batch_at(stream, at).await? {
                Some(found) if found.sequence < to && found.stored < until => {
                    from = found.sequence + 1;
                }
                _ => to = at,
            }
            at = from + to.saturating_sub(from) / 2;
        }
        Ok(from)
    }

    /// The first batch with at least this sequence.
    async fn batch_at(&self, stream: &Stream, sequence: u64) -> Result<Option<Found>, Error> {
        let batches = subject::journal(self.archive.shard);
        let first = stream.get_first_raw_message_by_subject(&batches, sequence);
        match timeout(CALL_WAIT, first).await {
            Ok(Ok(message)) => {
                let stored = message.time.unix_timestamp_nanos() / 1_000_000;
                let stored = UnixMillis(u64::try_from(stored).unwrap_or_default());
                Ok(Some(Found { sequence: message.sequence, stored }))
            }
            Ok(Err(error)) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(elapsed) => Err(self.failed(&elapsed)),
        }
    }

    async fn ask<T, E>(&self, call: impl IntoFuture<Output = Result<T, E>>) -> Result<T, Error>
    where
        E: std::error::Error + 'static,
    {
        let answer = timeout(CALL_WAIT, call.into_future()).await;
        let answer = answer.map_err(|elapsed| self.failed(&elapsed))?;
        answer.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &(dyn std::error::Error + 'static)) -> Error {
        Error::Trim { shard: self.archive.shard, source: Cause::of(error) }
    }
}
