//! One child process that cannot outlive us, however we end.
//!
//! `setpriv --pdeathsig` asks the kernel to kill the child when its parent *thread* ends, so
//! children are spawned from one thread that lasts as long as the process. It stands last in the
//! command line, because the kernel forgets the wish when a process changes its account.

use std::{
    ffi::OsString,
    fs::File,
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::sync::{oneshot, watch};

use crate::Error;

/// What to run.
#[derive(Debug, Clone)]
pub(super) struct CommandLine {
    /// Runs the rest under another account (`setpriv ..`, `unshare ..`), or is empty.
    pub prefix: Vec<OsString>,
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// Set beside what the process has of its own.
    pub environment: Vec<(&'static str, String)>,
    pub folder: PathBuf,
    /// Standard output and error are appended here.
    pub log: PathBuf,
}

/// How long a dropped child may take to end by its own last word before it is killed.
const LAST_WORD_WAIT: Duration = Duration::from_secs(1);
const LAST_WORD_STEP: Duration = Duration::from_millis(5);

/// A running (or ended) child. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Process {
    pub pid: u32,
    // A pid may be given to somebody else once the child is gone; this handle cannot.
    handle: OwnedFd,
    /// What it ends by at once when it is dropped.
    last_word: Signal,
    ended: watch::Receiver<Option<ExitStatus>>,
}

impl Process {
    pub async fn spawn(line: &CommandLine, last_word: Signal) -> Result<Process, Error> {
        let what = || format!("start {}", line.program.display());
        let command = command(line).map_err(|source| Error::io(what(), source))?;
        let (reply, spawned) = oneshot::channel();
        spawner().send((command, last_word, reply)).expect("the spawning thread never ends");
        let spawned = spawned.await.expect("the spawning thread answers each request");
        spawned.map_err(|source| Error::io(what(), source))
    }

    pub fn signal(&self, signal: Signal) {
        if let Err(error) = pidfd_send_signal(&self.handle, signal) {
            // The usual reason is that it has ended by itself, which is what most callers want.
            tracing::debug!(pid = self.pid, %error, "signal not delivered");
        }
    }

    pub fn ended(&self) -> Option<ExitStatus> {
        *self.ended.borrow()
    }

    /// Waits for the end. Cancel-safe.
    pub async fn wait(&self) -> ExitStatus {
        let mut ended = self.ended.clone();
        let status = ended.wait_for(Option::is_some).await;
        status.expect("the waiting thread reports before it ends").expect("waited for `is_some`")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let began = Instant::now();
        while self.ended().is_none() {
            let is_late = self.last_word == Signal::KILL || LAST_WORD_WAIT < began.elapsed();
            self.signal(if is_late { Signal::KILL } else { self.last_word });
            if is_late {
                return;
            }
            // One that somebody has stopped hears only when it goes on.
            self.signal(Signal::CONT);
            thread::sleep(LAST_WORD_STEP);
        }
    }
}

type Request = (Command, Signal, oneshot::Sender<std::io::Result<Process>>);

/// How many spawns may wait for the spawning thread; there are three servers.
const SPAWNS_WAITING_MAX: usize = 16;

fn spawner() -> &'static std::sync::mpsc::SyncSender<Request> {
    static SPAWNER: OnceLock<std::sync::mpsc::SyncSender<Request>> = OnceLock::new();
    SPAWNER.get_or_init(|| {
        let (sender, requests) = std::sync::mpsc::sync_channel::<Request>(SPAWNS_WAITING_MAX);
        thread::Builder::new()
            .name("server-parent".to_owned())
            .spawn(move || {
                // The sender is static, so this loop, and with it the thread, lasts as long as the
                // process.
                for (command, last_word, reply) in requests {
                    if reply.send(spawn(command, last_word)).is_err() {
                        tracing::debug!("nobody waits for this child any more: killed");
                    }
                }
            })
            .expect("a process that cannot start one thread cannot run servers");
        sender
    })
}

fn spawn(mut command: Command, last_word: Signal) -> std::io::Result<Process> {
    let mut child = command.spawn()?;
    let pid = Pid::from_child(&child);
    let handle = pidfd_open(pid, PidfdFlags::empty())?;
    let (report, ended) = watch::channel(None);
    thread::Builder::new().name("server-wait".to_owned()).spawn(move || match child.wait() {
        Ok(status) => drop(report.send_replace(Some(status))),
        Err(error) => panic!("wait for our own child: {error}"),
    })?;
    let pid = u32::try_from(pid.as_raw_nonzero().get()).expect("process ids are positive");
    Ok(Process { pid, handle, last_word, ended })
}

fn command(line: &CommandLine) -> std::io::Result<Command> {
    let log = File::options().create(true).append(true).open(&line.log)?;
    let die_with_us = ["setpriv", "--pdeathsig", "KILL", "--"].map(OsString::from);
    let mut words = line.prefix.iter().chain(&die_with_us);
    let mut command = Command::new(words.next().expect("`die_with_us` is not empty"));
    command
        .args(words)
        .arg(&line.program)
        .args(&line.arguments)
        .envs(line.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&line.folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // Ctrl-C reaches the terminal's whole process group: the servers must outlive the stages'
        // drain.
        .process_group(0);
    Ok(command)
}
