//! A door into the memory of a running owner, for tests of the audit: a difference that it finds
//! must have been there. Compiled with feature `testing` and debug assertions only.

use crate::decider::Work;
use allocator_core::SeatWord;
use chassis::{Nats, Shutdown};
use crossbeam_channel::Sender;
use futures_util::StreamExt;
use schema::{EventId, SeatIdx, ShardId, codec, subject};
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};

/// Sets the word of a seat behind everybody's back; the answer is the word before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plant {
    pub event: EventId,
    pub seat: SeatIdx,
    /// As [`SeatWord::encode`] makes it.
    pub word: u64,
}

impl Plant {
    /// Where the owner of a shard takes it.
    pub fn subject(shard: ShardId) -> String {
        format!("{}.plant", subject::inspect(shard))
    }
}

pub(crate) async fn answer(
    nats: Nats,
    shard: ShardId,
    desk: watch::Receiver<Option<Sender<Work>>>,
    stop: Shutdown,
) {
    let asked = nats.client.subscribe(Plant::subject(shard)).await;
    let mut asked = asked.expect("the subject is one");
    loop {
        // Cancel-safe: a subscription's `next` and a switch lose nothing.
        let message = tokio::select! {
            message = asked.next() => message,
            () = stop.begun() => return,
        };
        let Some(message) = message else { return };
        let queue = desk.borrow().clone();
        let (Some(reply_to), Some(queue)) = (message.reply, queue) else { continue };
        let Plant { event, seat, word } =
            codec::decode(&message.payload).expect("only tests send it");
        let word = SeatWord::decode(word).expect("tests plant words");
        let (answer, planted) = oneshot::channel();
        let plant = Work::Plant { event, seat, word, answer };
        queue.try_send(plant).expect("the owner is not busy");
        drop(queue);
        let before = planted.await.expect("the owner lives").encode();
        let sent = nats.client.publish(reply_to, codec::encode(&before).into()).await;
        sent.expect("NATS is there");
    }
}
