//! What can go wrong outside of the index; one variant per decision of the caller.

use schema::ShardId;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// NATS or the folder failed; nothing is known to be wrong with the index.
    #[error("index the streams")]
    Outside(#[from] chassis::Error),
    /// The folder cannot be made or emptied.
    #[error("prepare index folder {}", dir.display())]
    Folder { dir: PathBuf, source: std::io::Error },
    /// The index does not write or read. Opening it again decides whether it is damaged.
    #[error("use the index")]
    Index(#[from] tantivy::TantivyError),
    /// What is in the folder is not the index of these streams; it is to be made anew.
    #[error("open the index: {why}")]
    Unusable { why: String },
    /// The stream cannot be read on from the index' position; it is to be made anew.
    #[error("read stream {stream} on")]
    PositionLost { stream: String, source: chassis::Error },
    /// A batch is missing in a journal: what follows would be a guess.
    #[error("find batch {expected} of the journal of shard {shard}, not {found}")]
    Gap { shard: ShardId, expected: u64, found: u64 },
    /// A part of the journal is trimmed, and nobody tells what was in it. Somebody will.
    #[error("read the journal of shard {shard} from {sequence} on: no allocator tells its state")]
    StateUnknown { shard: ShardId, sequence: u64 },
    /// A stored message is damaged or newer than this program.
    #[error("decode message {sequence} of stream {stream}")]
    Message { stream: String, sequence: u64, source: schema::codec::Error },
    /// A search took longer than its budget.
    #[error("search within the budget")]
    TooSlow,
    /// The writer's thread has ended.
    #[error("reach the index writer")]
    WriterGone,
}

impl Error {
    /// Whether the index should be made anew before the next attempt.
    pub(crate) fn is_cured_by_rebuild(&self) -> bool {
        matches!(self, Self::Unusable { .. } | Self::PositionLost { .. } | Self::Gap { .. })
    }
}
