//! Compares orders, tickets, seats and the ledger with each other, again and again, and with what
//! the owners of the seats have.

use crate::audit::{QUESTIONS, Question};
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
    let looked = look(books, BOOKS_AGAIN, Pace::Unhurried(turns)).await;
    let next = due.max(clock::now());
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
    look(&Books { pool: pool.clone(), owners }, BOOKS_AGAIN, Pace::Awaited).await
}

/// Whether somebody waits for a look.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace<'a> {
    Awaited,
    /// Payments go first: each question is followed by a rest, in which the turn is still its own.
    Unhurried(FoundMoney<'a>),
}

/// A part of the comparison.
#[derive(Debug, Clone, Copy)]
enum Part {
    Question(&'static Question),
    /// What is sold with its owners.
    Seats,
}

/// The differences that stand for as long as `again`.
pub(crate) async fn look(
    books: &Books,
    again: Duration,
    pace: Pace<'_>,
) -> Result<Compared, Error> {
    let mut compared = Compared::default();
    for part in QUESTIONS.iter().map(Part::Question).chain([Part::Seats]) {
        let started = Monotonic::now();
        let mut found = part.ask(books).await?;
        let mut worked = started.elapsed();
        if !found.differences.is_empty() {
            tokio::time::sleep(again).await;
            let started = Monotonic::now();
            let standing = part.ask(books).await?;
            worked += started.elapsed();
            found.differences.retain(|difference| standing.differences.contains(difference));
            found.silent.extend(standing.silent);
        }
        compared.differences.extend(found.differences);
        compared.silent.extend(found.silent);
        pace.rest(worked).await?;
    }
    let most = usize::try_from(DIFFERENCES_MAX).expect("some lines");
    compared.differences = compared.differences.into_iter().take(most).collect();
    Ok(compared)
}

impl Part {
    async fn ask(self, Books { pool, owners }: &Books) -> Result<Compared, Error> {
        match self {
            Self::Question(question) => {
                let differences = question.ask(pool).await?.into_iter().collect();
                Ok(Compared { differences, silent: BTreeSet::new() })
            }
            Self::Seats => Ok(match seats::look(pool, owners).await {
                Ok(looked) => {
                    let differences = looked.differences.into_iter().map(|(_, line)| line);
                    Compared { differences: differences.collect(), silent: looked.silent }
                }
                // What cannot be compared with its owners keeps nothing else from being told.
                Err(error) => {
                    let error = telemetry::chain(&error);
                    tracing::warn!(%error, "what is sold is not compared with its owners");
                    let silent = owners.shards.all().collect();
                    Compared { differences: BTreeSet::new(), silent }
                }
            }),
        }
    }
}

impl Pace<'_> {
    /// After so much work.
    async fn rest(self, worked: Duration) -> Result<(), Error> {
        let Self::Unhurried(turns) = self else { return Ok(()) };
        let rest = worked * BOOKS_REST;
        let millis = u64::try_from(rest.as_millis()).unwrap_or(u64::MAX);
        turns.rest(clock::now() + DurationMs(millis) + BOOKS_LONGEST).await?;
        tokio::time::sleep(rest).await;
        Ok(())
    }
}
