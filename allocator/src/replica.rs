//! A follower of a shard's journal: warm standby, source of checkpoints, and what the next owner
//! starts from.
//!
//! Checkpoints never come from the owner's live seats, which include claims that are not durable
//! yet.

use crate::archive::Archive;
use crate::catalog::Catalog;
use crate::checkpoint::{Changed, Checkpoint, Position};
use crate::config::{
    ARCHIVE_EVERY, ARCHIVE_PAUSE, CATALOG_WAIT, CHECKPOINT_REST, Config, LOAD_AGAIN_FIRST,
    LOAD_AGAIN_MAX, UNARCHIVED_SHARE,
};
use crate::error::Error;
use crate::metrics;
use crate::reread;
use crate::store::{Store, Stored};
use crate::tell::Show;
use allocator_core::{Limits, Shard, Snapshot};
use chassis::telemetry::chain;
use chassis::{Backoff, Follower, HealthHandle, Nats, Pause, Shutdown, StartAt, outside};
use schema::{
    Applied, Batch, DurationMs, EventId, ShardId, ShardState, Step, UnixMillis, codec, subject,
};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// What the replica knows at one position of the journal.
pub(crate) struct State {
    pub snapshot: Snapshot,
    /// The stream sequence of the last batch; 0 before there was one.
    pub sequence: u64,
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
    position: Position,
    received: Instant,
    /// The last message read, of any kind.
    sequence: u64,
    kept: Kept,
    limits: Limits,
    /// The number behind the last answer that is known to be archived.
    archived_to: u64,
    /// When answers are archived next, however many there are.
    archives_after: Instant,
    changed: Changed,
    /// Whether anything was decided since the newest checkpoint. The time alone is no news.
    is_news: bool,
    /// Until when no checkpoint is made.
    rests_until: Instant,
    /// Tells how far it has read.
    reached: watch::Sender<u64>,
}

/// What a replica keeps in Postgres.
pub(crate) struct Kept {
    pub store: Store,
    pub archive: Archive,
}

impl Kept {
    /// The newest good checkpoint with the ids of what was archived before it.
    ///
    /// # Errors
    /// When Postgres does not tell.
    async fn load(&self, nats: &Nats) -> Result<Option<Checkpoint>, Error> {
        let Some(mut checkpoint) = self.store.load().await? else { return Ok(None) };
        let (answers, position) = (&checkpoint.snapshot.answers, checkpoint.position);
        let remembered = answers.from..answers.to();
        let known = checkpoint.known_from.min(remembered.start)..remembered.start;
        let mut answered = self.archive.ids_of(known.clone()).await?;
        if answered.is_none() {
            answered =
                reread::answered_ids(nats, &self.archive, position, known, remembered).await?;
        }
        let Some(answered) = answered else { return Ok(None) };
        checkpoint.snapshot.answered = answered;
        Ok(Some(checkpoint))
    }
}

impl Replica {
    /// Loads what is kept; without that the journal is read from its start. Waits for Postgres;
    /// `None` at the end of the process.
    pub(crate) async fn restore(
        nats: Nats,
        catalog: Catalog,
        kept: Kept,
        limits: Limits,
        reached: watch::Sender<u64>,
        stop: &Shutdown,
    ) -> Option<Self> {
        let id = kept.store.shard;
        let mut backoff = Backoff::new(LOAD_AGAIN_FIRST, LOAD_AGAIN_MAX, None);
        let loaded = loop {
            match kept.load(&nats).await {
                Ok(loaded) => break loaded,
                Err(error) => {
                    tracing::warn!(shard = %id, error = %chain(&error), "waiting for checkpoints");
                }
            }
            if backoff.pause(stop).await != Pause::Elapsed {
                return None;
            }
        };
        let begin = || {
            let (mut shard, position, changed) =
                if let Some(Checkpoint { position, snapshot, changed, .. }) = loaded {
                    (Shard::restore(limits, snapshot), position, changed)
                } else {
                    let position = Position { applied: Applied::default(), time: None };
                    (Shard::new(id, limits), position, Changed::new())
                };
            list_all(&mut shard, &catalog, id);
            (shard, position, changed)
        };
        // Of a million seats it is tenths of a second.
        let (shard, position, changed) = tokio::task::block_in_place(begin);
        let (sequence, received) = (position.applied.sequence, Instant::now());
        Some(Self {
            nats,
            catalog,
            id,
            shard,
            position,
            received,
            sequence,
            kept,
            limits,
            archived_to: 0,
            archives_after: received,
            changed,
            is_news: false,
            rests_until: received,
            reached,
        })
    }

