//! One server that is kept running.

use std::{
    fs,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::Signal;
use tokio::time::Instant;

use super::{
    Which,
    folder::kill_orphans,
    process::{CommandLine, Process},
    ready,
};
use crate::Error;

/// One server that is kept running on one port and folder.
#[derive(Debug)]
pub struct Child {
    pub which: Which,
    pub port: u16,
    pub url: String,
    pub log: PathBuf,
    line: CommandLine,
    // Held for a pointer's copy only, never across an await.
    process: Mutex<Option<Arc<Process>>>,
}

/// How long a server may take until it answers. Redis and Postgres read their logs first, which
/// takes seconds after a crash under load; longer than this means that something is wrong.
const READY_WAIT: Duration = Duration::from_mins(1);

/// How often a starting server is asked.
const READY_STEP: Duration = Duration::from_millis(25);

/// How long a planned stop may take before it becomes a kill. Postgres writes a checkpoint in it.
const STOP_WAIT: Duration = Duration::from_secs(10);

/// How long the processes of a killed predecessor may take to vanish.
const ORPHANS_WAIT: Duration = Duration::from_secs(10);

impl Child {
    pub(super) fn new(which: Which, port: u16, line: CommandLine) -> Child {
        let url = match which {
            Which::Nats => format!("nats://127.0.0.1:{port}"),
            Which::Redis => format!("redis://127.0.0.1:{port}"),
            Which::Postgres => format!("postgres://postgres@127.0.0.1:{port}/postgres"),
        };
        Child { which, port, url, log: line.log.clone(), line, process: Mutex::new(None) }
    }

    /// The running process, if one runs.
    pub fn pid(&self) -> Option<u32> {
        self.running().map(|process| process.pid)
    }

    /// Starts it again on the same port and folder, and waits until it answers. Kills a running one
    /// first.
    pub async fn restart(&self) -> Result<(), Error> {
        self.kill_hard().await;
        self.clear_folder().await?;
        let last_word = match self.which {
            // A killed one leaves shared memory behind, of which a machine has room for 4,096.
            Which::Postgres => Signal::QUIT,
            Which::Nats | Which::Redis => Signal::KILL,
        };
        let process = Arc::new(Process::spawn(&self.line, last_word).await?);
        self.replace(Some(Arc::clone(&process)));
        let deadline = Instant::now() + READY_WAIT;
        loop {
            let asked = tokio::select! {
                biased;
                status = process.wait() => {
                    return Err(self.failed(format!("ended at once ({status})")));
                }
                // Dropping a half-asked question closes its connection, nothing else.
                // Boxed: three clients' whole connection set-up would sit in every caller's future.
                asked = Box::pin(ready::ask(self.which, &self.url)) => asked,
            };
            match asked {
                Ok(()) => return Ok(()),
                Err(error @ Error::Version { .. }) => return Err(error),
                Err(error) if Instant::now() > deadline => {
                    let wait_s = READY_WAIT.as_secs();
                    let cause = crate::Cause::of(&error);
                    return Err(self.failed(format!("no answer within {wait_s} s: {cause}")));
                }
                Err(_) => tokio::time::sleep(READY_STEP).await,
            }
        }
    }

    /// kill -9, and waits until it is gone.
    pub async fn kill_hard(&self) {
        if let Some(process) = self.running() {
            process.signal(Signal::KILL);
            process.wait().await;
        }
    }

    /// Sends a signal, for example SIGSTOP and SIGCONT in tests.
    pub fn signal(&self, signal: Signal) {
        if let Some(process) = self.running() {
            process.signal(signal);
        }
    }

    /// Resolves when the process has ended; at once when none runs. Cancel-safe.
    pub async fn wait(&self) -> ExitStatus {
        let process = self.current();
        match process {
            Some(process) => process.wait().await,
            None => ExitStatus::default(),
        }
    }

    pub(super) async fn stop(&self) {
        let Some(process) = self.running() else { return };
        process.signal(match self.which {
            // Postgres: SIGINT is the fast shutdown; SIGTERM would wait for every client to leave.
            Which::Postgres => Signal::INT,
            Which::Nats | Which::Redis => Signal::TERM,
        });
        // One that somebody has stopped would hear the other signal only when it goes on.
        process.signal(Signal::CONT);
        if tokio::time::timeout(STOP_WAIT, process.wait()).await.is_err() {
            tracing::warn!(server = self.which.name(), "does not stop: killing it");
            process.signal(Signal::KILL);
            process.wait().await;
        }
    }

    /// Ends what a crash left running in the folder, and removes the pid file that names it.
    async fn clear_folder(&self) -> Result<(), Error> {
        let deadline = Instant::now() + ORPHANS_WAIT;
        while kill_orphans(&self.line.folder, &self.line.program) {
            if Instant::now() > deadline {
                return Err(self.failed("an older process does not leave its folder".to_owned()));
            }
            tokio::time::sleep(READY_STEP).await;
        }
        // No Postgres works in this folder (just checked) and nobody else starts one (the folder is
        // locked), so the file names a dead process; its number may by now belong to something else
        // that lives.
        let stale = self.line.folder.join("postmaster.pid");
        match fs::remove_file(&stale) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io(format!("remove {}", stale.display()), error))
            }
            _ => Ok(()),
        }
    }

    fn failed(&self, detail: String) -> Error {
        let last_words = tail(&self.log).unwrap_or_default();
        let detail = if last_words.is_empty() { detail } else { format!("{detail}: {last_words}") };
        Error::ServerFailed { server: self.which.name(), detail, log: self.log.clone() }
    }

    fn running(&self) -> Option<Arc<Process>> {
        self.current().filter(|process| process.ended().is_none())
    }

    fn current(&self) -> Option<Arc<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, process: Option<Arc<Process>>) {
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = process;
    }
}

/// How much of a log's end is quoted in an error: the last line or two.
const TAIL_BYTES: u64 = 300;

fn tail(log: &Path) -> std::io::Result<String> {
    let mut file = fs::File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().replace('\n', " | "))
}
