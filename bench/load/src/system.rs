//! A system of our own: `usher up` in a child process, on a fresh folder and free ports.

use crate::wire::Door;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How a system is to be started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The binary.
    pub usher: PathBuf,
    /// Where the log goes, and the data while the system runs.
    pub out: PathBuf,
    /// Options of `usher up` besides the folder and the ports.
    pub options: Vec<String>,
    /// Settings by the environment: `USHER__...`.
    pub settings: Vec<(String, String)>,
    /// Leave the data behind when the system has ended.
    pub keep_data: bool,
}

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
}

impl Launch {
    /// The `usher` beside this program's own binary, with the bench door where it knows one.
    pub fn new(out: &Path) -> anyhow::Result<Self> {
        anyhow::bail!("not yet: {}", out.display())
    }
}

impl System {
    pub async fn start(launch: Launch) -> anyhow::Result<Self> {
        anyhow::bail!("not yet: {}", launch.out.display())
    }

    /// Ends it by SIGTERM, and waits until it has ended.
    pub async fn stop(self) -> anyhow::Result<()> {
        anyhow::bail!("not yet")
    }
}
