//! Answers the audit's question of what the live owner's memory is.
//!
//! The answer names the journal batch that it includes, so that the audit compares two states of
//! the same moment, however busy the shard is.

use crate::config::{INSPECT_PAUSE, INSPECT_WAIT};
use crate::decider::Work;
use crate::parts;
use allocator_core::EventView;
use chassis::{Nats, Shutdown};
use crossbeam_channel::{Sender, TrySendError};
use futures_util::StreamExt;
use schema::{EventId, ShardId, codec, sealed, subject};
use serde::{Deserialize, Serialize};
use std::time::Instant;
use tokio::sync::{oneshot, watch};

/// What the audit asks an owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspect {
    /// `None` asks for all events of the shard.
    pub event: Option<EventId>,
}

/// The memory of an owner between two batches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerView {
    pub epoch: u64,
    /// The last batch of the epoch that it includes, whether journaled already or on its way; 0
    /// when there was none.
    pub batch: u64,
    /// The events with traces of outcomes.
    pub events: Vec<EventView>,
}

impl OwnerView {
    /// Reads the joined parts of an answer; `None` when some are lost or it is no such thing.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        sealed::unseal(bytes)
    }
}

type Desk = watch::Receiver<Option<Sender<Work>>>;

/// Answers on the shard's inspection subject while this process owns it: in parts, because a
/// large event is larger than a message, and an empty one at the end.
pub(crate) async fn answer(nats: Nats, shard: ShardId, desk: Desk, stop: Shutdown) {
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
        let Some(reply_to) = message.reply else { continue };
        let Ok(Inspect { event }) = codec::decode(&message.payload) else { continue };
        let (answer, shown) = oneshot::channel();
        if !give(&desk, Work::Inspect { event, answer }).await {
            continue;
        }
        let Ok(Ok(view)) = tokio::time::timeout(INSPECT_WAIT, shown).await else { continue };
        parts::send(&nats, shard, &reply_to, &view).await;
    }
}

/// Hands work to the decider, waiting for room in its queue; whether there is one and it took it.
async fn give(desk: &Desk, mut work: Work) -> bool {
    let deadline = Instant::now() + INSPECT_WAIT;
    while Instant::now() < deadline {
        // Taken anew each time: a sender that is kept would keep a deposed decider alive.
        let Some(queue) = desk.borrow().clone() else { return false };
        match queue.try_send(work) {
            Ok(()) => return true,
            Err(TrySendError::Full(back)) => work = back,
            Err(TrySendError::Disconnected(_)) => return false,
        }
        drop(queue);
        tokio::time::sleep(INSPECT_PAUSE).await;
    }
    false
}
