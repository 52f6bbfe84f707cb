//! Shards are shared out among allocators, and move when these come, go, die or stand still.

use crate::journal::Bus;
use crate::market::WhenLost;
use crate::sale::Sale;
use crate::split::Split;
use crate::system::System;
use crate::wait::{pause, until};
use chassis::Which;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Longer than everything after which an owner hands over or a contender takes, so that nothing
/// moves in it only if nothing is going to move.
const SEVERAL_SETTLINGS: Duration = Duration::from_secs(7);

/// Seats of each shard that are sold between two events.
const BETWEEN: usize = 3;

/// The epochs of all shards.
pub async fn epochs(bus: &Bus) -> Vec<u64> {
    let mut epochs = Vec::new();
    for shard in bus.shards.all() {
        epochs.push(bus.epoch(shard).await);
    }
    epochs
}

/// Waits until these allocators, and no others, own the shards in turns.
pub async fn are_shared(bus: &Bus, split: &mut Split, names: &[&str]) {
    let begun = Instant::now();
    let pids: BTreeSet<u32> = names.iter().map(|name| split.stage(name).pid).collect();
    until(&format!("the shards of {names:?}"), async || {
        let mut owners = Vec::new();
        for shard in bus.shards.all() {
            owners.push(bus.owner(shard).await);
        }
        let instances: BTreeSet<&String> = owners.iter().collect();
        let in_turns = instances.iter().cycle().zip(&owners).all(|(turn, owner)| *turn == owner);
        let found: BTreeSet<u32> = instances.iter().map(|instance| process_id(instance)).collect();
        (found == pids && in_turns).then_some(())
    })
    .await;
    eprintln!("shards are shared among {names:?} after {:?}", begun.elapsed());
}

/// The id of the process that an owner's name begins with.
fn process_id(instance: &str) -> u32 {
    let (pid, _) = instance.split_once('-').expect("a process id and a time");
    u32::from_str_radix(pid, 16).expect("in hexadecimal digits")
}

/// Asserts that no shard changes hands for a while.
async fn nothing_moves(bus: &Bus) {
    let before = epochs(bus).await;
    pause(SEVERAL_SETTLINGS).await;
    assert_eq!(epochs(bus).await, before, "a shard moved without a reason");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_are_shared_among_allocators_that_come_and_go_and_no_request_fails() {
    allocators_come_and_go(&mut Split::start().await).await;
}

/// Two come, the first of them is told to end, and no buyer hears of it.
pub async fn allocators_come_and_go(split: &mut Split) {
    let reach = split.reach();
    let bus = Bus::connect(&reach.nats).await;
    let sale = Sale::open(&reach, WhenLost::GoHome).await;
    sale.sells(BETWEEN).await;
    split.join("second", "allocator").await;
    are_shared(&bus, split, &["allocator", "second"]).await;
    sale.sells(BETWEEN).await;
    split.join("third", "allocator").await;
    are_shared(&bus, split, &["allocator", "second", "third"]).await;
    sale.sells(BETWEEN).await;
    nothing_moves(&bus).await;
    split.stage("second").signal(Signal::TERM);
    let (status, _, log) = split.stage("second").ended().await;
    assert!(status.success(), "{log}");
    are_shared(&bus, split, &["allocator", "third"]).await;
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
    an_allocator_stands_still(&bus, &mut split, "third", &sale).await;
    sale.closes_with_true_answers(&reach).await;
}

/// The one beside the first is stopped for longer than its lease, and goes on.
pub async fn an_allocator_stands_still(bus: &Bus, split: &mut Split, name: &str, sale: &Sale) {
    split.stage(name).signal(Signal::STOP);
    are_shared(bus, split, &["allocator"]).await;
    sale.sells(BETWEEN).await;
    split.stage(name).signal(Signal::CONT);
    are_shared(bus, split, &["allocator", name]).await;
    sale.sells(BETWEEN).await;
    nothing_moves(bus).await;
}
