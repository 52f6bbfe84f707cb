//! A Redis of a system that is killed, with all that it holds.

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;

#[derive(Debug, Deserialize)]
struct Running {
    redis: String,
    pids: Pids,
}

#[derive(Debug, Deserialize)]
struct Pids {
    redis: Option<i32>,
}

/// Removes the files of the Redis of the system in `data` and kills it: `usher up` starts it again,
/// and it finds nothing. Returns its address, which stays.
pub fn empty_redis(data: &Path) -> anyhow::Result<SocketAddr> {
    let text = fs::read(data.join("usher.json")).context("read usher.json")?;
    let running: Running = serde_json::from_slice(&text).context("parse usher.json")?;
    let address = running.redis.trim_start_matches("redis://").trim_end_matches('/');
    let address = address.parse().context("read the address of Redis")?;
    let pid = running.pids.redis.and_then(Pid::from_raw);
    let pid = pid.context("usher.json does not say who Redis is")?;
    // It goes on writing to what has no name any more.
    let files = data.join("servers").join("redis");
    for name in ["appendonlydir", "dump.rdb"] {
        let path = files.join(name);
        let removed =
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        if let Err(error) = removed
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error).context("remove what Redis holds");
        }
    }
    kill_process(pid, Signal::KILL).context("kill Redis")?;
    Ok(address)
}
