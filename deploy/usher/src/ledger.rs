//! `usher ledger check`: proves that the ledger balances, over all time.

use crate::cli::Ledger;
use crate::{config, output};
use anyhow::Context as _;
use settlement::CheckedLedger;
use std::process::ExitCode;

/// How long the server may take to be there. A start waits longer; a check shall say so.
const CONNECT_WAIT_MS: u64 = 5_000;

/// How long a question may take: each goes through all that was ever booked.
const STATEMENT_WAIT_MS: u64 = 600_000;

/// When the ledger could not be read.
const NOT_CHECKED: u8 = 2;

pub async fn ledger(ledger: Ledger) -> anyhow::Result<ExitCode> {
    let Ledger::Check(target) = ledger;
    let config = config::load_for(target.config.as_deref(), &target.data)?;
    chassis::telemetry::init(&config.log)?;
    let checked = match check(config).await {
        Ok(checked) => checked,
        Err(error) => {
            output::line(&format!("not checked: {error:#}"));
            return Ok(ExitCode::from(NOT_CHECKED));
        }
    };
    for line in &checked.differences {
        output::line(line);
    }
    let CheckedLedger { transactions, entries, differences } = &checked;
    let what = format!("checked {transactions} transactions with {entries} entries");
    output::line(&format!("{what}, {} differences", differences.len()));
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn check(mut config: config::Config) -> anyhow::Result<CheckedLedger> {
    config.postgres.connect_wait_ms = CONNECT_WAIT_MS;
    config.postgres.statement_timeout_ms = STATEMENT_WAIT_MS;
    config.postgres.connections = 1;
    let pool = chassis::connect_postgres(&config.postgres, "usher ledger check").await?;
    settlement::check_ledger(&pool).await.context("check the ledger")
}
