//! A system of our own: `usher up` in a child process, on a fresh folder and free ports.

mod child;
mod counters;
mod emptied;
mod launch;
mod metrics;
mod neighbour;

pub use counters::{Calls, PostgresCounters, RedisCounters, Transactions, made_between};
pub use emptied::empty_redis;
pub use launch::Launch;
pub use neighbour::Neighbour;

use crate::wire::Door;
use anyhow::Context as _;
use child::Child;
use launch::{free_ports, fresh_folder};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// How long a start may take: three servers that make their files, and a catalogue of thousands.
const READY_WAIT: Duration = Duration::from_mins(2);

/// Between two looks for the ready line.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

const READY_LINE: &str = "usher is ready on ";

/// A running `usher up`. It ends with this: dropping waits for it.
pub struct System {
    pub door: Door,
    /// The data folder.
    pub data: PathBuf,
    /// The address of the metrics, as a URL.
    pub metrics: String,
    /// Accounts can be made in bulk.
    pub bench_door: bool,
    /// From the start of the process to its ready line.
    pub ready_after: Duration,
    /// The binary.
    usher: PathBuf,
    child: Child,
    keep_data: bool,
}

/// What `usher.json` says that matters here: the public address, that of the metrics as a URL, and
/// those of servers.
#[derive(Debug, Deserialize)]
pub struct Running {
    http: String,
    pub metrics: String,
    nats: Option<String>,
    redis: Option<String>,
    postgres: Option<String>,
}

impl System {
    /// Returns when every stage serves. Its words go to `usher.out`, its log to `usher.log`.
    pub async fn start(launch: Launch) -> anyhow::Result<Self> {
        let data = fresh_folder(&launch.out)?;
        let [port, metrics_port] = free_ports()?.map(|port| port.to_string());
        let said = launch.out.join("usher.out");
        let mut command = launch.command(&data);
        command.args(["--port", &port, "--metrics-port", &metrics_port]);
        let started = Instant::now();
        let mut child = Child::start(command, &said, &launch.out.join("usher.log"))?;
        let ready = ready(&mut child, &said).await;
        let running = match ready.and_then(|()| running(&data)) {
            Ok(running) => running,
            Err(error) => {
                drop(child);
                drop(fs::remove_dir_all(&data));
                return Err(error);
            }
        };
        Ok(Self {
            door: Door::new(&running.http)?,
            data,
            metrics: running.metrics,
            bench_door: launch.bench_door(),
            ready_after: started.elapsed(),
            usher: launch.usher,
            child,
            keep_data: launch.keep_data,
        })
    }

    /// Ends it by SIGTERM, and waits until it has ended; an error if it did not end well.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let stopped = tokio::task::spawn_blocking(move || self.child.end());
        stopped.await.context("wait for usher")?
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // Who wants to know calls `stop`. What cannot be removed is left behind.
        drop(self.child.end());
        if !self.keep_data {
            drop(fs::remove_dir_all(&self.data));
        }
    }
}

/// Does the work, unless somebody asks this program to end before it is done. Then what the work
/// holds is dropped, and systems among it end: they are in process groups of their own, and hear
/// nothing of a Ctrl-C.
pub async fn unless_interrupted<T>(
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    // Nothing goes on after either.
    tokio::select! {
        done = work => done,
        asked = interrupted() => {
            asked?;
            anyhow::bail!("interrupted")
        }
    }
}

/// Waits until somebody asks this program to end: Ctrl-C or SIGTERM. Until it is polled for the
/// first time, the signals end the program at once.
pub async fn interrupted() -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    // Both are cancel-safe.
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

async fn ready(child: &mut Child, said: &Path) -> anyhow::Result<()> {
    let asked = Instant::now();
    loop {
        let text = fs::read_to_string(said).context("read what usher says")?;
        if text.lines().any(|line| line.starts_with(READY_LINE)) {
            return Ok(());
        }
        child.still_runs()?;
        anyhow::ensure!(asked.elapsed() < READY_WAIT, "usher was not ready in time");
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// Where the system in `data` runs.
pub fn running(data: &Path) -> anyhow::Result<Running> {
    let text = fs::read(data.join("usher.json")).context("read usher.json")?;
    serde_json::from_slice(&text).context("parse usher.json")
}

#[cfg(test)]
mod tests;
