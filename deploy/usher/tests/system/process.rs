//! Processes that a test starts, and that do not outlive it.

use crate::wait::{PATIENCE, until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The binary under test.
pub const USHER: &str = env!("CARGO_BIN_EXE_usher");

/// How many lines of a log a failing test shows.
const LOG_LINES_SHOWN: usize = 40;

/// A running `usher`. Dropping it asks it to end, and kills it if it does not.
#[derive(Debug)]
pub struct Process {
    pub pid: u32,
    child: Child,
    log: PathBuf,
    printed: Arc<Mutex<Vec<String>>>,
    reader: JoinHandle<()>,
}

impl Process {
    /// Starts `usher` with these arguments and variables; its log goes to a file.
    pub fn start(arguments: &[&str], variables: &[(String, String)], log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).unwrap();
        let mut command = Command::new(USHER);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let mut child = command.spawn().expect("the binary was built with this test");
        let stdout = child.stdout.take().expect("it is piped");
        let printed = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&printed);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        Self { pid: child.id(), child, log: log.to_owned(), printed, reader }
    }

    /// Waits for a line on standard output that begins so; fails when the process ends before.
    pub async fn printed(&mut self, beginning: &str) -> String {
        let begun = Instant::now();
        loop {
            let lines = self.printed.lock().unwrap().clone();
            if let Some(line) = lines.iter().find(|line| line.starts_with(beginning)) {
                return line.clone();
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "ended ({ended:?}) without {beginning:?}: {}", self.tail());
            assert!(begun.elapsed() < 2 * PATIENCE, "no {beginning:?}: {}", self.tail());
            crate::wait::pause(Duration::from_millis(10)).await;
        }
    }

    /// Waits for the end; returns how it ended, what it printed and what it logged.
    pub async fn ended(&mut self) -> (ExitStatus, String, String) {
        let status = until("the end of the process", async || self.child.try_wait().unwrap()).await;
        until("the end of its output", async || self.reader.is_finished().then_some(())).await;
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        (status, self.printed.lock().unwrap().join("\n"), log)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(pid(self.pid), signal).expect("our own child, not yet waited for");
    }

    /// kill -9, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn tail(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }

    fn end(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        self.signal(Signal::CONT);
        self.signal(Signal::TERM);
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if deadline < Instant::now() {
                eprintln!("{} does not end: killed", self.pid);
                return self.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            eprintln!("--- end of {}:\n{}", self.log.display(), self.tail());
            if let Some(folder) = std::env::var_os("USHER_TEST_LOGS") {
                let name = self.log.file_name().expect("logs have names");
                let kept = Path::new(&folder).join(format!("{}-{}", self.pid, name.display()));
                fs::copy(&self.log, kept).expect("the folder was named to be written to");
            }
        }
    }
}

pub fn pid(pid: u32) -> Pid {
    let raw = i32::try_from(pid).expect("process ids are small");
    Pid::from_raw(raw).expect("process ids are positive")
}

/// One process of all that ever were: its id and when it started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub pid: u32,
    started: String,
}

impl Identity {
    /// `None` when no such process lives; one that nobody has waited for is dead.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // After the name, which may contain anything, come the state and the other fields.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        if fields[0] == "Z" {
            return None;
        }
        Some(Self { pid, started: fields[19].to_owned() })
    }

    pub fn lives(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }
}

/// Processes that work in this folder or below it, or were told of it.
pub fn working_in(folder: &Path) -> Vec<u32> {
    let name = folder.to_str().expect("a temporary path is text");
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    let inside = |pid: &u32| {
        let place = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let told = String::from_utf8_lossy(&words).contains(name);
        (place.starts_with(folder) || told) && Identity::of(*pid).is_some()
    };
    pids.filter(inside).collect()
}

/// Whether a process runs this program.
pub fn runs(pid: u32, program: &str) -> bool {
    let found = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    found.file_name().is_some_and(|name| name == program)
}

/// A free loopback port that no other call of this test gets, below those that the kernel gives to
/// outgoing connections and those of the servers.
///
/// Who gets it binds it only later. So tests that run at the same time have ranges of their own, by
/// the slot that the runner gives each.
pub fn free_port() -> u16 {
    const FIRST: u16 = 12_000;
    const SLOTS: u16 = 16;
    const PORTS: u16 = 500;
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let slot = std::env::var("NEXTEST_TEST_GLOBAL_SLOT").ok().and_then(|slot| slot.parse().ok());
    let slot = slot.unwrap_or(0_u16) % SLOTS;
    // Relaxed: a counter; nothing is ordered by it.
    let next = || FIRST + slot * PORTS + GIVEN.fetch_add(1, Ordering::Relaxed) % PORTS;
    let mut ports = (0..PORTS).map(|_| next());
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.find(free).expect("one of hundreds of ports is free")
}
