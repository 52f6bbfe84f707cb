//! Private Redis, NATS and Postgres servers as child processes in one folder, on loopback ports.

use std::path::{Path, PathBuf};

use crate::{Error, Shutdown};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Nats,
    Redis,
    Postgres,
}

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A crash of the machine.
    Machine,
    /// A kill of every process; a machine crash may lose holds, never orders.
    Process,
    /// A kill of every process, nothing more. For tests.
    Scratch,
}

#[derive(Debug, Clone)]
pub struct ServersSpec {
    /// Everything lives here: data, logs (`log/`), remembered ports.
    pub dir: PathBuf,
    pub durability: Durability,
    pub which: Vec<Which>,
}

/// Process ids of the servers themselves (Postgres: the postmaster).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Pids {
    pub nats: Option<u32>,
    pub redis: Option<u32>,
    pub postgres: Option<u32>,
}

/// The running servers. Dropping it kills them hard; [`Servers::stop`] stops them in order.
#[derive(Debug)]
pub struct Servers {}

/// One server that is kept running.
#[derive(Debug)]
pub struct Child {
    pub which: Which,
    pub port: u16,
    pub url: String,
    pub log: PathBuf,
}

impl Servers {
    /// Starts the servers and waits until each answers.
    pub async fn start(spec: ServersSpec) -> Result<Servers, Error> {
        todo!("{spec:?}")
    }

    /// # Panics
    /// When `which` was not in the spec.
    pub fn child(&self, which: Which) -> &Child {
        todo!("{which:?}")
    }

    pub fn pids(&self) -> Pids {
        todo!()
    }

    /// Restarts what dies, until shutdown; begins the shutdown itself when a server dies too often.
    pub async fn supervise(&self, shutdown: &Shutdown) {
        todo!("{shutdown:p}")
    }

    /// Stops the servers in order, each within a bound, else hard.
    pub async fn stop(&self) {
        todo!()
    }
}

impl Child {
    pub fn pid(&self) -> Option<u32> {
        todo!()
    }

    /// Starts it again on the same port and folder, and waits until it answers.
    pub async fn restart(&self) -> Result<(), Error> {
        todo!()
    }

    /// kill -9, and waits until it is gone.
    pub async fn kill_hard(&self) {
        todo!()
    }

    /// Resolves when the process has ended.
    pub async fn wait(&self) {
        todo!()
    }
}

/// The right to use a data folder; held until dropped, also across a kill.
#[derive(Debug)]
pub struct FolderLock {}

impl FolderLock {
    /// Takes the folder (made when missing), or says who has it.
    pub fn take(dir: &Path) -> Result<FolderLock, Error> {
        todo!("{dir:?}")
    }
}
