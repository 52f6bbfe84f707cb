//! Answers the audit's question of what the live owner thinks of an event.

use crate::decider::{Inspection, Work};
use allocator_core::HoldPhase;
use chassis::{Nats, Shutdown};
use futures_util::StreamExt;
use schema::{EventId, HoldId, PlaceCounts, SeatIdx, ShardId, codec, subject};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// How long a decider is given to show an event; it does so between two batches.
const INSPECT_WAIT: Duration = Duration::from_secs(2);

/// An event in the memory of its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerView {
    /// `None` when the owner has not met the event.
    pub counts: Option<PlaceCounts>,
    /// Every seat that is not free, in order of seat.
    pub seats: Vec<OwnedSeat>,
}

/// A seat that is not free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedSeat {
    pub seat: SeatIdx,
    pub phase: HoldPhase,
    pub hold: HoldId,
}

/// Answers on the shard's inspection subject while this process owns it.
pub(crate) async fn answer(
    nats: Nats,
    shard: ShardId,
    desk: watch::Receiver<Option<crossbeam_channel::Sender<Work>>>,
    stop: Shutdown,
) {
    let mut asked = match nats.client.subscribe(subject::inspect(shard)).await {
        Ok(asked) => asked,
        Err(error) => {
            tracing::error!(%shard, %error, "the audit cannot ask this owner");
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
        let work = desk.borrow().clone();
        let (Some(reply_to), Some(work)) = (message.reply, work) else { continue };
        let Ok(event) = codec::decode::<EventId>(&message.payload) else { continue };
        let (answer, shown) = oneshot::channel();
        // A decider with a full queue is busy with buyers; the auditor asks again.
        if work.try_send(Work::Inspect { event, answer }).is_err() {
            continue;
        }
        drop(work);
        if let Ok(Ok(shown)) = tokio::time::timeout(INSPECT_WAIT, shown).await {
            let bytes = codec::encode(&view(shown));
            if let Err(error) = nats.client.publish(reply_to, bytes.into()).await {
                tracing::debug!(%shard, %error, "inspection not sent");
            }
        }
    }
}

fn view(shown: Inspection) -> OwnerView {
    let seats = shown.seats.into_iter();
    let seats = seats.map(|(seat, phase, hold)| OwnedSeat { seat, phase, hold });
    OwnerView { counts: shown.counts, seats: seats.collect() }
}
