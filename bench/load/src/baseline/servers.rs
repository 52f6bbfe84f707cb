//! Private servers for a baseline: fresh folders, free ports of loopback, and the settings that
//! `usher up` gives its own.

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Nats,
    Postgres,
    Redis,
}

/// Running servers. They end with this: dropping waits for it, and removes their files.
pub struct Servers {
    folder: PathBuf,
    running: Vec<Server>,
}

struct Server {
    kind: Kind,
    port: u16,
    process: Child,
}

/// How a program that refuses root is started.
struct Account {
    /// What comes before its command.
    prefix: Vec<String>,
    owner: Option<(u32, u32)>,
}

const READY_WAIT: Duration = Duration::from_secs(30);
const END_WAIT: Duration = Duration::from_secs(20);
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// What `usher up` gives its own Postgres.
const POSTGRES_SETTINGS: [&str; 13] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "wal_compression=on",
    "max_wal_size=4GB",
    "checkpoint_timeout=5min",
    "tcp_user_timeout=3000",
    "client_connection_check_interval=1s",
    "log_timezone=UTC",
    "timezone=UTC",
];

impl Servers {
    /// Starts them in a folder that does not exist yet, and returns when each takes connections.
    ///
    /// Blocking, for some seconds. The servers die with the thread that calls this.
    pub fn start(folder: &Path, kinds: &[Kind]) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        let folder = fs::canonicalize(folder).context("find the folder of the servers")?;
        let mut servers = Self { folder, running: Vec::new() };
        for kind in kinds {
            let port = free_port()?;
            let data = servers.folder.join(kind.name());
            fs::create_dir(&data).with_context(|| format!("make {}", data.display()))?;
            let process = start(*kind, &data, port)?;
            servers.running.push(Server { kind: *kind, port, process });
        }
        for server in &mut servers.running {
            server.wait_until_ready()?;
        }
        Ok(servers)
    }

    /// The address of a server that was asked for.
    pub fn url(&self, kind: Kind) -> anyhow::Result<String> {
        let server = self.running.iter().find(|server| server.kind == kind);
        let port = server.with_context(|| format!("no {} runs here", kind.name()))?.port;
        Ok(match kind {
            Kind::Nats => format!("nats://127.0.0.1:{port}"),
            Kind::Redis => format!("redis://127.0.0.1:{port}"),
            Kind::Postgres => format!("postgres://postgres@127.0.0.1:{port}/postgres"),
        })
    }

    /// In the order that they were asked for.
    pub fn process_ids(&self) -> impl Iterator<Item = u32> {
        self.running.iter().map(|server| server.process.id())
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for server in &mut self.running {
            server.end();
        }
        // What cannot be removed is left behind.
        drop(fs::remove_dir_all(&self.folder));
    }
}

impl Server {
    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let asked = Instant::now();
        let name = self.kind.name();
        loop {
            if self.answers() {
                return Ok(());
            }
            if let Some(status) = self.process.try_wait()? {
                bail!("{name} has ended by itself: {status}");
            }
            ensure!(asked.elapsed() < READY_WAIT, "{name} was not ready in time");
            std::thread::sleep(LOOK_PAUSE);
        }
    }

    /// NATS and Redis listen when they are ready; Postgres says so to a question without a login.
    fn answers(&self) -> bool {
        if self.kind == Kind::Postgres {
            let port = self.port.to_string();
            let asked = program("pg_isready").map(|program| {
                let arguments = ["-q", "-h", "127.0.0.1", "-p", &port];
                Command::new(program).args(arguments).status()
            });
            return asked.is_ok_and(|asked| asked.is_ok_and(|status| status.success()));
        }
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
    }

    fn end(&mut self) {
        // SIGINT is the fast shutdown of Postgres; SIGTERM would wait for its clients.
        let signal = if self.kind == Kind::Postgres { Signal::INT } else { Signal::TERM };
        let asked = Instant::now();
        // One that has ended already takes no signal, and is noticed at the first look.
        let told = kill_process(Pid::from_child(&self.process), signal).is_ok();
        while told && asked.elapsed() < END_WAIT {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK_PAUSE);
        }
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }
}

fn start(kind: Kind, data: &Path, port: u16) -> anyhow::Result<Child> {
    let mut command = match kind {
        Kind::Nats => command(&[], &program("nats-server")?, &nats(data, port)?, data)?,
        Kind::Redis => command(&[], &program("redis-server")?, &redis(port), data)?,
        Kind::Postgres => postgres(data, port)?,
    };
    command.envs(environment(kind));
    command.spawn().with_context(|| format!("start {}", kind.name()))
}

/// What `usher up` sets in the environment of its own servers.
fn environment(kind: Kind) -> Vec<(&'static str, String)> {
    match kind {
        Kind::Nats => vec![("GOMAXPROCS", nats_threads().to_string())],
        Kind::Postgres | Kind::Redis => Vec::new(),
    }
}

