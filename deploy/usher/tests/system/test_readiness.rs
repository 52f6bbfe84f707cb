//! What the health page says while servers are away.

use crate::client::{Call, Client};
use crate::process::pid;
use crate::system::System;
use crate::up::Up;
use crate::wait::until_equal;
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
