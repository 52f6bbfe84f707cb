//! `usher run --stages ...`: some stages against given servers.

use crate::cli::{Run, Stage};
use crate::config::Config;
use crate::stages::{STAGES_END_WAIT, Stages, exit_code};
use crate::{config, output};
use chassis::{Shutdown, tasks};
use std::process::ExitCode;

pub async fn run(run: Run) -> anyhow::Result<ExitCode> {
    let config = config::load(run.config.as_deref())?;
    chassis::telemetry::init(&config.log)?;
    let shutdown = Shutdown::default();
    tasks::on_panic(&shutdown);
    shutdown.listen_for_signals()?;
    // They live until all tasks have ended. Cancel-safe: what has started by then ends with the
    // shutdown, and waiting for readiness only reads.
    let stages = tokio::select! {
        started = start(&config, &run.stages, &shutdown) => Some(started?),
        () = shutdown.begun() => None,
    };
    shutdown.begun().await;
    let stragglers = tasks::drain(STAGES_END_WAIT).await;
    if !stragglers.is_empty() {
        tracing::warn!(?stragglers, "these did not end in time");
    }
    drop(stages);
    exit_code(&shutdown)
}

/// Returns when every stage serves.
async fn start(config: &Config, names: &[Stage], shutdown: &Shutdown) -> anyhow::Result<Stages> {
    let stages = Stages::start(config, names, shutdown).await?;
    stages.ready().await;
    output::line(&format!("usher runs {names:?}"));
    Ok(stages)
}