    /// Follows until the process stops, answering requests for the state.
    pub(crate) async fn run(
        mut self,
        config: Config,
        mut requests: mpsc::Receiver<StateAt>,
        mut shows: mpsc::Receiver<Show>,
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
        let mut archiving = tokio::time::interval(ARCHIVE_EVERY);
        health.set_ready();
        self.reached.send_replace(self.sequence);
        loop {
            // Cancel-safe: a follower's `next`, a queue, an interval and a switch lose nothing.
            tokio::select! {
                message = follower.next() => {
                    let message = message?;
                    if message.subject == subject::journal(id) {
                        let batch = self.decode(&message.payload)?;
                        if self.forgets_unarchived(&batch) {
                            let archiving = Box::pin(self.archive(1));
                            waiting.extend(unless_asked(&mut requests, &waiting, archiving).await);
                        }
                        self.apply(&batch, message.sequence).await?;
                        let many = self.limits.answers_max / UNARCHIVED_SHARE;
                        let archiving = Box::pin(self.archive(many));
                        waiting.extend(unless_asked(&mut requests, &waiting, archiving).await);
                    }
                    self.sequence = message.sequence;
                    self.reached.send_replace(message.sequence);
                }
                Some(request) = requests.recv() => waiting.push(request),
                Some(show) = shows.recv() => {
                    let state = tokio::task::block_in_place(|| self.show(show.only.as_ref()));
                    // An asker that has gone needs no answer.
                    drop(show.answer.send(state));
                }
                _ = turns.tick() => {
                    let storing = Box::pin(self.store_checkpoint());
                    waiting.extend(unless_asked(&mut requests, &waiting, storing).await);
                }
                _ = archiving.tick() => {
                    let archiving = Box::pin(self.archive(1));
                    waiting.extend(unless_asked(&mut requests, &waiting, archiving).await);
                }
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
        let snapshot = tokio::task::block_in_place(|| self.shard.snapshot());
        let Position { applied, time } = self.position;
        State { snapshot, sequence: applied.sequence, time, received: self.received }
    }

    fn show(&self, only: Option<&EventId>) -> ShardState {
        let mut events = match only {
            Some(event) => self.shard.show_event(event).into_iter().collect(),
            None => self.shard.show(),
        };
        for event in &mut events {
            event.version = self.changed.get(&event.event).copied().unwrap_or_default();
        }
        let Position { applied, time } = self.position;
        let ago = u64::try_from(self.received.elapsed().as_millis()).expect("584 million years");
        let ended = if only.is_some() { Vec::new() } else { self.shard.show_ended() };
        ShardState { applied, time, ago: DurationMs(ago), events, ended }
    }

    fn decode(&self, payload: &[u8]) -> Result<Batch, Error> {
        let broken = |why: String| Error::Journal { shard: self.id, why };
        codec::decode_checked(payload).map_err(|error| broken(format!("{}", chain(&error))))
    }

    async fn apply(&mut self, batch: &Batch, sequence: u64) -> Result<(), Error> {
        let shard = self.id;
        let broken = |why: String| Error::Journal { shard, why };
        match self.position.applied.step(batch, sequence) {
            Step::Skip => return Ok(()),
            Step::Gap if self.position.applied == Applied::default() => {
                let why = "it is trimmed, and no checkpoint with its answers can be read";
                return Err(broken(format!("{why}: it begins at {sequence}")));
            }
            Step::Gap => return Err(broken(format!("a batch is missing before {sequence}"))),
            Step::Apply => {}
        }
        for outcome in &batch.outcomes {
            self.learn(&outcome.event).await?;
            self.shard.apply(batch.time, outcome);
            self.note_change(&outcome.event, sequence);
        }
        self.position.applied.advance(batch, sequence);
        (self.position.time, self.received) = (Some(batch.time), Instant::now());
        metrics::replica_applied(shard, sequence);
        Ok(())
    }

    fn note_change(&mut self, event: &EventId, sequence: u64) {
        self.is_news = true;
        match self.changed.get_mut(event) {
            Some(last) => *last = sequence,
            None => drop(self.changed.insert(event.clone(), sequence)),
        }
    }

    /// Waits for the catalogue to show an event that the shard has not met.
    async fn learn(&mut self, event: &EventId) -> Result<(), Error> {
        if self.shard.is_listed(event) {
            return Ok(());
        }
        let behind = || Error::CatalogBehind { shard: self.id, event: event.clone() };
        let listed = self.catalog.find_within(event, CATALOG_WAIT).await.ok_or_else(behind)?;
        let listing = self.shard.put_event(listed.listing, listed.tables);
        listing.map_err(|error| Error::Journal { shard: self.id, why: error.to_string() })
    }

    /// Stores a checkpoint when something changed. A failure is told and tried again at the next
    /// turn.
    async fn store_checkpoint(&mut self) {
        let started = Instant::now();
        if !self.is_news || started < self.rests_until {
            return;
        }
        let storing = self.kept.store.save(&self.shard, self.position, &self.changed);
        match outside("store a checkpoint", storing).await {
            Ok(Stored::Bytes(bytes)) => {
                self.is_news = false;
                self.rests_until = Instant::now() + started.elapsed() * CHECKPOINT_REST;
                metrics::checkpoint_stored(self.id, bytes, started.elapsed());
            }
            Ok(Stored::Elsewhere) => {}
            Err(error) => {
                metrics::checkpoint_failed(self.id);
                tracing::warn!(error = %chain(&error), "checkpoint not stored");
            }
        }
    }
}

impl Replica {
    /// Whether a batch comes after so long an outage that answers of before it, which nobody had
    /// the time to archive, are forgotten with it.
    fn forgets_unarchived(&self, batch: &Batch) -> bool {
        let forgets = !batch.outcomes.is_empty();
        forgets && self.archived_to < self.shard.answers_kept_at(batch.time)
    }

    /// Archives the answers that are not archived yet, if there are so many. A failure is told and
    /// tried again: what the memory forgets meanwhile is still not decided anew.
    async fn archive(&mut self, count_min: u32) {
        let waiting = self.shard.answers_remembered().end.saturating_sub(self.archived_to);
        if waiting < u64::from(count_min.max(1)) || Instant::now() < self.archives_after {
            return;
        }
        match self.kept.archive.store(&self.shard).await {
            Ok(Some(stored)) => return self.archived_to = stored,
            Ok(None) => {}
            Err(error) => {
                metrics::archive_failed(self.id);
                tracing::warn!(error = %chain(&error), "answers not archived");
            }
        }
        self.archives_after = Instant::now() + ARCHIVE_PAUSE;
    }
}

/// Does what Postgres may hold up, unless an owner waits for the state: buyers wait behind it. What
/// is left undone was rolled back and has another turn.
async fn unless_asked(
    requests: &mut mpsc::Receiver<StateAt>,
    waiting: &[StateAt],
    work: impl Future<Output = ()>,
) -> Option<StateAt> {
    if !waiting.is_empty() {
        return None;
    }
    // Both may be dropped: a transaction that is not committed has done nothing.
    tokio::select! {
        () = work => None,
        Some(request) = requests.recv() => Some(request),
    }
}

/// Brings every listing of the shard in; one that the shard refuses is not on sale.
pub(crate) fn list_all(shard: &mut Shard, catalog: &Catalog, id: ShardId) {
    for listed in catalog.of_shard(id) {
        if let Err(error) = shard.put_event(listed.listing, listed.tables) {
            tracing::error!(shard = %id, error = %chain(&error), "listing ignored");
        }
    }
}
