//! Tells a replica's state to those who find the beginning of the journal trimmed.

use crate::parts;
use chassis::{Nats, Shutdown};
use futures_util::StreamExt;
use schema::{ShardId, ShardState, subject};
use tokio::sync::{mpsc, oneshot};

/// Asks the replica to show its state.
pub(crate) type Show = oneshot::Sender<ShardState>;

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
        let (show, shown) = oneshot::channel();
        if replica.send(show).await.is_err() {
            return;
        }
        let Ok(state) = shown.await else { return };
        parts::send(&nats, shard, &reply_to, &state).await;
    }
}
