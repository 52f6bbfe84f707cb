//! Private Redis, NATS and Postgres servers as child processes in one folder, on loopback ports.

mod account;
mod child;
mod folder;
mod process;
mod ready;
mod recipe;
mod template;

use std::{collections::VecDeque, path::PathBuf, time::Duration};

use futures_util::future::{join_all, select_all, try_join_all};
use tokio::time::Instant;

pub use self::{
    child::Child,
    folder::{FolderLock, Ports},
};
use crate::{Cause, Error, Shutdown};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Nats,
    Redis,
    Postgres,
}

impl Which {
    pub const ALL: [Which; 3] = [Which::Nats, Which::Redis, Which::Postgres];

    /// The name in logs, and of the folder.
    pub fn name(self) -> &'static str {
        match self {
            Which::Nats => "nats",
            Which::Redis => "redis",
            Which::Postgres => "postgres",
        }
    }
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
    /// Everything lives here: data, logs (`log/`), remembered ports. The caller holds its
    /// [`FolderLock`].
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

/// The running servers. Dropping it ends them at once; [`Servers::stop`] stops them in order.
#[derive(Debug)]
pub struct Servers {
    children: Vec<Child>,
}

/// How many deaths in [`DEATHS_WINDOW`] end the supervision.
///
/// Fewer would give up on a machine that is only out of memory for a moment; more would hide for
/// minutes that a server cannot run.
const DEATHS_MAX: usize = 5;
const DEATHS_WINDOW: Duration = Duration::from_mins(1);

impl Servers {
    /// Starts the servers and waits until each answers.
    pub async fn start(spec: ServersSpec) -> Result<Servers, Error> {
        let dir = std::path::absolute(&spec.dir)
            .map_err(|source| Error::io(format!("find {}", spec.dir.display()), source))?;
        let programs = recipe::Programs::find(&spec.which)?;
        std::fs::create_dir_all(&dir)
            .map_err(|source| Error::io(format!("make {}", dir.display()), source))?;
        let ports = Ports::choose(&dir)?;
        let children = spec.which.iter().map(|&which| {
            let (dir, programs) = (&dir, &programs);
            async move {
                let port = ports.of(which);
                let line = recipe::prepare(which, programs, dir, port, spec.durability).await?;
                let child = Child::new(which, port, line);
                child.restart().await?;
                Ok::<Child, Error>(child)
            }
        });
        Ok(Servers { children: try_join_all(children).await? })
    }

    /// # Panics
    /// When `which` was not in the spec.
    pub fn child(&self, which: Which) -> &Child {
        let child = self.children.iter().find(|child| child.which == which);
        child.expect("only servers of the spec are asked for")
    }

    pub fn pids(&self) -> Pids {
        let pid =
            |which| self.children.iter().find(|child| child.which == which).and_then(Child::pid);
        Pids { nats: pid(Which::Nats), redis: pid(Which::Redis), postgres: pid(Which::Postgres) }
    }

    /// Restarts what dies, until shutdown; begins the shutdown itself when servers die too often.
    ///
    /// `restarted` is called after each restart, for example to write the new pids down.
    pub async fn supervise(&self, shutdown: &Shutdown, mut restarted: impl FnMut(&Servers)) {
        let mut deaths = VecDeque::new();
        loop {
            let ends = self.children.iter().map(|child| Box::pin(child.wait()));
            // Both branches only read watches, so both are cancel-safe.
            let (ended, index) = tokio::select! {
                biased;
                () = shutdown.begun() => return,
                (ended, index, _) = select_all(ends) => (ended, index),
            };
            let child = &self.children[index];
            let name = child.which.name();
            let now = Instant::now();
            deaths.push_back(now);
            while deaths.front().is_some_and(|&first| now - first > DEATHS_WINDOW) {
                deaths.pop_front();
            }
            tracing::warn!(server = name, %ended, deaths = deaths.len(), "server died");
            if deaths.len() > DEATHS_MAX {
                let (log, window_s) = (child.log.display(), DEATHS_WINDOW.as_secs());
                return give_up(
                    shutdown,
                    format!(
                        "{name} ended ({ended}), the death beyond {DEATHS_MAX} in {window_s} s; \
                         see {log}"
                    ),
                );
            }
            if let Err(error) = child.restart().await {
                let why = Cause::of(&error);
                return give_up(shutdown, format!("{name} does not start again: {why}"));
            }
            restarted(self);
        }
    }

    /// Stops the servers in order, each within a bound, else hard.
    pub async fn stop(&self) {
        join_all(self.children.iter().map(Child::stop)).await;
    }
}

fn give_up(shutdown: &Shutdown, reason: String) {
    tracing::error!(reason, "a server cannot be kept running");
    shutdown.begin(reason);
}
