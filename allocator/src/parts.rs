//! Sends state to whoever asks for it: sealed, and in parts, because it is larger than a message.

use crate::config::REPLY_BYTES_MAX;
use async_nats::Subject;
use bytes::Bytes;
use chassis::Nats;
use chassis::telemetry::chain;
use schema::{ShardId, sealed};
use serde::Serialize;

/// Sends `state`; a failure is logged, and the asker asks again.
pub(crate) async fn send<T: Serialize>(nats: &Nats, shard: ShardId, reply_to: &Subject, state: &T) {
    // A large state takes longer than a runtime thread may be kept from its other tasks.
    let bytes = match tokio::task::block_in_place(|| sealed::seal(state)) {
        Ok(bytes) => Bytes::from(bytes),
        Err(error) => {
            tracing::error!(%shard, %error, "nobody can be told this state");
            return;
        }
    };
    if let Err(error) = chassis::answer_in_parts(nats, reply_to, bytes, REPLY_BYTES_MAX).await {
        tracing::debug!(%shard, error = %chain(&error), "state not sent");
    }
}
