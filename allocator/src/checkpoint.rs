//! Checkpoints in Postgres: a snapshot of a shard and the journal position it includes.

use crate::config::{CHECKPOINT_BYTES_MAX, CHECKPOINTS_KEPT, STORE_WAIT};
use crate::error::Error;
use allocator_core::{EventSnapshot, EventView, Snapshot};
use chassis::telemetry::chain;
use schema::{Applied, ShardId, UnixMillis, codec};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, Row};

/// A snapshot with the last batch that it includes.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub applied: Applied,
    /// Journal time of the last batch.
    pub time: Option<UnixMillis>,
    pub snapshot: Snapshot,
}

/// The checkpoints of one shard over one incarnation of its journal.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub pool: PgPool,
    pub shard: ShardId,
    /// When the journal stream was created, in milliseconds.
    pub incarnation_ms: i64,
}

impl Store {
    /// Loads the newest checkpoint that is whole; `None` when there is none or Postgres does not
    /// answer.
    ///
    /// Without a checkpoint the journal is read from its start, which is slower and equally right.
    pub(crate) async fn load(&self) -> Option<Checkpoint> {
        let rows = sqlx::query(
            "SELECT sequence, snapshot FROM checkpoint WHERE shard = $1 AND incarnation_ms = $2 \
             ORDER BY sequence DESC",
        )
        .bind(i16::from(self.shard.0))
        .bind(self.incarnation_ms)
        .fetch_all(&self.pool);
        let rows = match tokio::time::timeout(STORE_WAIT, rows).await {
            Ok(Ok(rows)) => rows,
            Ok(Err(error)) => {
                tracing::warn!(error = %chain(&error), "checkpoints not loaded");
                return None;
            }
            Err(_) => return None,
        };
        rows.iter().find_map(|row| {
            let sequence: i64 = row.get("sequence");
            let whole = decode_large(row.get("snapshot"));
            if whole.is_none() {
                tracing::error!(shard = %self.shard, sequence, "checkpoint is damaged");
            }
            whole
        })
    }

    /// Stores an [encoded](encode_large) checkpoint and drops the older ones; returns its size in
    /// bytes.
    pub(crate) async fn save(&self, applied: Applied, bytes: Vec<u8>) -> Result<usize, Error> {
        let size = bytes.len();
        let shard = i16::from(self.shard.0);
        let sequence = i64::try_from(applied.sequence).expect("a stream sequence fits");
        let now = i64::try_from(chassis::clock::now().0).expect("a time fits");
        let statement = sqlx::query(
            "WITH stored AS (
                 INSERT INTO checkpoint (shard, sequence, incarnation_ms, stored_at_ms, snapshot)
                 VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (shard, sequence) DO UPDATE
                 SET incarnation_ms = $3, stored_at_ms = $4, snapshot = $5)
             DELETE FROM checkpoint WHERE shard = $1 AND sequence < ANY (
                 SELECT sequence FROM checkpoint WHERE shard = $1
                 ORDER BY sequence DESC OFFSET $6 LIMIT 1)",
        )
        .bind(shard)
        .bind(sequence)
        .bind(self.incarnation_ms)
        .bind(now)
        .bind(bytes)
        // The statement sees the table as it was before its own insert.
        .bind(CHECKPOINTS_KEPT - 2)
        .execute(&self.pool);
        let shard = self.shard;
        match tokio::time::timeout(STORE_WAIT, statement).await {
            Ok(Ok(_)) => Ok(size),
            Ok(Err(source)) => Err(Error::Checkpoint { shard, source }),
            Err(_) => Err(Error::CheckpointSlow { shard }),
        }
    }
}

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointView {
    /// The last batch that it includes.
    pub applied: Applied,
    /// The events with traces of outcomes.
    pub events: Vec<EventView>,
}

/// Reads the `snapshot` of a row of table `checkpoint`; `None` when it is damaged or of an unknown
/// version, so that no owner could start from it.
pub fn view_checkpoint(bytes: &[u8]) -> Option<CheckpointView> {
    let Checkpoint { applied, snapshot, .. } = decode_large(bytes)?;
    let events = snapshot.events.iter().map(EventSnapshot::inspect).collect::<Option<Vec<_>>>()?;
    Some(CheckpointView { applied, events })
}

/// As [`codec::encode_checked`], without its bound on messages: a checkpoint is stored, not sent.
pub(crate) fn encode_large<T: Serialize>(state: &T) -> Vec<u8> {
    let mut bytes = rmp_serde::to_vec(state).expect("a snapshot holds only encodable types");
    assert!(bytes.len() <= CHECKPOINT_BYTES_MAX, "a checkpoint of {} bytes", bytes.len());
    bytes.push(codec::VERSION);
    let checksum = codec::checksum(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes
}

pub(crate) fn decode_large<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (body, checksum) = bytes.split_last_chunk::<4>()?;
    let (version, state) = body.split_last()?;
    let whole = codec::checksum(body) == u32::from_be_bytes(*checksum);
    if !whole || *version != codec::VERSION {
        return None;
    }
    rmp_serde::from_slice(state).ok()
}

#[cfg(test)]
mod tests;
