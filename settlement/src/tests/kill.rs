//! Settlement processes that die by SIGKILL at a call of their own.
//!
//! A test starts its own program once more, as a process that does nothing but settle, against the
//! servers of the test. It is told at which call to die, and kills itself there: nothing of it runs
//! on, no destructor and no other task.

use super::rig::{Point, Rig, config, process, runtime, trapped};
use super::stripe;
use crate::provider::Provider;
use crate::{Ending, Stripe, end_review};
use chassis::config::Url;
use chassis::keys::KeyFolder;
use chassis::{Death, NatsConfig, PostgresConfig, Shutdown, Side, Which, connect_stages};
use rustix::process::Signal;
use schema::{OrderId, codec};
use serde::Serialize;
use sqlx::PgPool;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a process is told by, in its environment, besides where to die.
const WORK: &str = "USHER_TEST_WORK";
const NATS: &str = "USHER_TEST_NATS";
const POSTGRES: &str = "USHER_TEST_POSTGRES";
const KEYS: &str = "USHER_TEST_KEYS";

/// How long a process may take to come to its call.
const DEATH_WAIT: Duration = Duration::from_secs(30);

/// What a process does until it dies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Work {
    /// Settles with the sandbox.
    Settles,
    /// As above, with a provider that alone makes ids of payments.
    Creates,
    /// Settles with what is at this address for Stripe.
    Charges { base: String },
    /// Ends the review of an order: it stands.
    Reviews { order: OrderId },
}

impl Work {
    fn told(&self) -> String {
        match self {
            Self::Settles => "settles".to_owned(),
            Self::Creates => "creates".to_owned(),
            Self::Charges { base } => format!("charges {base}"),
            Self::Reviews { order } => format!("reviews {order}"),
        }
    }

    fn read(told: &str) -> Self {
        match told.split_once(' ') {
            None if told == "settles" => Self::Settles,
            None => Self::Creates,
            Some(("charges", base)) => Self::Charges { base: base.to_owned() },
            Some((_, order)) => Self::Reviews { order: order.parse().unwrap() },
        }
    }
}

/// What tests start: settles until it dies. Where nobody has started it so, there is nothing to do.
#[test]
fn a_process_to_be_killed() {
    let Ok(work) = std::env::var(WORK) else { return };
    runtime().block_on(carry_out(Work::read(&work)));
}

async fn carry_out(work: Work) {
    let told = |what| std::env::var(what).unwrap();
    let postgres = PostgresConfig { url: Url::new(told(POSTGRES)), ..PostgresConfig::default() };
    let mut config = config();
    let point = match &work {
        Work::Settles | Work::Charges { .. } => Point::Never,
        Work::Creates => Point::Created,
        Work::Reviews { order } => {
            let pool = connect_stages(&postgres, "review").await.unwrap();
            end_review(&pool, *order, Ending::Keep, "seen").await.unwrap();
            return;
        }
    };
    if let Work::Charges { base } = &work {
        config.stripe = stripe::config(base);
    }
    let stripe = config.stripe.clone();
    let providers = move |pool: &PgPool| -> Vec<Arc<dyn Provider>> {
        let mut providers = trapped(pool, point);
        if matches!(work, Work::Charges { .. }) {
            providers.insert(0, Arc::new(Stripe::new(&stripe).unwrap()));
        }
        providers
    };
    let nats = NatsConfig { url: Url::new(told(NATS)), ..NatsConfig::default() };
    let keys = KeyFolder::open(told(KEYS).as_ref()).unwrap();
    process(config, nats, postgres, keys, Shutdown::new(), providers).await;
}

/// One before and one after each of these passes of a call.
pub(super) fn deaths(calls: &[(&'static str, u32)]) -> Vec<Death> {
    let sides = |&(what, passes): &(&'static str, u32)| {
        [Side::Before, Side::After].map(|side| Death { what, side, passes })
    };
    calls.iter().flat_map(sides).collect()
}

/// A process that is going to die.
pub(super) struct Doomed {
    child: Child,
    death: Death,
}

impl Doomed {
    pub(super) fn start(rig: &Rig, death: Death, work: &Work) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::kill::a_process_to_be_killed", "--nocapture"])
            .envs(death.variables())
            .env(WORK, work.told())
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
