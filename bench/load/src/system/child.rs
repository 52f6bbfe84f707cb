//! A child process that does not outlive its owner.

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take to end: its stages have 15 s, then three servers write their files.
const END_WAIT: Duration = Duration::from_mins(1);

const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Lines of the log that an error shows.
const LAST_WORDS: usize = 12;

/// Ends with this, by SIGTERM.
pub(super) struct Child {
    log: PathBuf,
    process: std::process::Child,
    ended: bool,
}

impl Child {
    /// Standard output goes to the file `said`, standard error to `log`.
    pub(super) fn start(mut command: Command, said: &Path, log: &Path) -> anyhow::Result<Self> {
        let file =
            |path: &Path| File::create(path).with_context(|| format!("write {}", path.display()));
        command.stdin(Stdio::null()).stdout(file(said)?).stderr(file(log)?);
        // A Ctrl-C at the terminal reaches us alone: the crowd leaves before the system ends.
        let process = command.process_group(0).spawn();
        let program = command.get_program().display();
        let process = process.with_context(|| format!("start {program}"))?;
        Ok(Self { log: log.to_owned(), process, ended: false })
    }

    /// An error with its last words if it has ended.
    pub(super) fn still_runs(&mut self) -> anyhow::Result<()> {
        let Some(status) = self.process.try_wait().context("look after usher")? else {
            return Ok(());
        };
        self.ended = true;
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n");
        bail!("usher has ended by itself: {status}\n{last}")
    }

    /// kill -9, and waits until it is gone.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.still_runs()?;
        self.ended = true;
        self.process.kill().context("kill usher")?;
        self.process.wait().context("wait for usher")?;
        Ok(())
    }

    /// Asks it to end and waits; kills it if it does not. Does nothing the second time.
    pub(super) fn end(&mut self) -> anyhow::Result<()> {
        if self.ended {
            return Ok(());
        }
        self.still_runs()?;
        self.ended = true;
        kill_process(Pid::from_child(&self.process), Signal::TERM).context("ask usher to end")?;
        let asked = Instant::now();
        while asked.elapsed() < END_WAIT {
            if let Some(status) = self.process.try_wait().context("wait for usher")? {
                anyhow::ensure!(status.success(), "usher ended badly: {status}");
                return Ok(());
            }
            std::thread::sleep(LOOK_PAUSE);
        }
        self.process.kill().context("kill usher")?;
        self.process.wait().context("wait for usher")?;
        bail!("usher did not end within {END_WAIT:?} and was killed")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Who wants to know calls `end`.
        drop(self.end());
    }
}
