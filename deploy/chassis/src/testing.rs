//! Real servers for tests, on free loopback ports in a temporary folder, ended on drop.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    Durability, Nats, NatsConfig, PostgresConfig, Redis, RedisConfig, Servers, ServersSpec, Which,
    config::Url, connect_postgres,
};

/// The servers of one test. They survive `kill` and `restart` with their data, at the same
/// addresses.
#[derive(Debug)]
pub struct TestServers {
    // Before the folder, so that the servers are dead when it is removed.
    servers: Servers,
    which: Vec<Which>,
    _folder: TempDir,
}

impl TestServers {
    /// Starts all three.
    pub async fn start() -> TestServers {
        TestServers::with(&Which::ALL).await
    }

    /// Starts only these; asking for another one panics.
    pub async fn with(which: &[Which]) -> TestServers {
        let folder = tempfile::Builder::new().prefix("usher-test-").tempdir();
        let folder = folder.expect("the temporary folder is writable");
        // The account that Postgres runs under must be able to reach its own folder in this one.
        let reachable = std::fs::Permissions::from_mode(0o711);
        std::fs::set_permissions(folder.path(), reachable).expect("it is ours");
        let mut attempts = 0;
        let servers = loop {
            let spec = ServersSpec {
                dir: folder.path().to_owned(),
                durability: Durability::Scratch,
                which: which.to_vec(),
            };
            attempts += 1;
            match Servers::start(spec).await {
                Ok(servers) => break servers,
                // Another test may have taken a port between its choice and its use.
                Err(error) if attempts < 3 => tracing::warn!(%error, "starting again"),
                Err(error) => panic!("the servers of a test start: {error:?}"),
            }
        };
        TestServers { servers, which: which.to_vec(), _folder: folder }
    }

    /// The address of a server; the same before and after a restart.
    pub fn url(&self, which: Which) -> &str {
        &self.servers.child(which).url
    }

    /// A connected client.
    pub async fn nats(&self) -> Nats {
        Nats::connect(&self.nats_config(), "test").await.expect("the server answers")
    }

    pub async fn redis(&self) -> Redis {
        Redis::connect(&self.redis_config()).await.expect("the server answers")
    }

    /// A pool on a database without tables; `chassis::migrate` makes them.
    pub async fn postgres(&self) -> sqlx::PgPool {
        let connected = connect_postgres(&self.postgres_config(), "test").await;
        connected.expect("the server answers")
    }

    pub fn nats_config(&self) -> NatsConfig {
        NatsConfig { url: Url::new(self.url(Which::Nats)), ..NatsConfig::default() }
    }

    pub fn redis_config(&self) -> RedisConfig {
        RedisConfig { url: Url::new(self.url(Which::Redis)), ..RedisConfig::default() }
    }

    pub fn postgres_config(&self) -> PostgresConfig {
        PostgresConfig { url: Url::new(self.url(Which::Postgres)), ..PostgresConfig::default() }
    }

    /// kill -9, and waits until it is gone.
    pub async fn kill(&self, which: Which) {
        self.servers.child(which).kill_hard().await;
    }

    /// SIGSTOP, and waits until every thread has stopped: one that is on a core when the signal
    /// comes may answer once more.
    pub fn stop(&self, which: Which) {
        let child = self.servers.child(which);
        let pid = child.pid().expect("a server that runs");
        child.signal(Signal::STOP);
        let deadline = Instant::now() + STOP_WAIT;
        while !is_stopped(pid) {
            assert!(Instant::now() < deadline, "{} does not stop", which.name());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// SIGCONT.
    pub fn cont(&self, which: Which) {
        self.servers.child(which).signal(Signal::CONT);
    }

    /// Starts a killed one again (kills it first when it runs), and waits until it answers.
    pub async fn restart(&self, which: Which) {
        self.servers.child(which).restart().await.expect("a killed server starts again");
    }

    /// kill -9 of every server at once.
    pub async fn kill_all(&self) {
        for &which in &self.which {
            self.servers.child(which).signal(Signal::KILL);
        }
        for &which in &self.which {
            self.kill(which).await;
        }
    }
}

/// How long a signalled process may take to stop. It takes microseconds on an idle machine.
const STOP_WAIT: Duration = Duration::from_secs(10);

/// Whether no thread of the process runs.
fn is_stopped(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the process lives");
    threads.flatten().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The state is the field after the name, which stands in parentheses.
        stat.rsplit_once(") ").is_none_or(|(_, fields)| fields.starts_with('T'))
    })
}
