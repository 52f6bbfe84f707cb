//! Compares orders, tickets, seats and the ledger with each other, again and again, and what of
//! them the owners of the seats have heard.

use crate::audit::audit;
use crate::config::{BOOKS_AGAIN, BOOKS_EVERY, BOOKS_REST};
use crate::error::Error;
use crate::metrics;
use crate::store::FoundMoney;
use chassis::clock::{self, Monotonic};
use chassis::{Shutdown, telemetry};
use schema::DurationMs;
use sqlx::PgPool;
use std::time::Duration;

/// What is compared, where each provider's list has a row of its own.
const BOOKS: &str = "books";

/// Looks every [`BOOKS_EVERY`] or less often, one process at a time, until the process ends.
pub(crate) async fn run(pool: PgPool, shutdown: Shutdown) {
    let mut tick = tokio::time::interval(BOOKS_EVERY.into());
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        // Cancel-safe: a tick and a switch.
        tokio::select! {
            _ = tick.tick() => {}
            () = shutdown.begun() => return,
        }
        // Dropped when the process ends: it only reads.
        let looked = tokio::select! {
            looked = look_if_due(&pool) => looked,
            () = shutdown.begun() => return,
        };
        if let Err(error) = looked {
            metrics::reconcile_failed();
            tracing::warn!(error = %telemetry::chain(&error), "the books are compared later");
        }
    }
}

async fn look_if_due(pool: &PgPool) -> Result<(), Error> {
    let turns = FoundMoney { pool, provider: BOOKS };
    if turns.begin(clock::now() + BOOKS_EVERY).await?.is_none() {
        return Ok(());
    }
    let started = Monotonic::now();
    let standing = compare_books(pool).await?;
    for difference in &standing {
        tracing::error!(%difference, "the books differ");
    }
    metrics::books_differ(standing.len());
    let took = u64::try_from((started.elapsed() * BOOKS_REST).as_millis()).unwrap_or(u64::MAX);
    turns.rest(clock::now() + DurationMs(took)).await
}

/// Compares orders, tickets, seats and the ledger once, and lists the differences that stand for
/// some seconds.
///
/// # Errors
/// [`Error::Postgres`] and [`Error::Slow`].
pub async fn compare_books(pool: &PgPool) -> Result<Vec<String>, Error> {
    look(pool, BOOKS_AGAIN).await
}

/// The differences that stand for as long as `again`.
pub(crate) async fn look(pool: &PgPool, again: Duration) -> Result<Vec<String>, Error> {
    let first = audit(pool).await?;
    if first.is_empty() {
        return Ok(first);
    }
    tokio::time::sleep(again).await;
    let mut standing = audit(pool).await?;
    standing.retain(|difference| first.contains(difference));
    Ok(standing)
}
