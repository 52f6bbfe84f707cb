//! Requests that are done once under their `Idempotency-Key`, where they are no commands of an
//! owner: the answer is kept with the effect and given once more.
//!
//! Kept is what was done, and what was refused for how things stood (404, 409, 410). Any other
//! answer is as if it had not been given: nothing was done, or it is not known whether.

use std::time::Duration;

use axum::body::to_bytes;
use axum::response::{IntoResponse, Response};
use chassis::idempotency::{self, Attempt, Claim, Deed, Kept, Keys};
use chassis::{Problem, Shutdown};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use schema::{AccountId, UnixMillis};
use sqlx::{PgPool, Postgres, Transaction};

use crate::app::App;
use crate::extract::mark_replayed;
use crate::in_time::in_time;
use crate::problems::{self, Answered};

/// How often keys of more than a day ago are forgotten.
const SWEEP_EVERY: Duration = Duration::from_mins(5);

/// Largest answer that is kept: that of an import names 10,000 events.
const KEPT_BYTES_MAX: usize = 512 * 1024;

/// What a request may do about its key.
#[derive(Debug)]
pub enum Begun {
    Turn(Turn),
    /// It was answered before.
    Over(Kept),
}

/// The turn of a request to be done. Dropped without an end (the client has gone away) it leaves
/// the key to the next one.
#[derive(Debug)]
pub struct Turn {
    /// `None` for a request without a key, and where there is no store.
    attempt: Option<(Keys, Attempt)>,
    /// When it was asked for first.
    pub began_at: UnixMillis,
    /// It may have been done in part, by an attempt of which nothing is known.
    pub is_repeat: bool,
}

/// The bytes of an account as a caller.
pub fn caller(account: AccountId) -> [u8; 16] {
    account.0.to_be_bytes()
}

/// Takes the key of a request, if it has one.
///
/// # Errors
/// 400 for what is no key, 409 while the same request is under way, 422 when another request came
/// under the key, 503 while the store is away.
pub async fn begin(app: &App, headers: &HeaderMap, deed: &Deed<'_>) -> Result<Begun, Problem> {
    let key = idempotency::key(headers)?;
    let now = chassis::clock::now();
    let Some(key) = key.filter(|_| !app.config.rooms_only) else {
        // A room's own state tells a repeat where no store does.
        let turn = Turn { attempt: None, began_at: now, is_repeat: key.is_some() };
        return Ok(Begun::Turn(turn));
    };
    let begun = in_time("take a key", app.keys.begin(key, deed)).await;
    match begun.map_err(|error| problems::store(&error))? {
        idempotency::Begun::Turn(attempt) => {
            let Attempt { began_at, is_repeat, .. } = attempt;
            let attempt = Some((app.keys.clone(), attempt));
            Ok(Begun::Turn(Turn { attempt, began_at, is_repeat }))
        }
        idempotency::Begun::Answered(kept) => Ok(Begun::Over(kept)),
        idempotency::Begun::InFlight => Err(idempotency::in_flight()),
        idempotency::Begun::Mismatch => Err(idempotency::mismatch()),
    }
}

impl Turn {
    /// What an effect in another process needs to keep the answer with it.
    pub fn claim(&self) -> Option<Claim> {
        self.attempt.as_ref().map(|(_, attempt)| attempt.claim)
    }

    /// Another process has kept the answer together with the effect.
    pub fn kept_elsewhere(&mut self) {
        self.attempt = None;
    }

    /// Commits an effect together with its answer.
    pub async fn commit(
        &mut self,
        mut tx: Transaction<'_, Postgres>,
        kept: &Kept,
    ) -> Result<(), Problem> {
        let claim = self.claim();
        let committed = in_time("commit an answer with its effect", async move {
            if let Some(claim) = claim
                && !idempotency::finish(&mut *tx, &claim, kept).await?
            {
                return tx.rollback().await.map(|()| false);
            }
            tx.commit().await.map(|()| true)
        });
        if !committed.await.map_err(|error| problems::store(&error))? {
            // Somebody took the key over, so this attempt has taken more than its time.
            return Err(idempotency::in_flight());
        }
        self.attempt = None;
        Ok(())
    }

