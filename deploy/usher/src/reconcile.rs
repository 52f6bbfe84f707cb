//! `usher reconcile`: the payment provider's list beside the orders, and these beside tickets, the
//! ledger and what the owners of the seats have.

use crate::cli::Reconcile;
use crate::config::{self, Config};
use crate::{output, shards};
use anyhow::Context as _;
use chassis::Nats;
use settlement::Compared;
use sqlx::PgPool;
use std::process::ExitCode;

/// When somebody could not be asked.
const NOT_RECONCILED: u8 = 2;

/// How long a server may take to be there. A start waits longer; a look shall say so.
const CONNECT_WAIT_MS: u64 = 5_000;

pub async fn reconcile(asked: Reconcile) -> anyhow::Result<ExitCode> {
    match Box::pin(look(asked)).await {
        Ok(code) => Ok(code),
        Err(error) => {
            output::line(&format!("not reconciled: {error:#}"));
            Ok(ExitCode::from(NOT_RECONCILED))
        }
    }
}

/// Looks at the whole list of each provider, and then at the books.
async fn look(asked: Reconcile) -> anyhow::Result<ExitCode> {
    let mut config = config::load_for(asked.target.config.as_deref(), &asked.target.data)?;
    chassis::telemetry::init(&config.log)?;
    config.postgres.connect_wait_ms = CONNECT_WAIT_MS;
    let pool = chassis::connect_postgres(&config.postgres, "usher reconcile").await?;
    let (mut differ, mut silent) = (false, false);
    for provider in settlement::providers(&config.settlement, &pool)? {
        let name = provider.name();
        let found = settlement::reconcile_once(&pool, &*provider).await;
        for difference in &found.differences {
            output::line(&difference.to_string());
        }
        differ |= !found.differences.is_empty();
        match found.whole() {
            Ok(all) => output::line(&format!("reconciled with {name}, {} differences", all.len())),
            Err(error) => {
                let error = chassis::telemetry::chain(&error);
                output::line(&format!("not reconciled with all of {name}: {error}"));
                silent = true;
            }
        }
    }
    match Box::pin(compare(config, &pool)).await {
        Ok(Compared { differences, silent: shards }) => {
            for difference in &differences {
                output::line(difference);
            }
            for shard in &shards {
                output::line(&format!(
                    "seats of shard {shard} not compared: no replica tells them"
                ));
            }
            output::line(&format!("compared the books, {} differences", differences.len()));
            differ |= !differences.is_empty();
            silent |= !shards.is_empty();
        }
        Err(error) => {
            output::line(&format!("books not compared: {error:#}"));
            silent = true;
        }
    }
    Ok(match (silent, differ) {
        (true, _) => ExitCode::from(NOT_RECONCILED),
        (false, true) => ExitCode::FAILURE,
        (false, false) => ExitCode::SUCCESS,
    })
}

/// Compares the books with each other and with the owners of the seats.
async fn compare(mut config: Config, pool: &PgPool) -> anyhow::Result<Compared> {
    config.nats.connect_wait_ms = CONNECT_WAIT_MS;
    let nats = Nats::connect(&config.nats, "usher reconcile").await?;
    let shards = shards::of_system(&nats).await?;
    settlement::compare_books(pool, &nats, shards).await.context("compare the books")
}
