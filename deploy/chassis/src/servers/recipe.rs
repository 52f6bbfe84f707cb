//! How each server is set up and started.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    Durability, Which, account::Account, folder::find_program, process::CommandLine, template,
};
use crate::Error;

/// The programs of the chosen servers.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    pub nats: PathBuf,
    pub redis: PathBuf,
    pub postgres: PathBuf,
    pub initdb: PathBuf,
}

impl Programs {
    /// Finds what `which` needs, or lists everything that is missing at once.
    pub fn find(which: &[Which]) -> Result<Programs, Error> {
        let mut missing = Vec::new();
        let mut find = |needed: bool, name: &str| {
            let found = needed.then(|| find_program(name)).flatten();
            if needed && found.is_none() {
                missing.push(name.to_owned());
            }
            found.unwrap_or_default()
        };
        find(true, "setpriv");
        let programs = Programs {
            nats: find(which.contains(&Which::Nats), "nats-server"),
            redis: find(which.contains(&Which::Redis), "redis-server"),
            postgres: find(which.contains(&Which::Postgres), "postgres"),
            initdb: find(which.contains(&Which::Postgres), "initdb"),
        };
        if missing.is_empty() {
            return Ok(programs);
        }
        let hint = "Debian and Ubuntu: apt-get install redis-server postgresql util-linux; \
                    nats-server 2.12 or newer: deploy/up installs it, or see nats.io";
        Err(Error::MissingPrograms { programs: missing.join(", "), hint: hint.to_owned() })
    }
}

/// Writes the server's configuration into `data` and says how to start it.
pub(super) async fn prepare(
    which: Which,
    programs: &Programs,
    dir: &Path,
    port: u16,
    durability: Durability,
) -> Result<CommandLine, Error> {
    let data = dir.join(which.name());
    let log = dir.join("log").join(format!("{}.log", which.name()));
    for folder in [&data, &dir.join("log")] {
        fs::create_dir_all(folder)
            .map_err(|source| Error::io(format!("make {}", folder.display()), source))?;
    }
    let line = match which {
        Which::Nats => nats(programs, &data, port, durability)?,
        Which::Redis => redis(programs, &data, port),
        Which::Postgres => postgres(programs, &data, port, durability).await?,
    };
    Ok(CommandLine { log, ..line })
}

fn nats(
    programs: &Programs,
    data: &Path,
    port: u16,
    durability: Durability,
) -> Result<CommandLine, Error> {
    let sync_interval = match durability {
        Durability::Machine => "always",
        Durability::Process | Durability::Scratch => "\"2m\"",
    };
    let store = data.join("jetstream");
    let text = format!(
        "listen: \"127.0.0.1:{port}\"\nserver_name: usher\nmax_payload: 1MB\n\
         jetstream {{\n  store_dir: \"{}\"\n  sync_interval: {sync_interval}\n  \
         max_file_store: 20GB\n  max_memory_store: 1GB\n}}\n",
        store.display()
    );
    let config = data.join("nats.conf");
    fs::write(&config, text)
        .map_err(|source| Error::io(format!("write {}", config.display()), source))?;
    Ok(CommandLine {
        prefix: Vec::new(),
        program: programs.nats.clone(),
        arguments: vec!["-c".into(), config.into()],
        environment: vec![("GOMAXPROCS", nats_threads().to_string())],
        folder: data.to_owned(),
        log: PathBuf::new(),
    })
}

/// How many threads of NATS run at once: half of the machine's cores.
///
/// Its runtime looks for work on all that it may have, and on a small machine takes this time from
/// those who make the work. One thread carries more messages than a shard's owner sends.
fn nats_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

