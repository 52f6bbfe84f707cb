//! The chassis against real servers: ownership, following, connections, and the servers themselves.
#![expect(clippy::unwrap_used, reason = "a panic is the message of a failed test")]

#[path = "system/connections.rs"]
mod connections;
#[path = "system/fenced.rs"]
mod fenced;
#[path = "system/follow.rs"]
mod follow;
#[path = "system/presence.rs"]
mod presence;
#[path = "system/servers.rs"]
mod servers;

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy};

/// How long a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens within the patience")
}

fn log() -> Config {
    Config {
        name: "LOG".to_owned(),
        subjects: vec!["log.>".to_owned()],
        discard: DiscardPolicy::New,
        duplicate_window: Duration::from_mins(10),
        ..Config::default()
    }
}
