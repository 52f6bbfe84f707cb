//! The small periodic work of an instance for one room: check-ins to Redis, positions from it.

use crate::config::{INDEX_AGE_MAX, PULSE, REPORT_EVERY, REPORTS_FIRST};
use crate::metrics;
use crate::room::{Order, Room};
use crate::store::{Blessed, Phase};
use bytes::Bytes;
use chassis::clock::Monotonic;
use chassis::{Nats, Shutdown};
use schema::{codec, subject};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use waiting_room_core::Bits;

/// How often what nobody needs any more is dropped.
const FORGET_EVERY: Duration = Duration::from_secs(30);

pub(crate) async fn run(room: Arc<Room>, nats: Nats, shutdown: Shutdown) {
    let mut ticks = tokio::time::interval(PULSE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut index_read, mut forgot) = (None::<Monotonic>, Monotonic::now());
    let (mut epoch, mut told) = (0, Vec::<Monotonic>::new());
    loop {
        // Cancel-safe: both only wait.
        tokio::select! {
            biased;
            () = shutdown.begun() => return,
            _ = ticks.tick() => {}
        }
        let report = room.given_report();
        if epoch != report.epoch {
            (epoch, told) = (report.epoch, Vec::new());
        }
        let is_due = told.last().is_none_or(|at| REPORT_EVERY <= at.elapsed());
        if is_due || told.len() < REPORTS_FIRST {
            tell(&room, &nats, codec::encode(&report).into()).await;
            told = told.split_off(told.len().saturating_sub(REPORTS_FIRST - 1));
            told.push(Monotonic::now());
        }
        flush_check_ins(&room, &nats).await;
        flush_returners(&room, &nats).await;
        // Relaxed: a wish; see `Room::index`.
        let is_wanted = room.index_wanted.load(Ordering::Relaxed);
        if is_wanted && index_read.is_none_or(|at| INDEX_AGE_MAX <= at.elapsed()) {
            room.index_wanted.store(false, Ordering::Relaxed);
            refresh_index(&room).await;
            index_read = Some(Monotonic::now());
        }
        if FORGET_EVERY <= forgot.elapsed() {
            room.forget(chassis::clock::now());
            forgot = Monotonic::now();
        }
    }
}

/// Writes the check-ins since the last flush. If that fails the leader hears of it, so that nobody
/// is passed as gone whose check-in was lost here.
async fn flush_check_ins(room: &Room, nats: &Nats) {
    let (numbers, are_all) = room.take_check_ins();
    let blessed = room.blessed();
    if numbers.is_empty() || blessed.epoch == 0 {
        return;
    }
    let written = room.store.check_in(&blessed, &numbers).await;
    if let Err(fault) = &written {
        tracing::debug!(event = %room.event, %fault, "check-ins were lost");
    }
    if written.is_err() || !are_all {
        metrics::store_failed("check_in");
        tell(room, nats, Bytes::new()).await;
    }
}

/// Brings those into the late lane, or keeps them there, who have asked since the last flush. What
/// fails is tried again with the next one, or with their next poll, and the leader hears of it.
async fn flush_returners(room: &Room, nats: &Nats) {
    let blessed = room.blessed();
    if blessed.epoch == 0 {
        return;
    }
    let numbers = room.take_returners();
    if numbers.is_empty() {
        return;
    }
    if let Err(fault) = room.store.come_back(&blessed, &numbers, chassis::clock::now()).await {
        tracing::debug!(event = %room.event, %fault, "returners wait for the late lane");
        metrics::store_failed("come_back");
        for number in numbers {
            room.come_back(number);
        }
        tell(room, nats, Bytes::new()).await;
    }
}

/// Tells the leader that check-ins were lost, with an empty payload, or what was given out.
async fn tell(room: &Room, nats: &Nats, payload: Bytes) {
    let told = nats.client.publish(subject::room_presence(&room.event), payload);
    match tokio::time::timeout(PULSE, told).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::debug!(event = %room.event, %error, "the leader was not told");
        }
        Err(_) => tracing::debug!(event = %room.event, "NATS takes no word to the leader now"),
    }
}

async fn refresh_index(room: &Room) {
    let (cursor, order, blessed, is_line) = {
        let ledger = room.ledger();
        let is_line = ledger.gathering.is_none();
        (ledger.cursor, Order::of(&ledger), Blessed::of(&ledger), is_line)
    };
    if blessed.epoch == 0 {
        return;
    }
    let last = room.status().map_or(cursor, |status| status.number_last);
    match room.store.index(&blessed, Bits::word_of(cursor + 1)).await {
        // The draw is made, and the living have not moved to their drawn numbers yet.
        Ok((Phase::Gather | Phase::Closing, _)) if is_line => {}
        Ok((_, bits)) => room.set_index(order, bits, last),
        Err(fault) => {
            tracing::debug!(event = %room.event, %fault, "positions are as of before");
            metrics::store_failed("index");
        }
    }
}
