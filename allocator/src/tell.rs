//! Tells a replica's state: all of it to those who find the beginning of the journal trimmed, an
//! event's to those who compare it with what they know.

use crate::parts;
use chassis::{Nats, Shutdown};
use futures_util::StreamExt;
use schema::{EventId, ShardId, ShardState, subject};
use std::str;
use tokio::sync::{mpsc, oneshot};

/// Asks the replica to show its state.
pub(crate) struct Show {
    /// The event to show, and nothing else; without it all.
    pub only: Option<EventId>,
    pub answer: oneshot::Sender<ShardState>,
}

/// Answers one after the other: each copies the state, and who comes back after an outage comes
/// with others.
///
/// Of all processes that follow the shard one is asked.
pub(crate) async fn answer(
    nats: Nats,
    shard: ShardId,
    replica: mpsc::Sender<Show>,
    stop: Shutdown,
) {
    let group = subject::STATE_GROUP.to_owned();
    let mut asked = match nats.client.queue_subscribe(subject::state(shard), group).await {
        Ok(asked) => asked,
        Err(error) => {
            tracing::error!(%shard, %error, "nobody can ask this replica for its state");
            return;
        }
    };
    loop {
        // Cancel-safe: a subscription's `next` and a switch lose nothing.
        let message = tokio::select! {
            message = asked.next() => message,
            () = stop.begun() => return,
        };
        let Some(message) = message else { return };
        let Some(reply_to) = message.reply else { continue };
        let Ok(only) = event_of(&message.payload) else { continue };
        let (answer, shown) = oneshot::channel();
        if replica.send(Show { only, answer }).await.is_err() {
            return;
        }
        let Ok(state) = shown.await else { return };
        parts::send(&nats, shard, &reply_to, &state).await;
    }
}

/// Which event is asked for: the question is its id, or empty. `Err` for a question that nobody
/// understands.
fn event_of(question: &[u8]) -> Result<Option<EventId>, ()> {
    if question.is_empty() {
        return Ok(None);
    }
    let event = str::from_utf8(question).map_err(drop)?.parse().map_err(drop)?;
    Ok(Some(event))
}

#[cfg(test)]
mod tests {
    use super::event_of;

    #[test]
    fn a_question_is_for_all_or_for_one_event() {
        assert_eq!(event_of(b""), Ok(None));
        assert_eq!(event_of(b"EVT1"), Ok(Some("EVT1".parse().unwrap())));
        assert_eq!(event_of(b"EVT 1"), Err(()));
        assert_eq!(event_of(&[0xff]), Err(()));
    }
}
