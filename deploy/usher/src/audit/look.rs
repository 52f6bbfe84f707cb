//! One look at the running system.

use super::compare::{self, Live};
use super::journal::EventBooks;
use super::listed::{self, Places};
use super::owner;
use super::stored::Store;
use super::trial::Trial;
use crate::config::Config;
use crate::shards;
use allocator::CheckpointView;
use anyhow::{Context as _, bail};
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use chassis::{Follower, Nats, StartAt};
use futures_util::future::try_join_all;
use schema::{Applied, Batch, EventId, ShardId, Shards, Step, codec, subject};
use settlement::{Provider, Sandbox};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How long the reading of one stream may stand still.
const READ_WAIT: Duration = Duration::from_secs(10);

/// How long the batch that an owner has named may take to the journal.
const BATCH_WAIT: Duration = Duration::from_secs(5);

/// How long the servers may take to be there. A start waits longer; an auditor shall say so.
const CONNECT_WAIT_MS: u64 = 5_000;

/// How long a question of Postgres may take: it may go through every ticket that was ever sold.
const STATEMENT_WAIT_MS: u64 = 60_000;

/// What one look has found.
pub struct Seen {
    pub events: usize,
    pub checkpoints: usize,
    pub differences: BTreeSet<String>,
    /// What the books could not be made of.
    pub notes: Vec<String>,
}

/// A shard before its journal is read.
struct Opened {
    trial: Trial,
    /// What the books begin with, where the journal is trimmed.
    base: Option<CheckpointView>,
}

pub struct Looker {
    nats: Nats,
    shards: Shards,
    store: Store,
    /// Those that keep their payments elsewhere.
    providers: Vec<Arc<dyn Provider>>,
}

impl Looker {
    pub async fn connect(mut config: Config) -> anyhow::Result<Self> {
        config.nats.connect_wait_ms = CONNECT_WAIT_MS;
        config.postgres.connect_wait_ms = CONNECT_WAIT_MS;
        config.postgres.statement_timeout_ms = STATEMENT_WAIT_MS;
        config.postgres.connections = 2;
        let nats = Nats::connect(&config.nats, "usher audit").await?;
        let shards = shards::of_system(&nats).await?;
        let pool = chassis::connect_postgres(&config.postgres, "usher audit").await?;
        // The sandbox's payments are in Postgres, and are asked for there.
        let mut providers = settlement::providers(&config.settlement, &pool)?;
        providers.retain(|provider| provider.name() != Sandbox::NAME);
        Ok(Self { nats, shards, store: Store { pool }, providers })
    }

    /// Compares everything for one event, or for all.
    ///
    /// # Errors
    /// When a part cannot be read, so that nothing can be said about it.
    pub async fn look(&self, only: Option<&EventId>) -> anyhow::Result<Seen> {
        let mut differences = BTreeSet::new();
        let places = listed::read(&self.nats, READ_WAIT, &mut differences).await?;
        let places = Arc::new(places);
        let shards: Vec<ShardId> = match only {
            Some(event) if places.contains_key(event) => vec![self.shards.of(event)],
            Some(event) => bail!("event {event} is not in the catalogue"),
            None => self.shards.all().collect(),
        };
        let mut trials =
            try_join_all(shards.iter().map(|shard| self.open(*shard, only, &places))).await?;
        // Between the beginnings and the ends: then what it says is true somewhere between them.
        let mut live = self.store.live().await?;
        try_join_all(trials.iter_mut().map(|opened| self.hear(opened))).await?;
        let mut named: BTreeSet<EventId> = live.keys().chain(places.keys()).cloned().collect();
        let mut books: BTreeMap<EventId, EventBooks> = BTreeMap::new();
        let (mut checkpoints, mut notes) = (0, Vec::new());
        for Opened { trial, base } in trials {
            notes.extend(base.map(|base| note(trial.shard, &base)));
            checkpoints += usize::from(trial.has_checkpoint);
            differences.extend(trial.differences);
            books.extend(trial.books.events);
        }
        named.extend(books.keys().cloned());
        named.retain(|event| only.is_none_or(|only| only == event));
        for event in &named {
            let books = books.remove(event).unwrap_or_default();
            let live: Live = live.remove(event).unwrap_or_default();
            differences.extend(compare::counts(event, places.get(event), &books));
            differences.extend(compare::postgres(event, &books, &live));
        }
        let money = settlement::audit(&self.store.pool).await.context("audit the ledger")?;
        differences.extend(money);
        for provider in self.providers.iter().filter(|_| only.is_none()) {
            let payments = settlement::compare_provider(&self.store.pool, &**provider).await;
            let asked = || format!("audit the payments of {}", provider.name());
            differences.extend(payments.with_context(asked)?);
        }
        Ok(Seen { events: named.len(), checkpoints, differences, notes })
    }

