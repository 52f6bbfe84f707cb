//! An ordered, gap-free reader of a stream that survives restarts of NATS.

use bytes::Bytes;

use crate::{Error, Nats};

/// Where a follower begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// The first message with at least this sequence.
    Sequence(u64),
    /// The oldest message that is stored.
    First,
}

/// One message of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    pub sequence: u64,
    pub subject: String,
    pub payload: Bytes,
    /// When the server stored it, by the server's clock.
    pub timestamp_ms: u64,
}

/// Reads a stream in order, each message once. Dropping it ends it.
#[derive(Debug)]
pub struct Follower {}

impl Follower {
    /// Begins to read; connects in the background, so this does not wait.
    pub fn start(nats: Nats, stream: &str, filter_subject: &str, from: StartAt) -> Follower {
        todo!("{nats:?} {stream} {filter_subject} {from:?}")
    }

    /// The next message; waits while there is none and while NATS is away. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Incarnation`] and [`Error::Trimmed`]; the follower has ended then.
    pub async fn next(&mut self) -> Result<Followed, Error> {
        todo!()
    }

    /// A message that is here already, without waiting.
    pub fn try_next_ready(&mut self) -> Option<Result<Followed, Error>> {
        todo!()
    }
}

/// The last sequence of the stream, from its leader: everything acknowledged before the call is at or below it.
pub async fn last_sequence(nats: &Nats, stream: &str) -> Result<u64, Error> {
    todo!("{nats:?} {stream}")
}
