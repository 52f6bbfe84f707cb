//! Compares orders, tickets, seats and the ledger with each other, again and again, and with what
//! the owners of the seats have.

use crate::audit::audit;
use crate::config::{BOOKS_AGAIN, BOOKS_EVERY, BOOKS_LONGEST, BOOKS_REST, DIFFERENCES_MAX};
use crate::error::Error;
use crate::metrics;
use crate::seats::{self, Owners};
use crate::store::FoundMoney;
use chassis::clock::{self, Monotonic};
use chassis::{Nats, Shutdown, telemetry};
use schema::{DurationMs, ShardId, Shards, UnixMillis};
use sqlx::PgPool;
use std::collections::BTreeSet;
use std::time::Duration;

/// What is compared, where each provider's list has a row of its own.
const BOOKS: &str = "books";

/// What is compared.
#[derive(Debug, Clone)]
pub(crate) struct Books {
    pub pool: PgPool,
    pub owners: Owners,
}

/// What a comparison of the books has found.
#[derive(Debug, Default)]
pub struct Compared {
    /// Each as a line of text.
    pub differences: BTreeSet<String>,
    /// Whose replicas told nothing, so that nothing is known of the seats of its events.
    pub silent: BTreeSet<ShardId>,
}

/// Looks every [`BOOKS_EVERY`] or less often, one process at a time, until the process ends. Each
/// asks again and again whether it is time.
pub(crate) async fn run(books: Books, shutdown: Shutdown) {
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
            looked = look_if_due(&books, &mut said_until) => looked,
            () = shutdown.begun() => return,
        };
        if let Err(error) = looked {
            metrics::reconcile_failed();
            tracing::warn!(error = %telemetry::chain(&error), "the books are compared later");
        }
    }
}

/// What this process has said stands until the next look is due.
pub(crate) async fn look_if_due(books: &Books, said_until: &mut UnixMillis) -> Result<(), Error> {
    let turns = FoundMoney { pool: &books.pool, provider: BOOKS };
    let due = clock::now() + BOOKS_EVERY;
    if turns.begin(clock::now() + BOOKS_LONGEST).await?.is_none() {
        if *said_until < clock::now() {
            // Somebody else has looked since, and says what there is.
            metrics::books_differ(0);
        }
        return Ok(());
    }
    let started = Monotonic::now();
    let looked = look(books, BOOKS_AGAIN).await;
    // The pause between two looks is none of it, if there was one.
    let worked = started.elapsed().saturating_sub(BOOKS_AGAIN);
    let took = u64::try_from((worked * BOOKS_REST).as_millis()).unwrap_or(u64::MAX);
    let next = due.max(clock::now() + DurationMs(took));
    turns.rest(next).await?;
    let Compared { differences, silent } = looked?;
    for difference in &differences {
        tracing::error!(%difference, "the books differ");
    }
    for shard in &silent {
        tracing::warn!(%shard, "no replica tells what is sold: compared the next time");
    }
    metrics::books_differ(differences.len());
    *said_until = next;
    Ok(())
}

/// Compares orders, tickets, seats and the ledger once, and what is sold with replicas of the
/// owners of the seats; lists the differences that stand for some seconds.
///
/// # Errors
/// [`Error::Postgres`] and [`Error::Slow`].
pub async fn compare_books(pool: &PgPool, nats: &Nats, shards: Shards) -> Result<Compared, Error> {
    let owners = Owners { nats: nats.clone(), shards };
    look(&Books { pool: pool.clone(), owners }, BOOKS_AGAIN).await
}

/// The differences that stand for as long as `again`.
pub(crate) async fn look(books: &Books, again: Duration) -> Result<Compared, Error> {
    let first = look_once(books).await?;
    if first.differences.is_empty() {
        return Ok(first);
    }
    tokio::time::sleep(again).await;
    let mut standing = look_once(books).await?;
    standing.differences.retain(|difference| first.differences.contains(difference));
    let most = usize::try_from(DIFFERENCES_MAX).expect("some lines");
    standing.differences = standing.differences.into_iter().take(most).collect();
    standing.silent.extend(first.silent);
    Ok(standing)
}

async fn look_once(Books { pool, owners }: &Books) -> Result<Compared, Error> {
    let mut differences: BTreeSet<String> = audit(pool).await?.into_iter().collect();
    // What cannot be compared with its owners keeps nothing else from being told.
    let silent = match seats::look(pool, owners).await {
        Ok(looked) => {
            differences.extend(looked.differences.into_iter().map(|(_, line)| line));
            looked.silent
        }
        Err(error) => {
            let error = telemetry::chain(&error);
            tracing::warn!(%error, "what is sold is not compared with its owners");
            owners.shards.all().collect()
        }
    };
    Ok(Compared { differences, silent })
}
