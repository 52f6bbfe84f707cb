//! `usher.json`: where a running `usher up` is, for scripts, tests and the other commands.

use anyhow::Context as _;
use chassis::FolderLock;
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
    if !FolderLock::is_taken(data)? {
        return Ok(None);
    }
    let text = match std::fs::read(path(data)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("read usher.json"),
    };
    Ok(Some(serde_json::from_slice(&text).context("parse usher.json")?))
}

#[cfg(test)]
mod tests {
    use super::{Pids, Running, read, write};
    use chassis::FolderLock;

    #[test]
    fn only_a_folder_that_somebody_has_says_where_a_system_runs() {
        let folder = tempfile::tempdir().unwrap();
        let text = |word: &str| word.to_owned();
        let running = Running {
            http: text("http"),
            metrics: text("metrics"),
            nats: text("nats"),
            redis: text("redis"),
            postgres: text("postgres"),
            pids: Pids { usher: 1, nats: None, redis: None, postgres: None },
        };
        assert_eq!(read(folder.path()).unwrap(), None);
        let lock = FolderLock::take(folder.path()).unwrap();
        assert_eq!(read(folder.path()).unwrap(), None);
        write(folder.path(), &running).unwrap();
        assert_eq!(read(folder.path()).unwrap(), Some(running));
        drop(lock);
        assert_eq!(read(folder.path()).unwrap(), None, "a killed owner left the file");
    }
}