    /// Ends the turn without a final answer: whoever comes again with the key goes on.
    pub async fn leave(mut self) {
        if let Some((keys, attempt)) = self.attempt.take() {
            tell("leave a key", keys.leave(&attempt.claim)).await;
        }
    }

    /// Ends the turn with what has come of it: keeps the answer, if it is one to be kept.
    pub async fn end(mut self, answered: Answered) -> Answered {
        let Some((keys, attempt)) = self.attempt.take() else { return answered };
        let response = answered.unwrap_or_else(IntoResponse::into_response);
        let status = response.status();
        if !is_kept(status) {
            let claim = attempt.claim;
            if status.is_server_error() {
                tell("leave a key", keys.leave(&claim)).await;
            } else {
                tell("forget a key", keys.forget(&claim)).await;
            }
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let bytes = to_bytes(body, KEPT_BYTES_MAX).await.expect("answers in memory are bounded");
        let body = String::from_utf8(bytes.to_vec()).expect("answers are JSON");
        let kept = Kept { status: status.as_u16(), body };
        let finished = in_time("keep an answer", keys.finish(&attempt.claim, &kept)).await;
        if !finished.map_err(|error| problems::store(&error))? {
            return Err(idempotency::in_flight());
        }
        Ok(Response::from_parts(head, kept.body.into()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some((keys, attempt)) = self.attempt.take() else { return };
        chassis::tasks::spawn("ingress-key-left", async move {
            tell("leave a key", keys.leave(&attempt.claim)).await;
        });
    }
}

/// A kept answer as it goes out once more.
pub fn again(kept: Kept) -> Response {
    let status = StatusCode::from_u16(kept.status).expect("stored from a status");
    let kind = if status.is_success() { "application/json" } else { "application/problem+json" };
    let mut response = (status, [(CONTENT_TYPE, kind)], kept.body).into_response();
    mark_replayed(&mut response, true);
    response
}

/// The answer that is kept of what was done.
pub fn kept(status: StatusCode, body: &impl serde::Serialize) -> Kept {
    let body = serde_json::to_string(body).expect("answers hold only encodable types");
    Kept { status: status.as_u16(), body }
}

/// A kept answer as it goes out first.
pub fn first(kept: Kept) -> Response {
    let mut response = again(kept);
    response.headers_mut().remove("idempotency-replayed");
    response
}

/// Opens a transaction for an effect and its answer.
pub async fn transaction(postgres: &PgPool) -> Result<Transaction<'static, Postgres>, Problem> {
    in_time("begin an effect", postgres.begin()).await.map_err(|error| problems::store(&error))
}

/// Forgets old keys until the process ends.
pub fn sweep(keys: Keys, shutdown: Shutdown) {
    chassis::tasks::spawn("ingress-keys", async move {
        let mut every = tokio::time::interval(SWEEP_EVERY);
        loop {
            // Both branches are cancel-safe.
            tokio::select! {
                _ = every.tick() => {
                    let mut is_full = false;
                    let swept = async { keys.sweep().await.map(|full| is_full = full) };
                    tell("forget old keys", swept).await;
                    // More are left, and may come faster than full sweeps at this pace take them.
                    if is_full {
                        every.reset_immediately();
                    }
                }
                () = shutdown.begun() => return,
            }
        }
    });
}

fn is_kept(status: StatusCode) -> bool {
    let refused = [StatusCode::NOT_FOUND, StatusCode::CONFLICT, StatusCode::GONE];
    status.is_success() || refused.contains(&status)
}

/// Does what may fail without harm: a key that is not let go of is free in half a minute.
async fn tell(what: &'static str, doing: impl Future<Output = Result<(), sqlx::Error>>) {
    if let Err(error) = in_time(what, doing).await {
        let error = chassis::telemetry::chain(&error);
        tracing::debug!(%error, what, "not done, and harmless");
    }
}
