//! Appends to a room's stream what is not its leader's to decide, and waits until this process has
//! read it there.

use crate::config::LEDGER_WAIT;
use crate::room::Room;
use async_nats::header::HeaderMap;
use bytes::Bytes;
use chassis::Nats;
use std::time::Duration;

/// A message for a room's stream.
pub(crate) struct Message {
    pub subject: String,
    pub headers: HeaderMap,
    pub payload: Bytes,
}

/// Appends a message within `patience` and waits until this instance has read it; false if that is
/// not known. It may be stored all the same.
pub(crate) async fn append(room: &Room, nats: &Nats, message: Message, patience: Duration) -> bool {
    let Message { subject, headers, payload } = message;
    let published =
        async { nats.jetstream.publish_with_headers(subject, headers, payload).await?.await };
    let sequence = match tokio::time::timeout(patience, published).await {
        Ok(Ok(stored)) => stored.sequence,
        Ok(Err(error)) => {
            tracing::warn!(event = %room.event, %error, "the room's stream took no message");
            return false;
        }
        Err(_) => {
            tracing::warn!(event = %room.event, "nobody says whether a message is stored");
            return false;
        }
    };
    let mut read_to = room.read_to.subscribe();
    let read = read_to.wait_for(|&read| sequence <= read);
    tokio::time::timeout(LEDGER_WAIT, read).await.is_ok_and(|read| read.is_ok())
}
