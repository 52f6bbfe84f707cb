//! `usher up`: private servers and every stage in one process, from one folder.

use crate::cli::{Stage, Up};
use crate::config::{self, Config};
use crate::running::{self, Pids, Running};
use crate::stages::{STAGES_END_WAIT, Stages, exit_code};
use crate::{demo, output};
use anyhow::Context as _;
use chassis::config::Url;
use chassis::{FolderLock, Servers, ServersSpec, Shutdown, Which, tasks};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

pub async fn up(up: Up) -> anyhow::Result<ExitCode> {
    let mut config = config::load(up.config.as_deref())?;
    chassis::telemetry::init(&config.log)?;
    let shutdown = Shutdown::default();
    tasks::on_panic(&shutdown);
    shutdown.listen_for_signals()?;
    // The port and the folder come first: whoever has them already is found out before anything
    // starts.
    if let Some(port) = up.port {
        config.ingress.listen.set_port(port);
    }
    if let Some(port) = up.metrics_port {
        config.metrics.listen.set_port(port);
    }
    let lock = FolderLock::take(&up.data)?;
    // Given back at once: the stages take them again when there is something to serve.
    drop(chassis::http::bind(config.ingress.listen)?);
    drop(chassis::http::bind(config.metrics.listen)?);
    config.ingress.demo |= !up.no_demo;
    // Demo data is for one machine: whoever tries a webhook has its receiver here too.
    config.settlement.webhooks_private_targets |= config.ingress.demo;
    config.ingress.bench_door |= up.bench_door;
    if config.ingress.demo || config.ingress.bench_door {
        // One machine plays the crowd: all of it has one address.
        config.ingress.http.peer_connections_max = config.ingress.http.connections_max;
    }
    let data = std::path::absolute(&up.data).context("find the data folder")?;
    // Cancel-safe: servers that are starting are killed when they are dropped.
    let servers = tokio::select! {
        servers = start_servers(&data, &mut config) => Arc::new(servers?),
        () = shutdown.begun() => return exit_code(&shutdown),
    };
    let here = Arc::new(Here { data: data.clone(), config: config.clone() });
    let watched = watch(&servers, &here, &shutdown);
    let served = serve(&up, &config, &here, &servers, &shutdown).await;
    if let Err(error) = &served {
        shutdown.begin(format!("{error:#}"));
    }
    let stragglers = tasks::drain(STAGES_END_WAIT).await;
    if !stragglers.is_empty() {
        tracing::warn!(?stragglers, "these did not end in time");
    }
    watched.abort();
    servers.stop().await;
    if let Err(error) = running::remove(&data) {
        tracing::debug!(%error, "usher.json was not there");
    }
    drop(lock);
    served
}

async fn start_servers(data: &Path, config: &mut Config) -> anyhow::Result<Servers> {
    let spec = ServersSpec {
        dir: data.join("servers"),
        durability: config.servers.durability.into(),
        which: Which::ALL.to_vec(),
    };
    let servers = Servers::start(spec).await?;
    config.nats.url = Url::new(&servers.child(Which::Nats).url);
    config.redis.url = Url::new(&servers.child(Which::Redis).url);
    config.postgres.url = Url::new(&servers.child(Which::Postgres).url);
    config.keys.dir = data.join("keys");
    config.indexer.dir = data.join("index");
    Ok(servers)
}

/// Restarts servers that die, and writes their new process ids down.
fn watch(
    servers: &Arc<Servers>,
    here: &Arc<Here>,
    shutdown: &Shutdown,
) -> tokio::task::JoinHandle<()> {
    let (servers, here, shutdown) = (Arc::clone(servers), Arc::clone(here), shutdown.clone());
    tasks::spawn("servers-supervisor", async move {
        let rewrite = |servers: &Servers| here.write_down(servers);
        servers.supervise(&shutdown, rewrite).await;
    })
}

async fn serve(
    up: &Up,
    config: &Config,
    here: &Here,
    servers: &Servers,
    shutdown: &Shutdown,
) -> anyhow::Result<ExitCode> {
    // Cancel-safe: stages that have started end with the shutdown, and the next start loads what is
    // missing of the demo.
    let _stages = tokio::select! {
        stages = start_stages(up, config, shutdown) => stages?,
        () = shutdown.begun() => return exit_code(shutdown),
    };
    here.write_down(servers);
    if !up.no_demo {
        output::line(demo::LOGINS);
    }
    output::line(&format!("metrics are on http://{}/metrics", config.metrics.listen));
    output::line(&format!("usher is ready on http://{}", config.ingress.listen));
    shutdown.begun().await;
    exit_code(shutdown)
}

/// Returns when every stage serves.
async fn start_stages(up: &Up, config: &Config, shutdown: &Shutdown) -> anyhow::Result<Stages> {
    let stages = Stages::start(config, Stage::ALL, shutdown).await?;
    if !up.no_demo {
        let postgres = stages.postgres.as_ref().expect("every stage was started");
        demo::load_once(&stages.nats, postgres).await.context("load the demo catalogue")?;
    }
    stages.ready().await;
    Ok(stages)
}

/// What `usher.json` says besides the process ids.
struct Here {
    data: std::path::PathBuf,
    config: Config,
}

impl Here {
    fn write_down(&self, servers: &Servers) {
        let pids = servers.pids();
        let running = Running {
            http: format!("http://{}", self.config.ingress.listen),
            metrics: format!("http://{}/metrics", self.config.metrics.listen),
            nats: self.config.nats.url.expose().to_owned(),
            redis: self.config.redis.url.expose().to_owned(),
            postgres: self.config.postgres.url.expose().to_owned(),
            pids: Pids {
                usher: std::process::id(),
                nats: pids.nats,
                redis: pids.redis,
                postgres: pids.postgres,
            },
        };
        if let Err(error) = running::write(&self.data, &running) {
            tracing::error!(%error, "usher.json not written");
        }
    }
}
