//! `usher review`: the bookings that wait for a person, and the person's word.

use crate::cli::Review;
use crate::{config, output};
use anyhow::{Context as _, ensure};
use schema::OrderId;
use settlement::{Ending, Reviewed};
use sqlx::PgPool;
use std::process::ExitCode;

/// How long the server may take to be there.
const CONNECT_WAIT_MS: u64 = 5_000;

/// When the database could not be asked: whether a review has ended is not known then.
const NOT_ASKED: u8 = 2;

pub async fn review(asked: Review) -> anyhow::Result<ExitCode> {
    let config = config::load_for(asked.target.config.as_deref(), &asked.target.data)?;
    chassis::telemetry::init(&config.log)?;
    let because = asked.because.as_deref().map(str::trim);
    ensure!(because != Some(""), "--because says nothing");
    let ending = if asked.keep { Ending::Keep } else { Ending::Refund };
    let wish = asked.booking.zip(because).map(|(booking, because)| (booking, ending, because));
    match ask(config, wish).await {
        Ok(code) => Ok(code),
        Err(error) => {
            output::line(&format!("not asked: {error:#}"));
            Ok(ExitCode::from(NOT_ASKED))
        }
    }
}

async fn ask(
    mut config: config::Config,
    wish: Option<(OrderId, Ending, &str)>,
) -> anyhow::Result<ExitCode> {
    config.postgres.connect_wait_ms = CONNECT_WAIT_MS;
    config.postgres.connections = 1;
    let pool = chassis::connect_postgres(&config.postgres, "usher review").await?;
    match wish {
        Some((booking, ending, because)) => end(&pool, booking, ending, because).await,
        None => list(&pool).await,
    }
}

async fn list(pool: &PgPool) -> anyhow::Result<ExitCode> {
    let waiting = settlement::under_review(pool).await.context("list reviews")?;
    for booking in &waiting {
        output::line(&booking.to_string());
    }
    output::line(&format!("{} bookings wait for a person", waiting.len()));
    Ok(if waiting.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn end(
    pool: &PgPool,
    booking: OrderId,
    ending: Ending,
    because: &str,
) -> anyhow::Result<ExitCode> {
    let ended = settlement::end_review(pool, booking, ending, because).await;
    let ended = ended.context("end a review")?;
    output::line(&format!("{booking}: {ended}"));
    let is_done = matches!(ended, Reviewed::Ended | Reviewed::Withdrawn | Reviewed::Begun);
    Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
