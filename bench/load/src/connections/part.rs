//! The processes that hold connections, as the command sees them.

use super::told::Told;
use crate::cli;
use anyhow::{Context as _, bail};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// How long opening may take, beyond which something is stuck; and how much longer than its pace
/// a round.
const SLACK: Duration = Duration::from_mins(2);

/// A child that holds connections. It is killed when this is dropped.
pub struct Part {
    stdin: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
    child: Child,
}

impl Part {
    /// Starts one that opens so many connections to `target`.
    pub fn start(
        options: &cli::ManyConnections,
        target: &str,
        connections: u32,
    ) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("find this program's own binary")?;
        let mut command = Command::new(own);
        command.args(["hold-part", "--target", target, "--path", &options.path]);
        command.args(["--connections", &connections.to_string()]);
        command.args(["--sources", &options.sources.to_string()]);
        command.args(["--rounds", &options.rounds.to_string()]);
        command.args(["--seconds", &options.seconds.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("start a process that holds connections")?;
        let stdin = child.stdin.take().context("its standard input is a pipe")?;
        let stdout = child.stdout.take().context("its standard output is a pipe")?;
        Ok(Self { stdin, said: BufReader::new(stdout).lines(), child })
    }

    /// Waits for what it tells next, which may take as long as its rounds.
    pub async fn told(&mut self, longest: Duration) -> anyhow::Result<Told> {
        let line = timeout(longest + SLACK, self.said.next_line()).await;
        let line = line.context("a process that holds connections is silent")??;
        let Some(line) = line else { bail!("a process that holds connections has ended") };
        serde_json::from_str(&line).with_context(|| format!("read {line}"))
    }

    /// Lets it ask.
    pub async fn go_on(&mut self) -> anyhow::Result<()> {
        self.stdin.write_all(b"\n").await.context("let a process ask")
    }

    /// Lets it close its connections, and waits until it has.
    pub async fn end(mut self) -> anyhow::Result<()> {
        drop(self.stdin);
        let ended = timeout(SLACK, self.child.wait()).await;
        let ended = ended.context("a process that holds connections does not end")??;
        anyhow::ensure!(ended.success(), "a process that holds connections ended badly: {ended}");
        Ok(())
    }
}
