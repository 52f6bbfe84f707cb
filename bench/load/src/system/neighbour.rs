//! One more allocator beside a system of our own: a process that may be killed.

use super::child::Child;
use super::metrics::owned;
use super::{Running, System};
use crate::wire::{Connection, Door, Question};
use anyhow::Context as _;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// A running `usher run --stages allocator`. It ends with this: dropping waits for it.
pub struct Neighbour {
    child: Child,
    pages: Connection,
}

impl Neighbour {
    /// Starts it against the system's servers; it serves when shards are shared out to it. Its
    /// words go to files in `out`.
    pub fn start(system: &System, out: &Path) -> anyhow::Result<Self> {
        let Running { nats, postgres, .. } = super::running(&system.data)?;
        let [port, _] = super::free_ports()?;
        let metrics = format!("127.0.0.1:{port}");
        let mut command = Command::new(&system.usher);
        command.args(["run", "--stages", "allocator"]);
        command.env("USHER__NATS__URL", nats.context("usher.json does not say where NATS is")?);
        let postgres = postgres.context("usher.json does not say where Postgres is")?;
        command.env("USHER__POSTGRES__URL", postgres);
        command.env("USHER__KEYS__DIR", system.data.join("keys"));
        command.env("USHER__METRICS__LISTEN", &metrics);
        let (said, log) = (out.join("neighbour.out"), out.join("neighbour.log"));
        let child = Child::start(command, &said, &log)?;
        let pages = Connection::new(&Door::new(&format!("http://{metrics}"))?, 0);
        Ok(Self { child, pages })
    }

    /// The shards that it owns; none while it does not answer yet.
    pub async fn owned(&mut self) -> anyhow::Result<BTreeSet<u8>> {
        self.child.still_runs()?;
        let answer = self.pages.ask(Question::get("/metrics")).await;
        Ok(answer.map_or_else(|_| BTreeSet::new(), |answer| owned(&answer.text())))
    }

    /// kill -9, and waits until it is gone.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()
    }

    /// Asks it to end, and waits until it has.
    pub async fn end(mut self) -> anyhow::Result<()> {
        let ended = tokio::task::spawn_blocking(move || self.child.end());
        ended.await.context("wait for the neighbour")?
    }
}
