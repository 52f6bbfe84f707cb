//! Answers the audit's question of what the live owner's memory is.
//!
//! The answer names the journal batch that it includes, so that the audit compares two states of
//! the same moment, however busy the shard is.

use crate::config::{INSPECT_PAUSE, INSPECT_WAIT};
use crate::decider::Work;
use crate::parts;
use allocator_core::{Answer, EventView, IdsView, Numbered};
use chassis::{Nats, Shutdown};
use crossbeam_channel::{Sender, TrySendError};
use futures_util::StreamExt;
use schema::{Asked, CommandId, EventId, Outcome, ShardId, UnixMillis, codec, sealed, subject};
use serde::{Deserialize, Serialize};
use std::time::Instant;
use tokio::sync::{oneshot, watch};

/// What the audit asks an owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspect {
    /// `None` asks for all events of the shard, and for its answers.
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
    /// What is remembered of commands; `None` to who asks for one event, for it is the shard's.
    pub answers: Option<AnswersView>,
}

/// What is remembered of commands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswersView {
    /// The answers in memory.
    pub remembered: Numbered<AnswerView>,
    /// The commands that are known to be answered, in order of number.
    pub ids: Vec<IdsView>,
}

/// An answer in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerView {
    pub command: CommandId,
    /// The time of the batch it was journaled in.
    pub at: UnixMillis,
    /// Of the outcome, as it is encoded.
    pub checksum: u32,
}

impl AnswerView {
    /// Of an outcome in a batch of this time; `None` where nobody asked.
    pub fn of(at: UnixMillis, outcome: &Outcome) -> Option<Self> {
        let Asked { command, .. } = outcome.asked?;
        Some(Self { command, at, checksum: codec::checksum(&codec::encode(outcome)) })
    }
}

/// Each answer of a shard's memory; O(answers).
pub(crate) fn views(answers: Numbered<Answer>) -> Numbered<AnswerView> {
    let Numbered { from, entries } = answers;
    let view = |answer: Answer| AnswerView::of(answer.at, &answer.outcome);
    let entries = entries.into_iter().map(view).collect::<Option<_>>();
    Numbered { from, entries: entries.expect("only asked outcomes are remembered") }
}

/// What a decider shows between two batches.
pub(crate) struct Shown {
    pub epoch: u64,
    pub batch: u64,
    pub events: Vec<EventView>,
    /// Copied only: what is made of them takes longer, and is made on another thread.
    pub answers: Option<(Numbered<Answer>, Vec<IdsView>)>,
}

impl Shown {
    fn view(self) -> OwnerView {
        let Self { epoch, batch, events, answers } = self;
        let answers = answers.map(|(answers, ids)| AnswersView { remembered: views(answers), ids });
        OwnerView { epoch, batch, events, answers }
    }
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
        let Ok(Ok(shown)) = tokio::time::timeout(INSPECT_WAIT, shown).await else { continue };
        // Many answers take longer than a runtime thread may be kept from its other tasks.
        let view = tokio::task::block_in_place(|| shown.view());
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
