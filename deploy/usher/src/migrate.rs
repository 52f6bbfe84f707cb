//! `usher migrate`.

use crate::cli::Target;
use crate::config;
use std::process::ExitCode;

pub async fn migrate(target: Target) -> anyhow::Result<ExitCode> {
    let config = config::load_for(target.config.as_deref(), &target.data)?;
    chassis::telemetry::init(&config.log)?;
    let pool = chassis::connect_postgres(&config.postgres, "usher migrate").await?;
    chassis::migrate(&pool).await?;
    tracing::info!("the schema is up to date");
    Ok(ExitCode::SUCCESS)
}
