//! What the health page says while servers are away, and the metrics page when all is well.

use crate::client::{Call, Client};
use crate::process::pid;
use crate::system::System;
use crate::up::Up;
use crate::wait::until_equal;
use chassis::metrics::NAME_PREFIX;
use rustix::process::{Signal, kill_process};

/// Waits until the page names exactly these servers as missing, among whatever else is.
pub async fn lacks(client: &Client, servers: &[&str]) {
    let wanted: Vec<String> = servers.iter().map(|&name| name.to_owned()).collect();
    until_equal("what the health page lacks", wanted, async || {
        let answer = client.ask(Call::get("/readyz")).await;
        if answer.status == 200 {
            return Vec::new();
        }
        assert_eq!(answer.status, 503);
        assert_eq!(answer.code(), "NOT_READY");
        let missing = answer.json()["missing"].take();
        let names = ["nats", "postgres", "redis"].into_iter();
        let names: Vec<_> = names.filter(|name| missing[name].is_string()).collect();
        // What follows from the loss of a server may last a moment longer.
        if names.is_empty() {
            return vec![missing.to_string()];
        }
        names.into_iter().map(str::to_owned).collect()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_health_page_names_each_server_that_stands_still() {
    let up = Up::start().await;
    let client = up.reach().client;
    let servers = up.servers();
    let signal = |names: &[&str], signal| {
        for name in names {
            kill_process(pid(servers[*name].pid), signal).unwrap();
        }
    };
    for names in [&["postgres", "redis"][..], &["nats"][..]] {
        lacks(&client, &[]).await;
        signal(names, Signal::STOP);
        lacks(&client, names).await;
        signal(names, Signal::CONT);
    }
    lacks(&client, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alarms_are_on_the_metrics_page_before_anything_went_wrong() {
    let up = Up::start().await;
    let pages = Client::new(&format!("http://127.0.0.1:{}", up.metrics_port));
    let page = pages.ask(Call::get("/metrics")).await;
    assert_eq!(page.status, 200);
    let page = String::from_utf8_lossy(&page.body).into_owned();
    for alarm in [
        "task_panics_total",
        "invariant_broken_total",
        "allocator_deposed_total",
        "allocator_checkpoint_failures_total",
        "settlement_reviews_total",
        "settlement_verdicts_refused_total",
        "room_store_failures_total",
        "search_dropped_total",
        "ingress_shed_total",
        "http_connections_refused_total",
        "nats_slow_readers_total",
    ] {
        let named = |line: &&str| {
            line.strip_prefix(NAME_PREFIX).is_some_and(|name| name.starts_with(alarm))
        };
        let mut lines = page.lines().filter(named);
        assert!(lines.any(|line| line.ends_with(" 0")), "{alarm} is not in {page}");
    }
}