    /// Notes where the journal is, and what is checkpointed of it.
    async fn open(
        &self,
        shard: ShardId,
        only: Option<&EventId>,
        places: &Arc<BTreeMap<EventId, Places>>,
    ) -> anyhow::Result<Opened> {
        let name = subject::journal_stream(shard);
        let stream = self.nats.jetstream.get_stream(&name).await;
        let stream = stream.with_context(|| format!("find {name}"))?;
        let info = stream.cached_info();
        let created = i64::try_from(info.created.unix_timestamp_nanos() / 1_000_000)?;
        let base = self.base(&stream, shard, created).await?;
        let checkpoint = self.store.checkpoint(shard, created).await?;
        let from = chassis::last_sequence(&self.nats, &name).await?;
        let trial = Trial::new(shard, from, only.cloned(), checkpoint, Arc::clone(places));
        Ok(Opened { trial, base })
    }

    /// What the books begin with; `None` when the journal has its beginning.
    async fn base(
        &self,
        stream: &Stream,
        shard: ShardId,
        created: i64,
    ) -> anyhow::Result<Option<CheckpointView>> {
        let first = stream.get_first_raw_message_by_subject(subject::journal(shard), 1);
        let first = tokio::time::timeout(READ_WAIT, first).await;
        let first = match first.context("read the journal's first batch")? {
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(None),
            first => first.context("read the journal's first batch")?,
        };
        // What is no batch is told when the journal is read.
        let Ok(batch) = codec::decode_checked::<Batch>(&first.payload) else { return Ok(None) };
        let leads_on = |applied: &Applied| applied.step(&batch, first.sequence) != Step::Gap;
        if batch.epoch == 0 || batch.number == 0 || leads_on(&Applied::default()) {
            return Ok(None);
        }
        let base = self.store.base(shard, created, leads_on).await?;
        let gone = format!("journal {shard}: its messages before {} are gone", first.sequence);
        base.map(Some).with_context(|| format!("{gone}, and no checkpoint can be read"))
    }

    /// Asks the owner, and reads the journal to its end and to where the owner is.
    async fn hear(&self, opened: &mut Opened) -> anyhow::Result<()> {
        let Opened { trial, base } = opened;
        let shard = trial.shard;
        match owner::ask(&self.nats, shard, trial.only.as_ref()).await? {
            Some(owner) => trial.listen(owner),
            None => trial.say(format!("FENCE-1 owner of shard {shard}: nobody answers")),
        }
        let stream = subject::journal_stream(shard);
        let all = subject::journal_all(shard);
        let end = chassis::last_sequence(&self.nats, &stream).await?;
        let mut read = 0;
        if let Some(base) = base {
            trial.begin(base);
            read = base.applied.sequence;
        }
        let start = StartAt::Sequence(read + 1);
        let mut follower = Follower::start(self.nats.clone(), &stream, &all, start);
        while read < end || trial.owner.is_some() {
            let wait = if read < end { READ_WAIT } else { BATCH_WAIT };
            let message = match tokio::time::timeout(wait, follower.next()).await {
                Ok(message) => message.with_context(|| format!("read {stream} after {read}"))?,
                Err(_) if end <= read => break,
                Err(_) => bail!("read {stream} after {read}: nothing comes"),
            };
            read = message.sequence;
            trial.take(read, &message.subject, &message.payload);
        }
        trial.end();
        Ok(())
    }
}

/// Says that the journal does not tell all.
fn note(shard: ShardId, base: &CheckpointView) -> String {
    let at = base.applied.sequence;
    format!("journal {shard}: trimmed, the books begin with the checkpoint at {at}")
}
