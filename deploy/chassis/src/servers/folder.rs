//! The data folder: who owns it, which ports it remembers, which processes a crash left in it.

use std::{
    fs::{self, File},
    hash::{BuildHasher, RandomState},
    io::Read,
    net::TcpListener,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
    process::{Pid, Signal, kill_process},
};

use super::Which;
use crate::Error;

/// The right to use a data folder, until it is dropped or the process ends, even by kill -9.
#[derive(Debug)]
pub struct FolderLock {
    // Closing the file gives the lock back; the kernel does it for a killed process.
    _file: File,
}

impl FolderLock {
    /// Takes the folder (made when missing), or says who has it.
    pub fn take(dir: &Path) -> Result<FolderLock, Error> {
        let what = || format!("lock folder {}", dir.display());
        fs::create_dir_all(dir).map_err(|source| Error::io(what(), source))?;
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(dir.join("lock"))
            .map_err(|source| Error::io(what(), source))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut owner = String::new();
                file.read_to_string(&mut owner).map_err(|source| Error::io(what(), source))?;
                return Err(Error::FolderInUse { dir: dir.to_owned(), owner });
            }
            Err(errno) => return Err(Error::io(what(), errno.into())),
        }
        fs::write(dir.join("lock"), std::process::id().to_string())
            .map_err(|source| Error::io(what(), source))?;
        Ok(FolderLock { _file: file })
    }

    /// Says whether somebody has the folder.
    ///
    /// A look takes the lock for a moment where nobody has it: an owner that starts in that very
    /// moment is refused, and nothing is lost.
    pub fn is_taken(dir: &Path) -> Result<bool, Error> {
        let what = || format!("look at the lock of folder {}", dir.display());
        let file = match File::open(dir.join("lock")) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::io(what(), error)),
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(Errno::WOULDBLOCK) => Ok(true),
            Err(errno) => Err(Error::io(what(), errno.into())),
        }
    }
}

/// Loopback ports of the three servers; remembered in the folder, so that a restart keeps the
/// addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ports {
    pub nats: u16,
    pub redis: u16,
    pub postgres: u16,
}

impl Ports {
    pub fn of(self, which: Which) -> u16 {
        match which {
            Which::Nats => self.nats,
            Which::Redis => self.redis,
            Which::Postgres => self.postgres,
        }
    }

    /// The remembered ports where they are free, else other free ones; written back to the folder.
    pub(super) fn choose(dir: &Path) -> Result<Ports, Error> {
        let file = dir.join("ports.json");
        let remembered =
            fs::read(&file).ok().and_then(|text| serde_json::from_slice::<Ports>(&text).ok());
        let keep = |port: Option<u16>| port.filter(|&port| is_free(port));
        let ports = Ports {
            nats: keep(remembered.map(|ports| ports.nats)).map_or_else(free_port, Ok)?,
            redis: keep(remembered.map(|ports| ports.redis)).map_or_else(free_port, Ok)?,
            postgres: keep(remembered.map(|ports| ports.postgres)).map_or_else(free_port, Ok)?,
        };
        let text = serde_json::to_vec(&ports).expect("three numbers become JSON");
        fs::write(&file, text)
            .map_err(|source| Error::io(format!("write {}", file.display()), source))?;
        Ok(ports)
    }
}

/// The first port that we choose, and how many follow it.
///
/// Below the kernel's range for outgoing connections (32768 up). Inside it, a client that
/// reconnects to a dead server's port can be given that very port as its own, connect to itself,
/// and keep the server out.
const PORT_FIRST: u16 = 20_000;
const PORT_COUNT: u16 = 12_000;

fn free_port() -> Result<u16, Error> {
    // Several processes choose at once; a random start keeps them apart.
    let random = RandomState::new().hash_one(std::process::id()) % u64::from(PORT_COUNT);
    let start = u16::try_from(random).expect("smaller than PORT_COUNT");
    let candidates = (0..PORT_COUNT).map(|step| PORT_FIRST + (start + step) % PORT_COUNT);
    candidates.into_iter().find(|&port| is_free(port)).ok_or_else(|| Error::Io {
        what: "find a free loopback port".to_owned(),
        source: std::io::ErrorKind::AddrInUse.into(),
    })
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// Kills what an earlier owner's crash left running on `data`, and says whether anything was there.
///
/// Only processes of that very program that work in that very folder; the folder lock says that
/// their owner is gone. Two servers on one data folder would destroy it.
pub(super) fn kill_orphans(data: &Path, program: &Path) -> bool {
    let (Ok(data), Ok(program)) = (data.canonicalize(), program.canonicalize()) else {
        return false;
    };
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    let orphans = processes.flatten().filter(|entry| {
        let link = |name: &str| fs::read_link(entry.path().join(name)).unwrap_or_default();
        link("cwd") == data && link("exe") == program
    });
    let mut found = false;
    for orphan in orphans {
        let pid = orphan.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
        let Some(pid) = pid else { continue };
        found = true;
        tracing::warn!(pid = pid.as_raw_nonzero().get(), "killing a server left by a crash");
        if let Err(error) = kill_process(pid, Signal::KILL) {
            tracing::debug!(%error, "it has ended by itself");
        }
    }
    found
}

/// The program's path: from PATH, or from where Debian keeps Postgres.
pub(super) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        let mut versions: Vec<PathBuf> = versions.flatten().map(|entry| entry.path()).collect();
        versions.sort();
        folders.extend(versions.iter().rev().map(|version| version.join("bin")));
    }
    folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file())
}
