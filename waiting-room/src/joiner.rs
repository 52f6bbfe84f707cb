//! Gathers joins: while one call to Redis is under way the next batch collects itself.

use crate::config::{JOIN_AGAIN, JOIN_BATCH_MAX, LEDGER_WAIT};
use crate::enter::enter;
use crate::metrics;
use crate::room::Room;
use crate::store::{Fault, Given, Giving, Kept, Keyed, Phase};
use chassis::{Nats, Shutdown};
use schema::UnixMillis;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use waiting_room_core::{Gathered, PhaseStep, PlaceKind, phase_step};

/// One who waits for a number.
#[derive(Debug)]
pub(crate) struct JoinAsk {
    pub asked: Asked,
    pub answer: oneshot::Sender<Joined>,
}

/// What a token will say besides the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// By what a repeat of it is known.
    pub keyed: Option<Keyed>,
    pub pop_hash: Option<[u8; 32]>,
    /// A hash of the account that joins, where the room wants to know.
    pub owner: Option<[u8; 32]>,
    pub issued_at: UnixMillis,
}

/// A place that was given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Joined {
    pub epoch: u32,
    pub number: u64,
    pub kind: PlaceKind,
    /// What was remembered under the key, if this place was given under it before.
    pub kept: Option<Kept>,
}

impl Joined {
    /// The place that an earlier join under the same key was given.
    pub(crate) fn again(kept: Kept) -> Self {
        let Kept { epoch, number, phase, .. } = kept;
        Self { epoch, number, kind: kind(phase), kept: Some(kept) }
    }
}

/// Gives numbers to those who ask, in the order in which they asked.
pub(crate) async fn run(
    room: Arc<Room>,
    nats: Nats,
    mut asks: mpsc::Receiver<JoinAsk>,
    shutdown: Shutdown,
) {
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
        // Whoever else is ready on this core goes first: in a rush those are the threads that read
        // joins, so that fewer calls number more of them. Where nobody is, it takes no time.
        std::thread::yield_now();
        while waiting.len() < JOIN_BATCH_MAX {
            let Ok(ask) = asks.try_recv() else { break };
            waiting.push(ask);
        }
        waiting.retain(|ask| !ask.answer.is_closed());
        if waiting.is_empty() {
            continue;
        }
        let given = match give(&room, &waiting).await {
            Ok(given) => given,
            Err(fault) => {
                tracing::debug!(event = %room.event, %fault, "no numbers now");
                None
            }
        };
        let waited = waiting.len();
        if let Some((epoch, given)) = given {
            let (settled, unanswered) = settle(waiting, epoch, given);
            let (entered, others) = enter(&room, &nats, settled).await;
            for (ask, joined) in entered {
                // Who has gone away in this moment leaves a place that will be passed as gone.
                ask.answer.send(joined).unwrap_or_default();
            }
            waiting = others;
            waiting.extend(unanswered);
        }
        if waiting.len() == waited {
            if shutdown.is_begun() {
                return;
            }
            tokio::time::sleep(JOIN_AGAIN).await;
        }
    }
}

/// Says who got which place, and who got none.
fn settle(
    waiting: Vec<JoinAsk>,
    epoch: u32,
    given: Given,
) -> (Vec<(JoinAsk, Joined)>, Vec<JoinAsk>) {
    metrics::joined(usize::try_from(given.count).expect("at most the batch"));
    let mut numbers = given.after + 1..=given.after + given.count;
    let mut kept = given.kept.into_iter();
    let (mut settled, mut unanswered) = (Vec::with_capacity(waiting.len()), Vec::new());
    for ask in waiting {
        let again = ask.asked.keyed.and_then(|_| kept.next().flatten());
        let first = |number| Joined { epoch, number, kind: kind(given.phase), kept: None };
        let joined = again.map(Joined::again).or_else(|| numbers.next().map(first));
        match joined {
            Some(joined) => settled.push((ask, joined)),
            None => unanswered.push(ask),
        }
    }
    (settled, unanswered)
}

fn kind(phase: Phase) -> PlaceKind {
    match phase {
        Phase::Line => PlaceKind::Line,
        Phase::Gather | Phase::Closing => PlaceKind::PreQueue,
    }
}

/// Takes numbers from Redis and checks them against the stream before anybody gets one.
///
/// That check raises the room's word on what it gave, which is final when a new epoch is known:
/// whatever the answers wait for behind it, they say nothing that the word does not cover.
///
/// LINE-1: a number is given out only if the epoch that gave it is the room's epoch and the number
/// is not above the durable mark, so that a Redis that was rolled back gives nothing.
async fn give(room: &Room, waiting: &[JoinAsk]) -> Result<Option<(u32, Given)>, Fault> {
    let blessed = room.blessed();
    if blessed.epoch == 0 {
        return Ok(None);
    }
    let asks: Vec<Option<Keyed>> = waiting.iter().map(|ask| ask.asked.keyed).collect();
    let gathered = Gathered { gathering: false, ..room.ledger().gathered() };
    let is_to_gather =
        phase_step(&room.settings(), gathered, room.wall()) == Some(PhaseStep::StartGather);
    let giving = Giving { giver: room.giver, least: room.given_report().given_to, is_to_gather };
    let given = room.store.join(&blessed, &asks, giving).await?;
    // What is remembered of a key was given before, so it is not above this either.
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
