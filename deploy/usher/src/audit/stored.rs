//! What Postgres says: who bought what, and the checkpoints.

use super::compare::Live;
use super::trial::Stored;
use allocator::CheckpointView;
use anyhow::Context as _;
use schema::{Applied, AreaIdx, EventId, HoldId, SeatIdx, ShardId};
use sqlx::types::Uuid;
use sqlx::{PgPool, Row};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long an answer may take; the server itself gives up before.
const ANSWER_WAIT: Duration = Duration::from_secs(70);

pub struct Store {
    pub pool: PgPool,
}

impl Store {
    /// The newest checkpoint of a shard of this incarnation of its journal.
    pub async fn checkpoint(
        &self,
        shard: ShardId,
        incarnation_ms: i64,
    ) -> anyhow::Result<Option<Stored>> {
        let newest = allocator::newest_checkpoint(&self.pool, shard, incarnation_ms);
        let newest = tokio::time::timeout(ANSWER_WAIT, newest).await;
        let newest = newest.context("read the checkpoints")?.context("read the checkpoints")?;
        Ok(newest.map(|(sequence, view)| Stored { sequence, view }))
    }

    /// The oldest checkpoint that `reaches` says the journal leads on from.
    pub async fn base(
        &self,
        shard: ShardId,
        incarnation_ms: i64,
        reaches: impl Fn(&Applied) -> bool,
    ) -> anyhow::Result<Option<CheckpointView>> {
        let oldest = allocator::oldest_checkpoint(&self.pool, shard, incarnation_ms, reaches);
        let oldest = tokio::time::timeout(ANSWER_WAIT, oldest).await;
        oldest.context("read the checkpoints")?.context("read the checkpoints")
    }

    /// What is sold, of each event that sold something. One statement, so one moment.
    pub async fn live(&self) -> anyhow::Result<BTreeMap<EventId, Live>> {
        let rows = sqlx::query(
            "SELECT event_id, seat_idx, NULL::int AS area_idx, order_id, 1::bigint AS places
             FROM live_seat
             UNION ALL
             SELECT event_id, NULL, area_idx, order_id, count(*) FROM ticket
             WHERE state <> 'void' AND area_idx IS NOT NULL
             GROUP BY event_id, area_idx, order_id",
        )
        .fetch_all(&self.pool);
        let rows = tokio::time::timeout(ANSWER_WAIT, rows).await;
        let rows = rows.context("read what is sold")?.context("read what is sold")?;
        let mut live: BTreeMap<EventId, Live> = BTreeMap::new();
        for row in rows {
            let event: EventId = row.try_get::<&str, _>("event_id")?.parse()?;
            let hold = HoldId(row.try_get::<Uuid, _>("order_id")?.as_u128());
            let live = live.entry(event).or_default();
            if let Some(seat) = row.try_get::<Option<i32>, _>("seat_idx")? {
                live.seats.insert(SeatIdx(u32::try_from(seat)?), hold);
            } else {
                let area = AreaIdx(u16::try_from(row.try_get::<i32, _>("area_idx")?)?);
                let places = u32::try_from(row.try_get::<i64, _>("places")?)?;
                live.areas.insert((hold, area), places);
            }
        }
        Ok(live)
    }
}
