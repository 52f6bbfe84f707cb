//! Starts stages in this process. They share connections, a switch and a health page; the gateway
//! serves the routes of a waiting room that is here, and asks one over HTTP that is elsewhere.

use crate::cli::Stage;
use crate::config::Config;
use crate::shards;
use anyhow::{Context as _, anyhow};
use chassis::keys::KeyFolder;
use chassis::{Health, Nats, Redis, Shutdown, tasks};
use ingress::{Ingress, QueueRoutes};
use schema::Shards;
use sqlx::PgPool;
use std::future::Future;
use std::process::ExitCode;

/// How long the stages may take until all of them serve. A large journal is read within this.
const READY_WAIT: std::time::Duration = std::time::Duration::from_mins(2);

/// How long the stages may take to end once the last request is answered.
///
/// They wait for one answer of a server at most. What is cut then is what a kill would cut, and
/// loses nothing either; a longer wait only delays whoever stops a system that has lost a server.
pub const STAGES_END_WAIT: std::time::Duration = std::time::Duration::from_secs(5);

/// How often readiness is looked at while starting.
const READY_LOOK: std::time::Duration = std::time::Duration::from_millis(20);

/// The running stages.
pub struct Stages {
    pub nats: Nats,
    /// `None` where no stage of this process uses Postgres.
    pub postgres: Option<PgPool>,
    health: Health,
    /// Stages that add their components once they run.
    background: Vec<&'static str>,
    // These two are listed as services as long as they are here.
    _waiting_room: Option<waiting_room::Stage>,
    _gateway: Option<Ingress>,
}

/// What every stage is given.
struct Common {
    nats: Nats,
    postgres: Option<PgPool>,
    keys: KeyFolder,
    health: Health,
    shutdown: Shutdown,
    /// This process, in leases, subjects and logs.
    instance: String,
    shards: Shards,
}

impl Stages {
    /// Connects, agrees with the other processes, migrates and starts; returns when all have been
    /// started, not when all serve.
    pub async fn start(
        config: &Config,
        stages: &[Stage],
        shutdown: &Shutdown,
    ) -> anyhow::Result<Self> {
        check(config, stages)?;
        let recorder = chassis::metrics::install(shutdown)?;
        let instance = format!("{:x}-{:x}", std::process::id(), chassis::clock::now().0);
        let name = format!("usher {instance}");
        let nats = Nats::connect(&config.nats, &name).await?;
        let shards = shards::agree(&nats, config.system.shards).await?;
        let postgres = if stages.iter().any(|stage| uses_postgres(*stage, config)) {
            let connected = chassis::connect_stages(&config.postgres, &name).await;
            Some(connected.context("connect stages to Postgres")?)
        } else {
            None
        };
        let keys = KeyFolder::open(&config.keys.dir)?;
        let health = Health::new();
        let shutdown = shutdown.clone();
        chassis::watch_nats(&nats, &health, &shutdown);
        if let Some(postgres) = &postgres {
            chassis::watch_postgres(postgres, &health, &shutdown);
        }
        let common = Common { nats, postgres, keys, health, shutdown, instance, shards };
        let pages = chassis::metrics::router(recorder).merge(common.health.router());
        let listener = chassis::http::bind(config.metrics.listen)?;
        let limits = chassis::http::HttpLimits::default();
        let pages = chassis::http::serve(listener, pages, limits, common.shutdown.clone());
        spawn(&common.shutdown, "metrics page", pages);
        let background = common.background(config, stages);
        let waiting_room = common.waiting_room(config, stages).await?;
        let queue = match &waiting_room {
            Some(stage) => QueueRoutes::Here(stage.routes.clone()),
            None => QueueRoutes::Elsewhere,
        };
        let gateway = if stages.contains(&Stage::Ingress) {
            Some(common.ingress(config, queue).await?)
        } else {
            None
        };
        let Common { nats, postgres, health, .. } = common;
        Ok(Self {
            nats,
            postgres,
            health,
            background,
            _waiting_room: waiting_room,
            _gateway: gateway,
        })
    }

    /// Resolves when every stage of this process serves.
    pub async fn ready(&self) {
        let started = std::time::Instant::now();
        let mut told = false;
        while !self.background.iter().all(|name| self.health.knows(name))
            || !self.health.missing().is_empty()
        {
            if !told && READY_WAIT < started.elapsed() {
                tracing::warn!(missing = ?self.health.missing(), "still not ready");
                told = true;
            }
            tokio::time::sleep(READY_LOOK).await;
        }
    }
}

