//! Which binary is started, with which options, and where.

use anyhow::{Context as _, bail};
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

const BENCH_DOOR: &str = "--bench-door";

/// Folders of earlier runs that may lie beside a new one.
const FOLDERS_MAX: u32 = 1_000;

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

impl Launch {
    /// The `usher` beside this program's own binary, with the bench door where it knows one.
    pub fn new(out: &Path) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("find this program's own binary")?;
        let usher = own.with_file_name("usher");
        if !usher.is_file() {
            bail!("{} is missing: build it first (cargo build --release)", usher.display());
        }
        Self::of(usher, out)
    }

    /// A certain binary.
    pub fn of(usher: PathBuf, out: &Path) -> anyhow::Result<Self> {
        let help = Command::new(&usher).args(["up", "--help"]).output();
        let help = help.with_context(|| format!("run {}", usher.display()))?;
        let known = String::from_utf8_lossy(&help.stdout).contains(BENCH_DOOR);
        let options = if known { vec![BENCH_DOOR.to_owned()] } else { Vec::new() };
        let (out, settings) = (out.to_owned(), Vec::new());
        Ok(Self { usher, out, options, settings, keep_data: false })
    }

    pub(super) fn bench_door(&self) -> bool {
        self.options.iter().any(|option| option == BENCH_DOOR)
    }

    pub(super) fn command(&self, data: &Path) -> Command {
        let mut command = Command::new(&self.usher);
        command.arg("up").arg("--data").arg(data).args(&self.options);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// Makes a folder in `out` that was not there before.
pub(super) fn fresh_folder(out: &Path) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(out).with_context(|| format!("make {}", out.display()))?;
    let out = fs::canonicalize(out).with_context(|| format!("find {}", out.display()))?;
    for number in 1..=FOLDERS_MAX {
        let folder = out.join(format!("data-{number}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).context("make a data folder"),
        }
    }
    bail!("{} is full of data folders", out.display())
}

/// Two ports that nobody listens on. Another program may take them before they are used: then the
/// start fails and says so.
pub(super) fn free_ports() -> anyhow::Result<[u16; 2]> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port");
    let port = |taken: &TcpListener| taken.local_addr().map(|addr| addr.port());
    let taken = [bind()?, bind()?];
    Ok([port(&taken[0])?, port(&taken[1])?])
}
