//! Of two owners of a shard only the later one serves.

use crate::auditor::assert_clean;
use crate::crowd::accounts;
use crate::fan::{Fan, best, text};
use crate::journal::{Bus, Entry, check_epochs, shard_of};
use crate::market::{Market, WhenLost};
use crate::split::Split;
use crate::system::System;
use crate::up::Up;
use crate::wait::until;
use async_nats::HeaderMap;
use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use chassis::EpochRecord;
use rustix::process::Signal;
use schema::subject;
use std::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_allocator_whose_epoch_is_overtaken_stops_and_its_successor_serves() {
    let up = Up::start().await;
    let reach = up.reach();
    let shard = shard_of("EVT002");
    let bus = Bus::connect(&reach.nats).await;
    let fans = accounts(&reach.client, 4, "owner").await;
    let market = Market::open(&fans, "EVT002", WhenLost::AskAgain, false);
    market.sells(10).await;
    let old = bus.epoch(shard).await;
    let record = EpochRecord { nonce: "f".repeat(32), owner: "a contender".to_owned() };
    let mut headers = HeaderMap::new();
    headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, old.to_string());
    let record = serde_json::to_vec(&record).unwrap();
    let usurped = bus.append(subject::journal_epoch(shard), headers, record).await;
    let deposed = Instant::now();
    let successor = until("a successor", async || {
        let epoch = bus.epoch(shard).await;
        (usurped < epoch).then_some(epoch)
    })
    .await;
    market.sells(10).await;
    eprintln!(
        "epoch {old} overtaken by {usurped}: epoch {successor} sells after {:?}",
        deposed.elapsed()
    );
    let record = market.close().await;
    let journal = bus.journal(shard).await;
    check_epochs(&journal);
    let between = journal.iter().filter(|entry| match entry {
        Entry::Batch { sequence, .. } => (usurped..successor).contains(sequence),
        Entry::Epoch { .. } => false,
    });
    assert_eq!(between.count(), 0, "FENCE-1: somebody answered without owning the shard");
    let bookings = crate::market::bookings(&record);
    crate::auditor::assert_sold(&reach, "EVT002", &bookings).await;
}

/// A paused allocator is replaced by its neighbour, and does no harm when it wakes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_allocator_is_succeeded_and_stays_silent_when_it_wakes() {
    let mut split = Split::start().await;
    split.stand_by("successor", "allocator").await;
    let reach = split.reach();
    let bus = Bus::connect(&reach.nats).await;
    let shard = shard_of("EVT002");
    let fan = Fan::new(&reach.client, "patient").await;
    fan.buy(&best("EVT002", 1)).await;

    let old = bus.epoch(shard).await;
    split.stage("allocator").signal(Signal::STOP);
    let paused = Instant::now();
    let answer = fan.client.ask_stubbornly(
        fan.signed(crate::fan::reserve(&best("EVT002", 1), &crate::fan::fresh_key())),
    );
    let held = answer.await.expect(201);
    eprintln!("SIGSTOP of the allocator: its successor reserved after {:?}", paused.elapsed());
    assert!(old < bus.epoch(shard).await);
    split.stage("allocator").signal(Signal::CONT);
    let paid = fan.confirm(&text(&held["reservationId"]), "tok_ok").await;
    paid.expect(200);
    for _ in 0..30 {
        fan.buy(&best("EVT002", 1)).await;
    }
    check_epochs(&bus.journal(shard).await);
    assert_clean(&reach, &["--all"]).await;

    // And back: the one that was paused serves when the other has gone.
    split.stage("successor").kill();
    let killed = Instant::now();
    let call = crate::fan::reserve(&best("EVT002", 1), &crate::fan::fresh_key());
    fan.client.ask_stubbornly(fan.signed(call)).await.expect(201);
    eprintln!("kill -9 of its successor: it reserved again after {:?}", killed.elapsed());
    check_epochs(&bus.journal(shard).await);
    assert_clean(&reach, &["--all"]).await;
}
