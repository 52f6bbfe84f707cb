//! `usher.json`: where a running `usher up` is, for scripts, tests and the other commands.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Addresses as URLs, and process ids.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Running {
    pub http: String,
    pub metrics: String,
    pub nats: String,
    pub redis: String,
    pub postgres: String,
    pub pids: Pids,
}

/// The servers themselves, not their wrappers; `postgres` is the postmaster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub struct Pids {
    pub usher: u32,
    pub nats: Option<u32>,
    pub redis: Option<u32>,
    pub postgres: Option<u32>,
}

fn path(data: &Path) -> PathBuf {
    data.join("usher.json")
}

/// Replaces the file in one step, so that a reader never sees half of it.
pub fn write(data: &Path, running: &Running) -> std::io::Result<()> {
    let text = serde_json::to_vec_pretty(running).expect("plain data is JSON");
    let fresh = data.join("usher.json.new");
    std::fs::write(&fresh, text)?;
    std::fs::rename(fresh, path(data))
}

pub fn remove(data: &Path) -> std::io::Result<()> {
    std::fs::remove_file(path(data))
}

/// Reads where the system in `data` runs; `None` when none does.
///
/// A file that a killed process left behind counts as none: its folder is not locked.
pub fn read(data: &Path) -> anyhow::Result<Option<Running>> {
    let text = match std::fs::read(path(data)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("read usher.json"),
    };
    Ok(Some(serde_json::from_slice(&text).context("parse usher.json")?))
}
