//! Answers that are larger than a message: sent in parts, with an empty one at the end.

use std::time::Duration;

use async_nats::{StatusCode, Subject};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::{Error, Nats};

/// Sends an answer in parts of at most `part_bytes_max`.
///
/// # Errors
/// [`Error::Unavailable`]; who asked misses the end then, and asks again.
pub async fn answer_in_parts(
    nats: &Nats,
    reply_to: &Subject,
    answer: Bytes,
    part_bytes_max: usize,
) -> Result<(), Error> {
    let parts = (0..answer.len()).step_by(part_bytes_max);
    let parts = parts.map(|from| answer.slice(from..answer.len().min(from + part_bytes_max)));
    for part in parts.chain([Bytes::new()]) {
        let sent = nats.client.publish(reply_to.clone(), part).await;
        sent.map_err(|error| Error::unavailable("send a part of an answer", &error))?;
    }
    Ok(())
}

/// Asks for an answer in parts, and joins them; `None` when nobody answers, or when a part does not
/// come within `part_wait`.
///
/// # Errors
/// [`Error::Unavailable`] when the question cannot be asked.
pub async fn ask_in_parts(
    nats: &Nats,
    subject: String,
    question: Vec<u8>,
    part_wait: Duration,
) -> Result<Option<Vec<u8>>, Error> {
    let what = || format!("ask on {subject}");
    let inbox = nats.client.new_inbox();
    let answer = nats.client.subscribe(inbox.clone()).await;
    let mut answer = answer.map_err(|error| Error::unavailable(what(), &error))?;
    let asked = nats.client.publish_with_reply(subject.clone(), inbox, question.into());
    let asked = timeout(part_wait, asked).await;
    let asked = asked.map_err(|elapsed| Error::unavailable(what(), &elapsed))?;
    asked.map_err(|error| Error::unavailable(what(), &error))?;
    let mut bytes = Vec::new();
    loop {
        let Ok(Some(part)) = timeout(part_wait, answer.next()).await else { return Ok(None) };
        if part.status == Some(StatusCode::NO_RESPONDERS) {
            return Ok(None);
        }
        if part.payload.is_empty() {
            return Ok(Some(bytes));
        }
        bytes.extend_from_slice(&part.payload);
    }
}
