//! Shards are shared out among allocators, and move when these come, go, die or stand still.

use crate::journal::Bus;
use crate::market::WhenLost;
use crate::sale::Sale;
use crate::split::Split;
use crate::system::System;
use crate::wait::{pause, until_equal};
use chassis::Which;
use rustix::process::Signal;
use schema::ShardId;
use schema::limits::SHARD_COUNT;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Longer than everything after which an owner hands over or a contender takes, so that nothing
/// moves in it only if nothing is going to move.
const SEVERAL_SETTLINGS: Duration = Duration::from_secs(7);

/// Seats of each shard that are sold between two events.
const BETWEEN: usize = 3;

/// The epochs of all shards.
pub async fn epochs(bus: &Bus) -> Vec<u64> {
    let mut epochs = Vec::new();
    for shard in (0..SHARD_COUNT).map(ShardId) {
        epochs.push(bus.epoch(shard).await);
    }
    epochs
}

/// How many shards each process was the last to take.
async fn owned(bus: &Bus) -> BTreeMap<u32, usize> {
    let mut owned = BTreeMap::new();
    for shard in (0..SHARD_COUNT).map(ShardId) {
        *owned.entry(bus.owner(shard).await).or_default() += 1;
    }
    owned
}

/// Waits until these allocators, and no others, own as many shards each as can be.
pub async fn are_shared(bus: &Bus, split: &mut Split, names: &[&str]) {
    let begun = Instant::now();
    let mut pids: Vec<u32> = names.iter().map(|name| split.stage(name).pid).collect();
    pids.sort_unstable();
    let shards = usize::from(SHARD_COUNT);
    let (each, more) = (shards / names.len(), shards % names.len());
    let mut wanted = vec![each; names.len()];
    wanted.iter_mut().rev().take(more).for_each(|count| *count += 1);
    until_equal(&format!("the shards of {names:?}"), (pids, wanted), async || {
        let owned = owned(bus).await;
        let mut counts: Vec<usize> = owned.values().copied().collect();
        counts.sort_unstable();
        (owned.into_keys().collect(), counts)
    })
    .await;
    eprintln!("shards are shared among {names:?} after {:?}", begun.elapsed());
}

/// Asserts that no shard changes hands for a while.
async fn nothing_moves(bus: &Bus) {
    let before = epochs(bus).await;
    pause(SEVERAL_SETTLINGS).await;
    assert_eq!(epochs(bus).await, before, "a shard moved without a reason");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_are_shared_among_allocators_that_come_and_go_and_no_request_fails() {
    let mut split = Split::start().await;
    let reach = split.reach();
    let bus = Bus::connect(&reach.nats).await;
    let sale = Sale::open(&reach, WhenLost::GoHome).await;
    sale.sells(BETWEEN).await;
    split.join("second", "allocator").await;
    are_shared(&bus, &mut split, &["allocator", "second"]).await;
    sale.sells(BETWEEN).await;
    split.join("third", "allocator").await;
    are_shared(&bus, &mut split, &["allocator", "second", "third"]).await;
    sale.sells(BETWEEN).await;
    nothing_moves(&bus).await;
    split.stage("second").signal(Signal::TERM);
    let (status, _, log) = split.stage("second").ended().await;
    assert!(status.success(), "{log}");
    are_shared(&bus, &mut split, &["allocator", "third"]).await;
    sale.sells(BETWEEN).await;
    nothing_moves(&bus).await;
    sale.closes_without_a_failure(&reach).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_of_killed_and_paused_allocators_are_taken_and_a_restart_of_nats_moves_none() {
    let mut split = Split::start().await;
    let reach = split.reach();
    let bus = Bus::connect(&reach.nats).await;
    split.join("second", "allocator").await;
    are_shared(&bus, &mut split, &["allocator", "second"]).await;
    let sale = Sale::open(&reach, WhenLost::AskAgain).await;
    sale.sells(BETWEEN).await;

    let before = epochs(&bus).await;
    split.kill_server(Which::Nats).await;
    sale.sells(BETWEEN).await;
    nothing_moves(&bus).await;
    assert_eq!(epochs(&bus).await, before, "a restart of NATS is nobody's silence");

    split.stage("second").kill();
    are_shared(&bus, &mut split, &["allocator"]).await;
    sale.sells(BETWEEN).await;

    split.join("third", "allocator").await;
    are_shared(&bus, &mut split, &["allocator", "third"]).await;
    split.stage("third").signal(Signal::STOP);
    are_shared(&bus, &mut split, &["allocator"]).await;
    sale.sells(BETWEEN).await;
    split.stage("third").signal(Signal::CONT);
    are_shared(&bus, &mut split, &["allocator", "third"]).await;
    sale.sells(BETWEEN).await;
    nothing_moves(&bus).await;
    sale.closes_with_true_answers(&reach).await;
}
