//! The whole pipeline on three NATS servers with three copies of everything: one of the servers is
//! killed, allocators come, go and stand still, and three of them share 16 shards.

use crate::auditor::assert_clean;
use crate::cluster::Cluster;
use crate::fan::{Fan, best, confirm, fresh_key, reserve, text};
use crate::journal::Bus;
use crate::market::WhenLost;
use crate::sale::{Sale, list_on_all_shards};
use crate::split::Split;
use crate::system::System;
use crate::test_spread::{allocators_come_and_go, an_allocator_stands_still, are_shared, epochs};
use chassis::{TestServers, Which};
use schema::{ShardId, subject};
use std::time::Instant;

/// Of each stream and bucket.
const THREE_COPIES: (&str, &str) = ("USHER__NATS__REPLICAS", "3");

/// Seats of each shard that are sold between two events.
const BETWEEN: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_of_a_cluster_is_survived_without_a_take_over_and_comes_back() {
    let mut cluster = Cluster::start().await;
    let servers = TestServers::with(&[Which::Redis, Which::Postgres]).await;
    let mut split = Split::start_on(servers, &cluster.url(), &[THREE_COPIES]).await;
    split.join("second", "allocator").await;
    let reach = split.reach();
    let bus = Bus::connect(&reach.nats).await;
    are_shared(&bus, &mut split, &["allocator", "second"]).await;
    let sale = Sale::open(&reach, WhenLost::AskAgain).await;
    sale.sells(BETWEEN).await;

    let before = epochs(&bus).await;
    for stream in [subject::journal_stream(ShardId(0)), subject::COMMANDS.to_owned()] {
        let killed = Instant::now();
        let server = cluster.kill_leader(&bus.jetstream, &stream).await;
        sale.sells(BETWEEN).await;
        eprintln!(
            "kill -9 of server {server}, which led {stream}: {BETWEEN} more of each shard sold \
             after {:?}",
            killed.elapsed()
        );
        cluster.restart(server, &bus.jetstream, &stream).await;
        sale.sells(BETWEEN).await;
    }
    assert_eq!(epochs(&bus).await, before, "the silence of NATS is nobody's");
    an_allocator_stands_still(&bus, &mut split, "second", &sale).await;
    sale.closes_with_true_answers(&reach).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn allocators_come_and_go_on_a_cluster_and_no_request_fails() {
    let cluster = Cluster::start().await;
    let servers = TestServers::with(&[Which::Redis, Which::Postgres]).await;
    let mut split = Split::start_on(servers, &cluster.url(), &[THREE_COPIES]).await;
    allocators_come_and_go(&mut split).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_allocators_share_16_shards_and_those_of_a_killed_one_are_served_again() {
    let cluster = Cluster::start().await;
    let servers = TestServers::with(&[Which::Redis, Which::Postgres]).await;
    let settings = [THREE_COPIES, ("USHER__SYSTEM__SHARDS", "16")];
    let mut split = Split::start_on(servers, &cluster.url(), &settings).await;
    let reach = split.reach();
    let bus = Bus::connect(&reach.nats).await;
    assert_eq!(bus.shards.count(), 16);
    split.join("second", "allocator").await;
    split.join("third", "allocator").await;
    are_shared(&bus, &mut split, &["allocator", "second", "third"]).await;
    let events = list_on_all_shards(&reach).await;
    assert_eq!(events.len(), 16);
    let fan = Fan::new(&reach.client, "everywhere").await;
    for event in events.values() {
        buy_stubbornly(&fan, event).await;
    }

    split.stage("second").kill();
    let killed = Instant::now();
    for event in events.values() {
        buy_stubbornly(&fan, event).await;
    }
    eprintln!("kill -9 of an allocator: each of 16 shards sold after {:?}", killed.elapsed());
    are_shared(&bus, &mut split, &["allocator", "third"]).await;
    assert_clean(&reach, &["--all"]).await;
}

/// Buys a seat, whoever owns the event's shard.
async fn buy_stubbornly(fan: &Fan, event: &str) {
    let call = fan.signed(reserve(&best(event, 1), &fresh_key()));
    let held = fan.client.ask_stubbornly(call).await.expect(201);
    let call = fan.signed(confirm(&text(&held["reservationId"]), "tok_ok"));
    fan.client.ask_stubbornly(call).await.expect(200);
}
