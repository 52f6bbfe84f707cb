//! What a view begins with when the beginning of its journal is trimmed.

use std::time::Duration;

use chassis::Nats;
use schema::{ShardId, ShardState, sealed, subject};

/// How long each part of the answer may take: a replica of millions of holds copies and packs them
/// for some seconds.
const PART_WAIT: Duration = Duration::from_secs(10);

/// Asks the replicas of a shard for its state; `None` when nobody tells it now.
pub async fn ask(nats: &Nats, shard: ShardId) -> Result<Option<ShardState>, chassis::Error> {
    let subject = subject::state(shard);
    let answer = chassis::ask_in_parts(nats, subject, Vec::new(), PART_WAIT).await?;
    Ok(answer.and_then(|bytes| sealed::unseal(&bytes)))
}
