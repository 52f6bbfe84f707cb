//! `usher reconcile`: the payment provider's list beside the orders.

use crate::cli::Reconcile;
use crate::{config, output};
use std::process::ExitCode;

/// When the provider could not be asked.
const NOT_RECONCILED: u8 = 2;

pub async fn reconcile(asked: Reconcile) -> anyhow::Result<ExitCode> {
    let config = config::load_for(asked.target.config.as_deref(), &asked.target.data)?;
    chassis::telemetry::init(&config.log)?;
    let pool = chassis::connect_postgres(&config.postgres, "usher reconcile").await?;
    let provider = settlement::provider(&config.settlement, &pool)?;
    let differences = match settlement::reconcile_once(&pool, &*provider).await {
        Ok(differences) => differences,
        Err(error) => {
            output::line(&format!("not reconciled: {}", chassis::telemetry::chain(&error)));
            return Ok(ExitCode::from(NOT_RECONCILED));
        }
    };
    for difference in &differences {
        output::line(&difference.to_string());
    }
    output::line(&format!(
        "reconciled with {}, {} differences",
        provider.name(),
        differences.len()
    ));
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
