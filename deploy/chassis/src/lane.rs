//! A way to one subject of a stream on which small messages travel together.
//!
//! While one publication waits for its acknowledgement the next messages gather, and go as one
//! message then. Under load that spares the server, and both ends, most of the work that is done
//! for each message whatever is in it; an idle lane sends at once.

use crate::group::{Answered, Group, GroupError};
use crate::{Nats, outside};
use async_nats::jetstream::{self, context::PublishError, publish::PublishAck};
use bytes::Bytes;
use schema::codec;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Most messages that travel as one.
const JOINED_MAX: usize = 128;

/// How long an acknowledgement is waited for. Whoever needs to know more asks again anyway; the
/// next messages must not wait for a server that is away.
const ACK_WAIT: Duration = Duration::from_millis(300);

/// JetStream's code for a message that a limit of the stream refuses.
const STORE_FAILED: u64 = 10_077;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landing {
    Stored,
    /// The stream is full, and nothing of the message is in it.
    Full,
    /// No acknowledgement came: it may be stored or not.
    Unknown,
}

/// The task of a lane has ended, as it does with the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("publish on a lane that has ended")]
pub struct LaneEnded;

impl GroupError for LaneEnded {
    fn ended() -> Self {
        Self
    }

    fn may_be_of_one(&self) -> bool {
        false
    }
}

/// A message on its way.
pub type OnItsWay = Answered<Landing, LaneEnded>;

/// The lane. Clones share it.
#[derive(Debug, Clone)]
pub struct Lane {
    group: Group<Bytes, Landing, LaneEnded>,
}

impl Lane {
    /// Opens a lane to `subject`. `bytes_max` bounds what travels as one; a single message may not
    /// be larger.
    pub fn open(nats: &Nats, subject: String, bytes_max: usize) -> Self {
        let jetstream = nats.jetstream.clone();
        let group =
            Group::start("lane", JOINED_MAX, Duration::ZERO, move |messages: Vec<Bytes>| {
                let (jetstream, subject) = (jetstream.clone(), subject.clone());
                async move {
                    let sent = send(&jetstream, &subject, &messages, bytes_max);
                    Ok(outside("publish on a lane", sent).await)
                }
            });
        Self { group }
    }

    /// Sends a message that [`codec::encode`] made; the receiver reads it with
    /// [`codec::decode_all`]. Messages arrive in the order of these calls.
    pub async fn send(&self, message: Bytes) -> Result<OnItsWay, LaneEnded> {
        self.group.hand_in(message).await
    }
}

/// Publishes messages, joined up to `bytes_max`, in order, and waits for all acknowledgements.
async fn send(
    jetstream: &jetstream::Context,
    subject: &str,
    messages: &[Bytes],
    bytes_max: usize,
) -> Vec<Landing> {
    let until = Instant::now() + ACK_WAIT;
    let parts = parts(messages, bytes_max);
    let mut sent = Vec::with_capacity(parts.len());
    for part in &parts {
        let message = match part {
            [alone] => alone.clone(),
            several => Bytes::from(codec::join(several)),
        };
        let sending = jetstream.publish(subject.to_owned(), message);
        sent.push(timeout_at(until, sending).await.ok().and_then(Result::ok));
    }
    let mut landings = Vec::with_capacity(messages.len());
    for (part, acknowledgement) in parts.iter().zip(sent) {
        let landing = match acknowledgement {
            Some(acknowledgement) => {
                timeout_at(until, acknowledgement).await.map_or(Landing::Unknown, landed)
            }
            None => Landing::Unknown,
        };
        landings.extend(std::iter::repeat_n(landing, part.len()));
    }
    landings
}

fn landed(acknowledged: Result<PublishAck, PublishError>) -> Landing {
    match acknowledged {
        Ok(_) => Landing::Stored,
        Err(error) if is_full(&error) => Landing::Full,
        Err(error) => {
            tracing::debug!(%error, "message not acknowledged");
            Landing::Unknown
        }
    }
}

/// Cuts messages into runs of at most `bytes_max` together.
fn parts(messages: &[Bytes], bytes_max: usize) -> Vec<&[Bytes]> {
    let (mut parts, mut begin, mut bytes) = (Vec::new(), 0, 0);
    for (at, message) in messages.iter().enumerate() {
        assert!(message.len() <= bytes_max, "a message of {} bytes", message.len());
        if bytes_max < bytes + message.len() {
            parts.push(&messages[begin..at]);
            (begin, bytes) = (at, 0);
        }
        bytes += message.len();
    }
    parts.push(&messages[begin..]);
    parts
}

fn is_full(error: &PublishError) -> bool {
    let source = std::error::Error::source(error);
    let source = source.and_then(|source| source.downcast_ref::<jetstream::Error>());
    source.is_some_and(|source| source.error_code().0 == STORE_FAILED)
}

#[cfg(test)]
mod tests {
    use super::parts;
    use bytes::Bytes;

    #[test]
    fn messages_are_cut_where_the_next_one_does_not_fit() {
        let messages = [3, 4, 1, 8, 8, 2].map(|bytes| Bytes::from(vec![0; bytes]));
        let sizes = |part: &&[Bytes]| part.iter().map(Bytes::len).collect::<Vec<_>>();
        let cut: Vec<_> = parts(&messages, 8).iter().map(sizes).collect();
        assert_eq!(cut, [vec![3, 4, 1], vec![8], vec![8], vec![2]]);
        assert_eq!(parts(&messages[..1], 3).len(), 1);
    }
}
