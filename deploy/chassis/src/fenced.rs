//! Exclusive ownership of a stream: epochs fence every append, a lease only decides when to try.

use bytes::Bytes;

use crate::{Error, Nats, Shutdown};

/// What is owned, and how contenders watch each other.
#[derive(Debug, Clone)]
pub struct FenceSpec {
    pub stream: String,
    /// The stream's subject that holds nothing but epoch records.
    pub epoch_subject: String,
    pub data_subject: String,
    /// A KV bucket, created when missing (in memory: a lease is worth nothing after a restart).
    pub lease_bucket: String,
    pub lease_key: String,
    /// A key of this contender alone, in the same bucket.
    pub probe_key: String,
    pub lease_beat_ms: u64,
    pub lease_silence_ms: u64,
}

/// What an epoch record says; readers of the epoch subject decode it with [`EpochRecord::decode`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EpochRecord {
    pub nonce: String,
    pub owner: String,
}

impl EpochRecord {
    pub fn decode(payload: &[u8]) -> Result<EpochRecord, Error> {
        todo!("{payload:?}")
    }
}

/// One who wants to own the stream.
#[derive(Debug)]
pub struct Contender {}

impl Contender {
    pub async fn new(nats: Nats, spec: FenceSpec, owner_name: &str) -> Result<Contender, Error> {
        todo!("{nats:?} {spec:?} {owner_name}")
    }

    /// Waits until the stream is free, and takes it. Repeatable after the [`Owner`] is gone.
    pub async fn acquire(&self, shutdown: &Shutdown) -> Result<Owner, Error> {
        todo!("{shutdown:p}")
    }
}

/// The one who may append, until a later epoch deposes it. Dropping it stops the beat without a release.
#[derive(Debug)]
pub struct Owner {
    /// The stream sequence of this owner's epoch record.
    pub epoch: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub sequence: u64,
    /// The message was already stored: an earlier try whose answer was lost.
    pub duplicate: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Another epoch began. Answer nobody, drop what is in memory, stop.
    #[error("append to {stream} at epoch {epoch}: deposed")]
    Deposed { stream: String, epoch: u64 },
    /// The stream acknowledged a sequence that it had given before: it lost its tail. Stop, alarm, restore.
    #[error("append to {stream}: acknowledged {found} after {last}")]
    TailLost { stream: String, last: u64, found: u64 },
    /// Nothing is stored; the stream is at its limit. The same append may succeed after a trim.
    #[error("append to {stream}: full")]
    Full { stream: String },
    /// The process is ending and the outcome is unknown. Answer nobody.
    #[error("append to {stream}: outcome unknown at shutdown")]
    Unknown { stream: String },
    /// The server refuses this message for ever, for example because of its size.
    #[error("append to {stream}: rejected")]
    Rejected { stream: String, source: crate::Cause },
}

impl Owner {
    /// Appends one message, durable when it returns. Timeouts and lost connections are tried again with the same bytes.
    ///
    /// One append is in flight; a second call waits. Not cancel-safe: a dropped call leaves its message in doubt.
    pub async fn append(&self, message_id: &str, payload: Bytes) -> Result<Appended, AppendError> {
        todo!("{message_id} {payload:?}")
    }

    /// Resolves when a later epoch's owner is seen on the lease; an idle owner learns of its deposition here.
    pub async fn deposed(&self) {
        todo!()
    }

    /// Ends ownership at a planned stop, so that a successor need not wait for the silence.
    pub async fn release(self) {
        todo!()
    }
}
