//! Gathers joins: while one call to Redis is under way the next batch collects itself.

use crate::config::{JOIN_AGAIN, JOIN_BATCH_MAX, LEDGER_WAIT};
use crate::metrics;
use crate::room::Room;
use crate::store::{Fault, Given, Phase};
use chassis::Shutdown;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use waiting_room_core::PlaceKind;

/// One who waits for a number.
#[derive(Debug)]
pub(crate) struct JoinAsk {
    pub answer: oneshot::Sender<Joined>,
}

/// A place that was given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Joined {
    pub epoch: u32,
    pub number: u64,
    pub kind: PlaceKind,
}

/// Gives numbers to those who ask, in the order in which they asked.
pub(crate) async fn run(room: Arc<Room>, mut asks: mpsc::Receiver<JoinAsk>, shutdown: Shutdown) {
    let mut waiting: Vec<JoinAsk> = Vec::with_capacity(JOIN_BATCH_MAX);
    loop {
        if waiting.is_empty() {
            // Cancel-safe: both only wait.
            tokio::select! {
                biased;
                () = shutdown.begun() => return,
                count = asks.recv_many(&mut waiting, JOIN_BATCH_MAX) => if count == 0 { return },
            }
        }
        while waiting.len() < JOIN_BATCH_MAX {
            let Ok(ask) = asks.try_recv() else { break };
            waiting.push(ask);
        }
        waiting.retain(|ask| !ask.answer.is_closed());
        if waiting.is_empty() {
            continue;
        }
        let given = match give(&room, waiting.len()).await {
            Ok(given) => given,
            Err(fault) => {
                tracing::debug!(event = %room.event, %fault, "no numbers now");
                None
            }
        };
        let Some((epoch, given)) = given.filter(|(_, given)| 0 < given.count) else {
            if shutdown.is_begun() {
                return;
            }
            tokio::time::sleep(JOIN_AGAIN).await;
            continue;
        };
        answer(&mut waiting, epoch, given);
    }
}

fn answer(waiting: &mut Vec<JoinAsk>, epoch: u32, given: Given) {
    let count = usize::try_from(given.count).expect("at most the batch").min(waiting.len());
    metrics::joined(count);
    let kind = match given.phase {
        Phase::Line => PlaceKind::Line,
        Phase::Gather | Phase::Closing => PlaceKind::PreQueue,
    };
    for (ask, number) in waiting.drain(..count).zip(given.after + 1..) {
        // Who has gone away in this moment leaves a place that will be passed as gone.
        ask.answer.send(Joined { epoch, number, kind }).unwrap_or_default();
    }
}

/// Takes numbers from Redis and checks them against the stream before anybody gets one.
///
/// Nothing waits between that check and the answers, so that the room's word on what it gave is
/// final when a new epoch is known.
///
/// LINE-1: a number is given out only if the epoch that gave it is the room's epoch and the number
/// is not above the durable mark, so that a Redis that was rolled back gives nothing.
async fn give(room: &Room, count: usize) -> Result<Option<(u32, Given)>, Fault> {
    let blessed = room.blessed();
    if blessed.epoch == 0 {
        return Ok(None);
    }
    let given = room.store.join(&blessed, count, room.giver).await?;
    let last = given.after + given.count;
    let mut read_to = room.read_to.subscribe();
    let known = async {
        loop {
            read_to.mark_unchanged();
            if let Some(may_give) = room.may_give(blessed.epoch, last) {
                return may_give;
            }
            if read_to.changed().await.is_err() {
                return false;
            }
        }
    };
    let known = tokio::time::timeout(LEDGER_WAIT, known).await.unwrap_or(false);
    Ok(known.then_some((blessed.epoch, given)))
}
