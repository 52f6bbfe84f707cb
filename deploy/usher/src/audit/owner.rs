//! What the live owner of a shard says.

use allocator::{Inspect, OwnerView};
use anyhow::Context as _;
use chassis::Nats;
use schema::{EventId, ShardId, codec, subject};
use std::time::Duration;

/// How long each part of the answer may take. The owner itself gives up after four seconds: two
/// for a place in the queue, two for the end of a batch.
const PART_WAIT: Duration = Duration::from_secs(5);

/// Asks for the memory of one event or of all; `None` when nobody answers, or nothing that can be
/// read.
pub async fn ask(
    nats: &Nats,
    shard: ShardId,
    event: Option<&EventId>,
) -> anyhow::Result<Option<OwnerView>> {
    let question = codec::encode(&Inspect { event: event.cloned() });
    let answer = chassis::ask_in_parts(nats, subject::inspect(shard), question, PART_WAIT).await;
    let answer = answer.with_context(|| format!("ask the owner of shard {shard}"))?;
    let decode = |bytes: Vec<u8>| tokio::task::block_in_place(|| OwnerView::decode(&bytes));
    Ok(answer.and_then(decode))
}