/// How many threads of NATS run at once: half of the machine's cores.
fn nats_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

fn nats(data: &Path, port: u16) -> anyhow::Result<Vec<String>> {
    let store = data.join("jetstream");
    let text = format!(
        "listen: \"127.0.0.1:{port}\"\nserver_name: bench\nmax_payload: 1MB\n\
         jetstream {{\n  store_dir: \"{}\"\n  sync_interval: always\n  \
         max_file_store: 20GB\n  max_memory_store: 1GB\n}}\n",
        store.display()
    );
    let config = data.join("nats.conf");
    fs::write(&config, text).context("write the configuration of NATS")?;
    Ok(vec!["-c".to_owned(), config.display().to_string()])
}

fn redis(port: u16) -> Vec<String> {
    let port = port.to_string();
    let settings = [
        ("--port", port.as_str()),
        ("--bind", "127.0.0.1"),
        ("--protected-mode", "yes"),
        ("--appendonly", "yes"),
        ("--appendfsync", "everysec"),
        ("--save", ""),
        ("--maxmemory-policy", "noeviction"),
    ];
    settings.iter().flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()]).collect()
}

fn postgres(data: &Path, port: u16) -> anyhow::Result<Command> {
    let account = Account::choose(data);
    account.own(data)?;
    let data_text = data.display().to_string();
    let init = ["--no-sync", "--data-checksums", "--auth=trust", "--username=postgres"]
        .into_iter()
        .chain(["--encoding=UTF8", "--locale=C", "--no-instructions", "-D", &data_text]);
    let init: Vec<String> = init.map(str::to_owned).collect();
    let mut making = command(&account.prefix, &program("initdb")?, &init, data)?;
    let status = making.status().context("run initdb")?;
    ensure!(status.success(), "initdb failed: see {}", log(data).display());
    let mut arguments = vec!["-D".to_owned(), data_text, "-p".to_owned(), port.to_string()];
    for setting in POSTGRES_SETTINGS {
        arguments.extend(["-c".to_owned(), setting.to_owned()]);
    }
    command(&account.prefix, &program("postgres")?, &arguments, data)
}

/// Standard output and error go to a file beside the data.
fn command(
    prefix: &[String],
    program: &Path,
    arguments: &[String],
    data: &Path,
) -> anyhow::Result<Command> {
    let log = File::options().create(true).append(true).open(log(data))?;
    let die_with_us = ["setpriv", "--pdeathsig", "KILL", "--"].map(str::to_owned);
    let mut words = prefix.iter().chain(&die_with_us);
    let mut command = Command::new(words.next().context("no program")?);
    command.args(words).arg(program).args(arguments).current_dir(data);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(command)
}

fn log(data: &Path) -> PathBuf {
    data.with_extension("log")
}

impl Account {
    /// The account that Postgres runs under: ourselves, unless we are root.
    fn choose(folder: &Path) -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self { prefix: Vec::new(), owner: None };
        }
        let named = ["postgres", "nobody"].into_iter().find_map(|name| {
            let (user, group) = ids(name)?;
            let words = format!("setpriv --reuid={user} --regid={group} --clear-groups --");
            Some(Self { prefix: split(&words), owner: Some((user, group)) })
        });
        // Root's own id under another name: it reaches what root reaches, and is not called root.
        let renamed = Self {
            prefix: split("unshare --user --map-user=1000 --map-group=1000 --"),
            owner: Some((0, 0)),
        };
        named.filter(|account| account.reaches(folder)).unwrap_or(renamed)
    }

    fn own(&self, folder: &Path) -> anyhow::Result<()> {
        let Some((user, group)) = self.owner else { return Ok(()) };
        chown(folder, Some(user), Some(group)).context("give a folder to Postgres' account")
    }

    fn reaches(&self, folder: &Path) -> bool {
        let Some((program, words)) = self.prefix.split_first() else { return true };
        let mut test = Command::new(program);
        test.args(words).args(["test", "-x"]).arg(folder).stderr(Stdio::null());
        test.status().is_ok_and(|status| status.success())
    }
}

fn split(words: &str) -> Vec<String> {
    words.split(' ').map(str::to_owned).collect()
}

fn ids(name: &str) -> Option<(u32, u32)> {
    let accounts = fs::read_to_string("/etc/passwd").ok()?;
    let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Finds a program on `PATH`, where Debian hides those of Postgres, or where `deploy/up` puts NATS.
fn program(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        let mut versions: Vec<PathBuf> = versions.flatten().map(|found| found.path()).collect();
        versions.sort();
        folders.extend(versions.into_iter().rev().map(|version| version.join("bin")));
    }
    let own = std::env::current_exe().context("find this program's own binary")?;
    folders.extend(own.ancestors().map(|folder| folder.join("tools/bin")));
    let mut programs = folders.into_iter().map(|folder| folder.join(name));
    programs.find(|program| program.is_file()).with_context(|| format!("{name} is not installed"))
}

