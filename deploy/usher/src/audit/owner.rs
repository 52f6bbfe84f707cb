//! What the live owner of a shard says.

use allocator::{Inspect, OwnerView};
use anyhow::Context as _;
use async_nats::StatusCode;
use chassis::Nats;
use futures_util::StreamExt;
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
    let inbox = nats.client.new_inbox();
    let what = || format!("ask the owner of shard {shard}");
    let mut answer = nats.client.subscribe(inbox.clone()).await.with_context(what)?;
    let question = codec::encode(&Inspect { event: event.cloned() });
    let asked = nats.client.publish_with_reply(subject::inspect(shard), inbox, question.into());
    tokio::time::timeout(PART_WAIT, asked).await.with_context(what)?.with_context(what)?;
    let mut bytes = Vec::new();
    loop {
        let Ok(Some(part)) = tokio::time::timeout(PART_WAIT, answer.next()).await else {
            return Ok(None);
        };
        if part.status == Some(StatusCode::NO_RESPONDERS) {
            return Ok(None);
        }
        if part.payload.is_empty() {
            break;
        }
        bytes.extend_from_slice(&part.payload);
    }
    Ok(tokio::task::block_in_place(|| OwnerView::decode(&bytes)))
}
