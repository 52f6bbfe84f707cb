//! Settlement processes that die by SIGKILL at a call of their own.
//!
//! A test starts its own program once more, as a process that does nothing but settle, against the
//! servers of the test. It is told at which call to die, and kills itself there: nothing of it runs
//! on, no destructor and no other task.

use super::rig::{Point, Rig, config, process, runtime, trapped};
use chassis::config::Url;
use chassis::keys::KeyFolder;
use chassis::{NatsConfig, PostgresConfig, Shutdown, Which};
use rustix::process::{Signal, getpid, kill_process};
use schema::codec;
use serde::Serialize;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// What a process is told by, in its environment.
const DIE_AT: &str = "USHER_TEST_DIE_AT";
const PASSES: &str = "USHER_TEST_PASSES";
const CREATES: &str = "USHER_TEST_CREATES";
const NATS: &str = "USHER_TEST_NATS";
const POSTGRES: &str = "USHER_TEST_POSTGRES";
const KEYS: &str = "USHER_TEST_KEYS";

/// How long a process may take to come to its call.
const DEATH_WAIT: Duration = Duration::from_secs(30);

/// Of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Nothing was sent.
    Before,
    /// The answer is there, and nobody has seen it.
    After,
}

/// A call at which a process dies, when it comes there for the `passes`-th time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Death {
    pub what: &'static str,
    pub side: Side,
    pub passes: u32,
}

impl Death {
    pub(super) fn name(&self) -> String {
        format!("{:?} {}", self.side, self.what)
    }
}

/// Where this process is to die.
struct Armed {
    name: String,
    passes_left: AtomicU32,
}

static ARMED: OnceLock<Armed> = OnceLock::new();

/// Ends this process if it is to die here.
pub(crate) fn kill_point(what: &'static str, side: Side) {
    let Some(armed) = ARMED.get() else { return };
    if armed.name != (Death { what, side, passes: 1 }).name() {
        return;
    }
    // Relaxed: only counts.
    if armed.passes_left.fetch_sub(1, Ordering::Relaxed) == 1 {
        kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
        unreachable!("nobody outlives that");
    }
}

/// What tests start: settles until it dies. Where nobody has started it so, there is nothing to do.
#[test]
fn a_process_to_be_killed() {
    let Ok(name) = std::env::var(DIE_AT) else { return };
    let told = |what| std::env::var(what).unwrap();
    let passes_left = AtomicU32::new(told(PASSES).parse().unwrap());
    assert!(ARMED.set(Armed { name, passes_left }).is_ok());
    let nats = NatsConfig { url: Url::new(told(NATS)), ..NatsConfig::default() };
    let postgres = PostgresConfig { url: Url::new(told(POSTGRES)), ..PostgresConfig::default() };
    let keys = KeyFolder::open(told(KEYS).as_ref()).unwrap();
    let point = if told(CREATES) == "true" { Point::Created } else { Point::Never };
    let provider = move |pool: &_| trapped(pool, point);
    let shutdown = Shutdown::new();
    runtime().block_on(process(config(), nats, postgres, keys, shutdown, provider));
}

/// A process that is going to die.
pub(super) struct Doomed {
    child: Child,
    death: Death,
}

impl Doomed {
    /// Starts it. `creates`: its provider alone makes ids of payments.
    pub(super) fn start(rig: &Rig, death: Death, creates: bool) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::kill::a_process_to_be_killed", "--nocapture"])
            .env(DIE_AT, death.name())
            .env(PASSES, death.passes.to_string())
            .env(CREATES, creates.to_string())
            .env(NATS, rig.servers.url(Which::Nats))
            .env(POSTGRES, rig.servers.url(Which::Postgres))
            .env(KEYS, rig.keys.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, death }
    }

    /// Waits for its death.
    pub(super) async fn dies(mut self) {
        let deadline = Instant::now() + DEATH_WAIT;
        while !self.is_dead() {
            let name = self.death.name();
            assert!(Instant::now() < deadline, "no process ever comes to: {name}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// As `dies`, asking settlement the same thing until then, without waiting for an answer.
    pub(super) async fn dies_asked(
        mut self,
        rig: &Rig,
        subject: &'static str,
        question: &impl Serialize,
    ) {
        let nats = rig.servers.nats().await;
        let deadline = Instant::now() + DEATH_WAIT;
        while !self.is_dead() {
            let name = self.death.name();
            assert!(Instant::now() < deadline, "no process ever comes to: {name}");
            let (inbox, asked) = (nats.client.new_inbox(), codec::encode(question).into());
            nats.client.publish_with_reply(subject, inbox, asked).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn is_dead(&mut self) -> bool {
        let Some(status) = self.child.try_wait().unwrap() else { return false };
        let name = self.death.name();
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "{name}: {status}");
        true
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