fn free_port() -> anyhow::Result<u16> {
    // Another program may take it before it is used: then the start fails and says so.
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    Ok(taken.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::{Kind, POSTGRES_SETTINGS, Path, Servers, environment, nats, nats_threads, redis};
    use std::collections::BTreeMap;

    /// How `usher up` starts its servers.
    const RECIPE: &str = include_str!("../../../../deploy/chassis/src/servers/recipe.rs");

    /// The settings in one function of the recipe, with what its variables stand for when a whole
    /// machine may fail.
    fn recipe(function: &str) -> BTreeMap<String, String> {
        let (_, body) = RECIPE.split_once(&format!("fn {function}(")).unwrap();
        let (_, list) = body.split_once("let settings = [").unwrap();
        let (list, _) = list.split_once("];").unwrap();
        let pair = |line: &str| {
            let line = line.trim().strip_prefix('(')?.strip_suffix("),")?;
            let (name, value) = line.split_once(", ")?;
            let value = match value {
                "fsync" => "on",
                "POSTGRES_CONNECTIONS_MAX" => {
                    let (_, value) = RECIPE.split_once("POSTGRES_CONNECTIONS_MAX: &str = ")?;
                    value.split_once(';')?.0
                }
                value => value,
            };
            let plain = |text: &str| text.trim_matches(['"', '-']).to_owned();
            Some((plain(name), plain(value)))
        };
        list.lines().filter_map(pair).filter(|(name, _)| name != "port").collect()
    }

    #[test]
    fn postgres_and_redis_have_the_settings_that_usher_gives_its_own() {
        let split = |setting: &&str| {
            let (name, value) = setting.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        };
        assert_eq!(
            POSTGRES_SETTINGS.iter().map(split).collect::<BTreeMap<_, _>>(),
            recipe("postgres")
        );
        let redis = redis(1);
        let pairs = redis.chunks(2).map(|pair| (pair[0][2..].to_owned(), pair[1].clone()));
        let mut ours: BTreeMap<_, _> = pairs.collect();
        ours.remove("port");
        // It is started in its folder.
        ours.insert("dir".to_owned(), ".".to_owned());
        assert_eq!(ours, recipe("redis"));
    }

    /// The body of a function, up to the line that closes it.
    fn body<'a>(text: &'a str, function: &str) -> &'a str {
        let (_, body) = text.split_once(&format!("fn {function}(")).unwrap();
        body.split_once("\n}\n").unwrap().0
    }

    #[test]
    fn servers_have_the_environment_that_usher_gives_its_own() {
        for kind in [Kind::Nats, Kind::Postgres, Kind::Redis] {
            let (_, set) = body(RECIPE, kind.name()).split_once("environment: ").unwrap();
            let (set, _) = set.split_once(",\n").unwrap();
            let set = set.trim_start_matches("vec![").trim_end_matches(']');
            let ours: Vec<String> = environment(kind)
                .into_iter()
                .map(|(name, value)| {
                    assert_eq!(value, nats_threads().to_string(), "the one value that there is");
                    format!("(\"{name}\", nats_threads().to_string())")
                })
                .collect();
            let set = if set == "Vec::new()" { "" } else { set };
            assert_eq!(ours.join(", "), set, "{}", kind.name());
        }
        let own = include_str!("servers.rs");
        assert_eq!(body(own, "nats_threads"), body(RECIPE, "nats_threads"));
    }

    #[test]
    fn nats_syncs_every_append_as_usher_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = nats(folder.path(), 1).unwrap();
        let text = std::fs::read_to_string(Path::new(&arguments[1])).unwrap();
        for line in ["sync_interval: always", "max_payload: 1MB", "max_file_store: 20GB"] {
            assert!(text.contains(line), "{line}");
        }
        assert!(RECIPE.contains("Durability::Machine => \"always\""));
    }

    #[test]
    fn servers_start_in_a_fresh_folder_and_leave_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("servers");
        let kinds = [Kind::Postgres, Kind::Redis, Kind::Nats];
        let servers = Servers::start(&folder, &kinds).unwrap();
        assert!(servers.url(Kind::Redis).unwrap().starts_with("redis://127.0.0.1:"));
        let nats = servers.running.iter().find(|server| server.kind == Kind::Nats).unwrap();
        let set = std::fs::read(format!("/proc/{}/environ", nats.process.id())).unwrap();
        let threads = format!("GOMAXPROCS={}", nats_threads());
        assert!(set.split(|byte| *byte == 0).any(|set| set == threads.as_bytes()), "{threads}");
        drop(servers);
        assert!(!folder.exists());
    }
}
