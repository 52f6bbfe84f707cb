//! What stops a shard or the stage.

use schema::ShardId;

/// One variant per decision of the caller.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A server or a stream is not as needed: the stage ends.
    #[error("prepare the allocator")]
    Prepare(#[from] chassis::Error),
    /// The journal has a hole or was replaced: the shard must not serve what it does not know.
    #[error("read the journal of shard {shard}: {why}")]
    Journal { shard: ShardId, why: String },
    /// The catalogue does not show an event that the journal names.
    #[error("find event {event} of shard {shard} in the catalogue")]
    CatalogBehind { shard: ShardId, event: schema::EventId },
    /// The checkpoint was not stored; the next one may be.
    #[error("store or load the checkpoint of shard {shard}")]
    Checkpoint { shard: ShardId, source: sqlx::Error },
    #[error("checkpoint of shard {shard} took more than its time")]
    CheckpointSlow { shard: ShardId },
    /// Answers were not archived; they are tried again while they are remembered.
    #[error("archive the answers of shard {shard}")]
    Archive { shard: ShardId, source: sqlx::Error },
    #[error("archiving the answers of shard {shard} took more than its time")]
    ArchiveSlow { shard: ShardId },
    #[error("archive answers of shard {shard}")]
    ArchiveLarge { shard: ShardId, source: schema::sealed::TooLarge },
    /// The journal was not trimmed; the next turn may.
    #[error("trim the journal of shard {shard}")]
    Trim { shard: ShardId, source: chassis::Cause },
    #[error("store a part of the checkpoint of shard {shard}")]
    CheckpointLarge { shard: ShardId, source: schema::sealed::TooLarge },
}