/// The code of a process that ends for the shutdown's reason, which is an error unless somebody
/// asked for it.
pub fn exit_code(shutdown: &Shutdown) -> anyhow::Result<ExitCode> {
    if shutdown.is_asked_for() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(anyhow!("usher ends: {}", shutdown.reason().unwrap_or("nobody knows why")))
}

/// Whether the stage cannot start without Postgres.
fn uses_postgres(stage: Stage, config: &Config) -> bool {
    match stage {
        Stage::Allocator | Stage::Settlement => true,
        Stage::Ingress => !config.ingress.rooms_only,
        Stage::WaitingRoom | Stage::Indexer => false,
    }
}

/// A gateway of waiting rooms alone stands beside no stage that sells.
fn check(config: &Config, stages: &[Stage]) -> anyhow::Result<()> {
    let of_rooms = |stage: &&Stage| matches!(stage, Stage::WaitingRoom | Stage::Ingress);
    let other = stages.iter().find(|stage| !of_rooms(stage));
    match other.filter(|_| config.ingress.rooms_only) {
        None => Ok(()),
        Some(other) => Err(anyhow!(
            "ingress.rooms_only serves waiting rooms alone: leave the stage {other:?} out, or \
             the setting"
        )),
    }
}

impl Common {
    fn postgres(&self) -> PgPool {
        self.postgres.clone().expect("connected for the stages that use it")
    }

    /// The stages without a door of their own.
    fn background(&self, config: &Config, stages: &[Stage]) -> Vec<&'static str> {
        let mut started = Vec::new();
        if stages.contains(&Stage::Allocator) {
            let deps = allocator::Deps {
                nats: self.nats.clone(),
                postgres: self.postgres(),
                health: self.health.clone(),
                shutdown: self.shutdown.clone(),
                instance: self.instance.clone(),
                shards: self.shards,
            };
            let stage = allocator::run(config.allocator.clone(), deps);
            spawn(&self.shutdown, "allocator", stage);
            started.push("allocator");
        }
        if stages.contains(&Stage::Settlement) {
            let deps = settlement::Deps {
                nats: self.nats.clone(),
                postgres: self.postgres(),
                keys: self.keys.clone(),
                health: self.health.clone(),
                shutdown: self.shutdown.clone(),
                instance: self.instance.clone(),
                shards: self.shards,
            };
            let stage = settlement::run(config.settlement.clone(), deps);
            spawn(&self.shutdown, "settlement", stage);
            started.push("settlement");
        }
        if stages.contains(&Stage::Indexer) {
            let deps = indexer::Deps {
                nats: self.nats.clone(),
                health: self.health.clone(),
                shutdown: self.shutdown.clone(),
                shards: self.shards,
            };
            let stage = indexer::run(config.indexer.clone(), deps);
            spawn(&self.shutdown, "indexer", stage);
            started.push("indexer");
        }
        started
    }

    async fn waiting_room(
        &self,
        config: &Config,
        stages: &[Stage],
    ) -> anyhow::Result<Option<waiting_room::Stage>> {
        if !stages.contains(&Stage::WaitingRoom) {
            return Ok(None);
        }
        let redis = Redis::connect(&config.redis).await?;
        chassis::watch_redis(&redis, &self.health, &self.shutdown);
        let deps = waiting_room::Deps {
            nats: self.nats.clone(),
            redis,
            keys: self.keys.clone(),
            health: self.health.clone(),
            shutdown: self.shutdown.clone(),
            instance: self.instance.clone(),
            shards: self.shards,
        };
        Ok(Some(waiting_room::start(config.waiting_room.clone(), deps).await?))
    }

    async fn ingress(&self, config: &Config, queue: QueueRoutes) -> anyhow::Result<Ingress> {
        let deps = ingress::Deps {
            nats: self.nats.clone(),
            postgres: self.postgres.clone(),
            keys: self.keys.clone(),
            health: self.health.clone(),
            shutdown: self.shutdown.clone(),
            instance: self.instance.clone(),
            shards: self.shards,
            queue_document: Some(waiting_room::openapi()),
        };
        Ok(ingress::start(config.ingress.clone(), deps, queue).await?)
    }
}

/// Runs a part of the process; its failure is the end of the process.
fn spawn<E>(
    shutdown: &Shutdown,
    name: &'static str,
    part: impl Future<Output = Result<(), E>> + Send + 'static,
) where
    E: std::error::Error + Send + 'static,
{
    let shutdown = shutdown.clone();
    tasks::spawn(name, async move {
        if let Err(error) = part.await {
            let why = chassis::telemetry::chain(&error).to_string();
            tracing::error!(part = name, error = why, "part of the process failed");
            shutdown.begin(format!("{name} failed: {why}"));
        }
    });
}
