//! The whole pipeline on three NATS servers with three copies of everything, one of which is
//! killed.

use crate::cluster::Cluster;
use crate::journal::Bus;
use crate::market::WhenLost;
use crate::sale::Sale;
use crate::split::Split;
use crate::system::System;
use crate::test_spread::{are_shared, epochs};
use chassis::{TestServers, Which};
use schema::{ShardId, subject};
use std::time::Instant;

/// Seats of each shard that are sold between two events.
const BETWEEN: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_of_a_cluster_is_survived_without_a_take_over_and_comes_back() {
    let mut cluster = Cluster::start().await;
    let servers = TestServers::with(&[Which::Redis, Which::Postgres]).await;
    let mut split = Split::start_on(servers, &cluster.url(), 3).await;
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
    sale.closes_with_true_answers(&reach).await;
}
