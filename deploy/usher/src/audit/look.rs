//! One look at the running system.

use super::compare::{self, Live};
use super::journal::Books;
use crate::config::Config;
use allocator::OwnerView;
use anyhow::{Context as _, bail};
use chassis::{Follower, Nats, StartAt};
use schema::{
    Applied, AreaIdx, Batch, EventId, EventListing, HoldId, SeatIdx, ShardId, Step, codec, limits,
    subject,
};
use sqlx::{PgPool, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long an owner may take to show an event.
const OWNER_WAIT: Duration = Duration::from_secs(2);

/// How long the reading of one stream may stand still.
const READ_WAIT: Duration = Duration::from_secs(10);

/// What one look has found.
pub struct Seen {
    pub events: usize,
    pub differences: BTreeSet<String>,
}

pub struct Looker {
    nats: Nats,
    postgres: PgPool,
}

impl Looker {
    pub async fn connect(config: &Config) -> anyhow::Result<Self> {
        let nats = Nats::connect(&config.nats, "usher audit").await?;
        let postgres = chassis::connect_postgres(&config.postgres, "usher audit").await?;
        Ok(Self { nats, postgres })
    }

    /// Compares the three for one event, or for all that the journal or Postgres names.
    pub async fn look(&self, only: Option<&EventId>) -> anyhow::Result<Seen> {
        let books = self.journals(only).await?;
        let totals = self.totals().await?;
        let mut live = self.live().await?;
        let mut differences: BTreeSet<String> = books.differences.iter().cloned().collect();
        let named: BTreeSet<EventId> = match only {
            Some(event) => BTreeSet::from([event.clone()]),
            None => books.events.keys().chain(live.keys()).cloned().collect(),
        };
        if let Some(event) = only
            && !totals.contains_key(event)
        {
            bail!("event {event} is not in the catalogue");
        }
        for event in &named {
            let event_books = books.events.get(event).cloned().unwrap_or_default();
            let sold = live.remove(event).unwrap_or_default();
            let owner = self.owner(event).await?;
            let total = totals.get(event).copied();
            let found = compare::differences(event, total, &event_books, &sold, owner.as_ref());
            differences.extend(found);
        }
        let money = settlement::audit(&self.postgres).await.context("audit the ledger")?;
        differences.extend(money);
        Ok(Seen { events: named.len(), differences })
    }

    async fn journals(&self, only: Option<&EventId>) -> anyhow::Result<Books> {
        let mut books = Books::default();
        let shards: Vec<ShardId> = match only {
            Some(event) => vec![event.shard(limits::SHARD_COUNT)],
            None => (0..limits::SHARD_COUNT).map(ShardId).collect(),
        };
        for shard in shards {
            self.journal(shard, &mut books).await?;
        }
        if let Some(event) = only {
            books.events.retain(|name, _| name == event);
        }
        Ok(books)
    }

    async fn journal(&self, shard: ShardId, books: &mut Books) -> anyhow::Result<()> {
        let stream = subject::journal_stream(shard);
        let mut applied = Applied::default();
        self.read(&stream, &subject::journal_all(shard), |sequence, name, payload| {
            if name != subject::journal(shard) {
                return;
            }
            let Ok(batch) = codec::decode_checked::<Batch>(payload) else {
                books.differences.push(format!("journal {shard} at {sequence}: not a batch"));
                return;
            };
            match applied.step(batch.epoch, batch.number, sequence) {
                Step::Apply => {
                    applied.advance(batch.epoch, batch.number, sequence);
                    books.take(sequence, &batch);
                }
                Step::Skip => books.differences.push(format!(
                    "FENCE-1 journal {shard} at {sequence}: batch {} of epoch {} is out of turn",
                    batch.number, batch.epoch
                )),
                Step::Gap => {
                    let what = format!("journal {shard} at {sequence}: a batch is missing");
                    books.differences.push(what);
                }
            }
        })
        .await
    }

    async fn totals(&self) -> anyhow::Result<BTreeMap<EventId, u32>> {
        let mut totals = BTreeMap::new();
        self.read(subject::CATALOG, subject::CATALOG_ALL, |_, name, payload| {
            if name.starts_with(subject::CATALOG_PLAN_PREFIX) {
                return;
            }
            if let Ok(listing) = codec::decode::<EventListing>(payload) {
                totals.insert(listing.event, listing.places_total);
            }
        })
        .await?;
        Ok(totals)
    }

    /// Hands every message that is stored now to `take`, in order. `all` are all subjects of the
    /// stream.
    async fn read(
        &self,
        stream: &str,
        all: &str,
        mut take: impl FnMut(u64, &str, &[u8]),
    ) -> anyhow::Result<()> {
        let last = chassis::last_sequence(&self.nats, stream).await?;
        let mut follower = Follower::start(self.nats.clone(), stream, all, StartAt::First);
        let mut read = 0;
        while read < last {
            let message = tokio::time::timeout(READ_WAIT, follower.next()).await;
            let message = message.with_context(|| format!("read {stream} after {read}"))??;
            read = message.sequence;
            take(read, &message.subject, &message.payload);
        }
        Ok(())
    }

    /// What Postgres calls sold, of each event that sold something.
    async fn live(&self) -> anyhow::Result<BTreeMap<EventId, Live>> {
        let rows = sqlx::query("SELECT event_id, seat_idx, order_id FROM live_seat")
            .fetch_all(&self.postgres)
            .await
            .context("read the live seats")?;
        let mut live: BTreeMap<EventId, Live> = BTreeMap::new();
        for row in rows {
            let event: EventId = row.try_get::<&str, _>("event_id")?.parse()?;
            let seat = SeatIdx(u32::try_from(row.try_get::<i32, _>("seat_idx")?)?);
            let order: sqlx::types::Uuid = row.try_get("order_id")?;
            live.entry(event).or_default().seats.insert(seat, HoldId(order.as_u128()));
        }
        let rows = sqlx::query("SELECT event_id, area_idx, sold FROM area_sold WHERE 0 < sold")
            .fetch_all(&self.postgres)
            .await
            .context("read the sold standing places")?;
        for row in rows {
            let event: EventId = row.try_get::<&str, _>("event_id")?.parse()?;
            let area = AreaIdx(u16::try_from(row.try_get::<i32, _>("area_idx")?)?);
            let sold = u64::try_from(row.try_get::<i32, _>("sold")?)?;
            live.entry(event).or_default().areas.insert(area, sold);
        }
        Ok(live)
    }

    async fn owner(&self, event: &EventId) -> anyhow::Result<Option<OwnerView>> {
        let subject = subject::inspect(event.shard(limits::SHARD_COUNT));
        let asked = self.nats.client.request(subject, codec::encode(event).into());
        match tokio::time::timeout(OWNER_WAIT, asked).await {
            Ok(Ok(answer)) => Ok(Some(codec::decode(&answer.payload)?)),
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }
}
