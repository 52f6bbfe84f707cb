//! Why the stage cannot start, or a room stops.

use schema::EventId;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("prepare the waiting room")]
    Prepare(#[from] chassis::Error),
    #[error("listen on {address:?}")]
    Listen { address: String, source: chassis::Cause },
    #[error("subscribe to {subject}")]
    Subscribe { subject: String, source: chassis::Cause },
    /// Redis drops what it was given when its memory is full: people would lose their places.
    #[error("use a Redis whose maxmemory-policy is noeviction and not {policy}")]
    Evicts { policy: String },
    /// The room's stream is not what its fence promises; going on would break the line.
    #[error("append to the room of {event}")]
    Append { event: EventId, source: chassis::AppendError },
}
