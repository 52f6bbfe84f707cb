//! `usher run --stages ...`: some stages against given servers.

use crate::cli::Run;
use crate::stages::{Stages, exit_code};
use crate::{config, output};
use chassis::{Shutdown, tasks};
use std::process::ExitCode;
use std::time::Duration;

/// How long stages may take to end.
const STAGES_END_WAIT: Duration = Duration::from_secs(15);

pub async fn run(run: Run) -> anyhow::Result<ExitCode> {
    let config = config::load(run.config.as_deref())?;
    chassis::telemetry::init(&config.log)?;
    let shutdown = Shutdown::default();
    tasks::on_panic(&shutdown);
    shutdown.listen_for_signals()?;
    let stages = Stages::start(&config, &run.stages, &shutdown).await?;
    // Cancel-safe: waiting for readiness only reads.
    tokio::select! {
        () = stages.ready() => output::line(&format!("usher runs {:?}", run.stages)),
        () = shutdown.begun() => {}
    }
    shutdown.begun().await;
    let stragglers = tasks::drain(STAGES_END_WAIT).await;
    if !stragglers.is_empty() {
        tracing::warn!(?stragglers, "these did not end in time");
    }
    Ok(exit_code(&shutdown))
}