fn redis(programs: &Programs, data: &Path, port: u16) -> CommandLine {
    let port = port.to_string();
    let settings = [
        ("--port", port.as_str()),
        ("--bind", "127.0.0.1"),
        ("--protected-mode", "yes"),
        ("--appendonly", "yes"),
        ("--appendfsync", "everysec"),
        ("--save", ""),
        ("--maxmemory-policy", "noeviction"),
        ("--dir", "."),
    ];
    CommandLine {
        prefix: Vec::new(),
        program: programs.redis.clone(),
        arguments: pairs(&settings),
        environment: Vec::new(),
        folder: data.to_owned(),
        log: PathBuf::new(),
    }
}

/// Connections that Postgres accepts: every stage's pool of every process of one machine, with
/// room.
const POSTGRES_CONNECTIONS_MAX: &str = "200";

async fn postgres(
    programs: &Programs,
    data: &Path,
    port: u16,
    durability: Durability,
) -> Result<CommandLine, Error> {
    let account = Account::choose(data);
    if !data.join("PG_VERSION").exists() {
        let (initdb, data, account) = (programs.initdb.clone(), data.to_owned(), account.clone());
        let made = tokio::task::spawn_blocking(move || match durability {
            Durability::Scratch => template::copy(&initdb, &data),
            Durability::Machine | Durability::Process => init(&initdb, &data, &account),
        });
        made.await.expect("making a database folder does not panic")?;
    }
    account.own(data)?;
    let fsync = if durability == Durability::Scratch { "off" } else { "on" };
    let port = port.to_string();
    let settings = [
        ("listen_addresses", "127.0.0.1"),
        ("port", port.as_str()),
        ("unix_socket_directories", ""),
        ("max_connections", POSTGRES_CONNECTIONS_MAX),
        ("fsync", fsync),
        ("full_page_writes", fsync),
        ("synchronous_commit", "on"),
        ("wal_compression", "on"),
        ("max_wal_size", "4GB"),
        ("checkpoint_timeout", "5min"),
        ("tcp_user_timeout", "3000"),
        ("client_connection_check_interval", "1s"),
        ("log_timezone", "UTC"),
        ("timezone", "UTC"),
    ];
    let settings = settings.map(|(name, value)| ("-c", format!("{name}={value}")));
    let mut arguments = vec!["-D".into(), data.into()];
    arguments.extend(settings.into_iter().flat_map(|(flag, value)| [flag.into(), value.into()]));
    Ok(CommandLine {
        prefix: account.prefix,
        program: programs.postgres.clone(),
        arguments,
        environment: Vec::new(),
        folder: data.to_owned(),
        log: PathBuf::new(),
    })
}

/// Makes an empty database in `data`, owned by `account`. Blocking: about a second.
pub(super) fn init(initdb: &Path, data: &Path, account: &Account) -> Result<(), Error> {
    let what = || format!("make a Postgres database in {}", data.display());
    // Made beside its place and renamed when complete: a crash leaves nothing that looks like a
    // database.
    let unfinished = data.with_extension("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(|source| Error::io(what(), source))?;
    }
    fs::create_dir_all(&unfinished).map_err(|source| Error::io(what(), source))?;
    account.own(&unfinished)?;
    // The thread that waits for it ends with the process at the latest.
    let die_with_us = ["setpriv", "--pdeathsig", "KILL", "--"].map(OsString::from);
    let words = account.prefix.iter().chain(&die_with_us).map(OsString::as_os_str);
    let mut words = words.chain([initdb.as_os_str()]);
    let output = Command::new(words.next().expect("the program itself is there"))
        .args(words)
        .args(["--no-sync", "--data-checksums", "--auth=trust", "--username=postgres"])
        .args(["--encoding=UTF8", "--locale=C", "--no-instructions", "-D"])
        .arg(&unfinished)
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::io(what(), source))?;
    if output.status.success() {
        return fs::rename(&unfinished, data).map_err(|source| Error::io(what(), source));
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Error::Rejected { what: what(), source: crate::Cause::text(text.trim()) })
}

fn pairs(settings: &[(&str, &str)]) -> Vec<OsString> {
    settings.iter().flat_map(|(name, value)| [name.into(), value.into()]).collect()
}
