//! One publish to a stream and the server's whole answer, error codes included.

use std::time::Duration;

use async_nats::{HeaderMap, Request, client::RequestErrorKind, connection::State};
use bytes::Bytes;
use tokio::time::timeout;

use crate::Nats;

/// Another message than the expected one is the last of its subject: fenced.
pub(super) const WRONG_LAST_SEQUENCE: u64 = 10_071;
/// Another fenced write is in flight in the cluster; it says nothing about ours.
pub(super) const WRITE_IN_FLIGHT: u64 = 10_164;
/// The stream refuses new messages: it is at its limit.
pub(super) const STORE_FAILED: u64 = 10_077;
/// Not a server's code: the client refuses a message that is larger than the server takes.
const PAYLOAD_TOO_LARGE: u64 = 0;

/// What became of a publish.
#[derive(Debug)]
pub(super) enum Answer {
    Stored {
        sequence: u64,
        duplicate: bool,
    },
    /// Not stored by this try.
    Refused {
        code: u64,
        text: String,
    },
    /// No answer: it may or may not be stored.
    Unknown,
}

/// How long one try waits. An answer takes a millisecond; a server that needs longer is away, and
/// the client notices lost connections itself, so this only bounds the unforeseen.
const TRY_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(serde::Deserialize)]
struct Acknowledgement {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    error: Option<Refusal>,
}

#[derive(serde::Deserialize)]
struct Refusal {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

/// Publishes once. A reconnect ends the wait, because the answer to the old connection is lost.
pub(super) async fn publish(
    nats: &Nats,
    subject: &str,
    headers: HeaderMap,
    payload: Bytes,
) -> Answer {
    let connects_seen = *nats.connects.borrow();
    let reconnected = timeout(TRY_TIMEOUT, nats.reconnected(connects_seen));
    if nats.client.connection_state() != State::Connected {
        // Publishing now would only fill the client's queue with copies.
        if reconnected.await.is_err() {
            tracing::debug!(subject, "NATS is still away");
        }
        return Answer::Unknown;
    }
    let request = Request::new().headers(headers).payload(payload).timeout(Some(TRY_TIMEOUT));
    // Both branches may be dropped: the request's outcome is unknown then, which is what is said.
    let answered = tokio::select! {
        answered = nats.client.send_request(subject.to_owned(), request) => answered,
        _ = reconnected => return Answer::Unknown,
    };
    let message = match answered {
        Ok(message) => message,
        Err(error) if error.kind() == RequestErrorKind::MaxPayloadExceeded => {
            return Answer::Refused { code: PAYLOAD_TOO_LARGE, text: error.to_string() };
        }
        Err(error) => {
            tracing::debug!(subject, %error, "publish without an answer");
            return Answer::Unknown;
        }
    };
    match serde_json::from_slice::<Acknowledgement>(&message.payload) {
        Ok(Acknowledgement { error: Some(refusal), .. }) => {
            Answer::Refused { code: refusal.err_code, text: refusal.description }
        }
        Ok(Acknowledgement { seq, duplicate, error: None }) if 0 < seq => {
            Answer::Stored { sequence: seq, duplicate }
        }
        Ok(_) => Answer::Unknown,
        Err(error) => {
            tracing::warn!(subject, %error, "the answer to a publish is not an acknowledgement");
            Answer::Unknown
        }
    }
}

/// Whether a refusal with this code says "not now" rather than "never".
pub(super) fn passes(code: u64) -> bool {
    // The cluster has no leader (10004, 10008, 10009), JetStream is not up (10039, 10076), a write
    // is in flight.
    [10_004, 10_008, 10_009, 10_039, 10_076, WRITE_IN_FLIGHT].contains(&code)
}
