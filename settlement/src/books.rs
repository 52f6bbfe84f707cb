//! Compares orders, tickets, seats and the ledger with each other, again and again, and what of
//! them the owners of the seats have heard.

use crate::audit::audit;
use crate::config::{BOOKS_AGAIN, BOOKS_EVERY, BOOKS_LONGEST, BOOKS_REST};
use crate::error::Error;
use crate::metrics;
use crate::store::FoundMoney;
use chassis::clock::{self, Monotonic};
use chassis::{Shutdown, telemetry};
use schema::{DurationMs, UnixMillis};
use sqlx::PgPool;
use std::time::Duration;

/// What is compared, where each provider's list has a row of its own.
const BOOKS: &str = "books";

/// Looks every [`BOOKS_EVERY`] or less often, one process at a time, until the process ends. Each
/// asks again and again whether it is time.
pub(crate) async fn run(pool: PgPool, shutdown: Shutdown) {
    let mut tick = tokio::time::interval(BOOKS_AGAIN);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut said_until = UnixMillis(0);
    loop {
        // Cancel-safe: a tick and a switch.
        tokio::select! {
            _ = tick.tick() => {}
            () = shutdown.begun() => return,
        }
        // Dropped when the process ends: it only reads.
        let looked = tokio::select! {
            looked = look_if_due(&pool, &mut said_until) => looked,
            () = shutdown.begun() => return,
        };
        if let Err(error) = looked {
            metrics::reconcile_failed();
            tracing::warn!(error = %telemetry::chain(&error), "the books are compared later");
        }
    }
}

/// What this process has said stands until the next look is due.
pub(crate) async fn look_if_due(pool: &PgPool, said_until: &mut UnixMillis) -> Result<(), Error> {
    let turns = FoundMoney { pool, provider: BOOKS };
    let due = clock::now() + BOOKS_EVERY;
    if turns.begin(clock::now() + BOOKS_LONGEST).await?.is_none() {
        if *said_until < clock::now() {
            // Somebody else has looked since, and says what there is.
            metrics::books_differ(0);
        }
        return Ok(());
    }
    let started = Monotonic::now();
    let looked = compare_books(pool).await;
    // The pause between two looks is none of it, if there was one.
    let worked = started.elapsed().saturating_sub(BOOKS_AGAIN);
    let took = u64::try_from((worked * BOOKS_REST).as_millis()).unwrap_or(u64::MAX);
    let next = due.max(clock::now() + DurationMs(took));
    turns.rest(next).await?;
    let standing = looked?;
    for difference in &standing {
        tracing::error!(%difference, "the books differ");
    }
    metrics::books_differ(standing.len());
    *said_until = next;
    Ok(())
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
