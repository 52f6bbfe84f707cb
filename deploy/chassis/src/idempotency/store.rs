//! Answers by key, in Postgres: committed with the effect where that is in Postgres too.
//!
//! A key is taken first, in a commit of its own, so that whoever comes with it meanwhile hears that
//! it is in flight. Then come the effect and the answer. Who takes a key whose attempt has ended
//! without an answer (a crash, a client that went away) is told that it is a repeat: what the
//! first attempt has done outside of the answer's transaction must then be found, not done again.

use std::time::Duration;

use schema::UnixMillis;
use serde_json::Value;
use sqlx::{PgExecutor, PgPool, Row};

use super::canonical;
use crate::keys::{HmacKey, random_bytes, sha256};

/// How long an attempt may take before its process counts as dead.
///
/// Longer than any request may run (20 s), so that two seldom run side by side; whoever is told
/// that a key is in flight waits that long at most after a crash. Nothing hangs on it: an attempt
/// whose key was taken over can not commit its answer.
pub const ATTEMPT_MAX: Duration = Duration::from_secs(30);

/// How long an answer is kept.
const KEPT_FOR: Duration = Duration::from_hours(24);

/// Most answers that one sweep forgets: some 20 ms of work.
///
/// With more, who comes with one of their keys would wait for longer; with fewer, there would be
/// more commits.
const SWEPT_MAX: i64 = 10_000;

/// A request that is to be done once.
#[derive(Debug, Clone, Copy)]
pub struct Deed<'a> {
    /// Of the route, with the names of its parameters: the same key on two routes is two keys.
    pub route: &'static str,
    /// The path as it was asked.
    pub path: &'a str,
    /// Whose key it is: keys of two callers are two keys.
    pub caller: &'a [u8],
    pub body: &'a Value,
}

/// An answer as it is kept: `body` is JSON, or empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub status: u16,
    pub body: String,
}

/// What is known of a key.
#[derive(Debug)]
pub enum Begun {
    /// It is this caller's turn.
    Turn(Attempt),
    Answered(Kept),
    InFlight,
    Mismatch,
}

/// What an attempt has of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The hash of route, caller and key.
    pub key: [u8; 32],
    /// Unlike that of any other attempt.
    pub attempt: [u8; 16],
}

/// One try at a deed, which ends with [`finish`], [`Keys::forget`] or [`Keys::leave`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    pub claim: Claim,
    /// When the deed was asked for first, by the database's clock.
    pub began_at: UnixMillis,
    /// Whether an attempt was there before, whose end is not known.
    pub is_repeat: bool,
}

/// The store. Clones share it.
#[derive(Debug, Clone)]
pub struct Keys {
    postgres: PgPool,
    secret: std::sync::Arc<HmacKey>,
}

impl Keys {
    /// Bodies hold passwords: what is stored of them is worth nothing without `secret`.
    pub fn new(postgres: &PgPool, secret: HmacKey) -> Self {
        Self { postgres: postgres.clone(), secret: secret.into() }
    }

    /// Takes a key, or says what is known of it.
    pub async fn begin(&self, key: &str, deed: &Deed<'_>) -> Result<Begun, sqlx::Error> {
        let key = hash(key, deed);
        let (method, _) = deed.route.split_once(' ').expect("a route is a method and a path");
        let print = self
            .secret
            .mac(&[b"usher fingerprint 1 ", &canonical(method, deed.path, deed.caller, deed.body)]);
        let claim = Claim { key, attempt: random_bytes() };
        let stale = i64::try_from(ATTEMPT_MAX.as_millis()).expect("half a minute");
        let query = sqlx::query("SELECT * FROM key_begin($1, $2, $3, $4)");
        let query = query.bind(&key[..]).bind(&print[..]).bind(&claim.attempt[..]).bind(stale);
        let row = query.fetch_one(&self.postgres).await?;
        let began_at = UnixMillis(row.try_get::<i64, _>("began_at")?.unsigned_abs());
        let turn = |is_repeat| Begun::Turn(Attempt { claim, began_at, is_repeat });
        Ok(match row.try_get("found")? {
            "first" => turn(false),
            "repeat" => turn(true),
            "in_flight" => Begun::InFlight,
            "mismatch" => Begun::Mismatch,
            _ => {
                let status: i16 = row.try_get("status")?;
                Begun::Answered(Kept { status: status.unsigned_abs(), body: row.try_get("body")? })
            }
        })
    }

    /// Keeps the answer of a deed whose effect is elsewhere. `false` if the key has been taken
    /// over.
    pub async fn finish(&self, claim: &Claim, kept: &Kept) -> Result<bool, sqlx::Error> {
        finish(&self.postgres, claim, kept).await
    }

    /// Lets go of a key under which nothing was done: as if it had not come.
    pub async fn forget(&self, claim: &Claim) -> Result<(), sqlx::Error> {
        let delete = "DELETE FROM keyed_answer
             WHERE key_hash = $1 AND attempt = $2 AND status IS NULL";
        let delete = sqlx::query(delete).bind(&claim.key[..]).bind(&claim.attempt[..]);
        delete.execute(&self.postgres).await.map(drop)
    }

    /// Lets go of a key under which something may have been done: the next one takes over at once,
    /// and knows.
    pub async fn leave(&self, claim: &Claim) -> Result<(), sqlx::Error> {
        let update = "UPDATE keyed_answer SET taken_at = 0
             WHERE key_hash = $1 AND attempt = $2 AND status IS NULL";
        let update = sqlx::query(update).bind(&claim.key[..]).bind(&claim.attempt[..]);
        update.execute(&self.postgres).await.map(drop)
    }

    /// Forgets keys of more than a day ago. `true` if they were as many as one sweep may forget:
    /// then more may be left.
    pub async fn sweep(&self) -> Result<bool, sqlx::Error> {
        let age = i64::try_from(KEPT_FOR.as_millis()).expect("a day");
        let sweep = sqlx::query("SELECT keys_sweep($1, $2)").bind(age).bind(SWEPT_MAX);
        let swept: i64 = sweep.fetch_one(&self.postgres).await?.try_get(0)?;
        Ok(swept == SWEPT_MAX)
    }

    /// A secret that belongs to `nonce`, which may be stored in its place.
    pub fn secret_of(&self, what: &str, nonce: &[u8]) -> [u8; 32] {
        self.secret.mac(&[b"usher secret 1 ", what.as_bytes(), b" ", nonce])
    }
}

/// Keeps the answer of a deed, in the transaction that has its effect: it must not be committed
/// when this says `false`, for then somebody else has taken the key over.
pub async fn finish(
    tx: impl PgExecutor<'_>,
    claim: &Claim,
    kept: &Kept,
) -> Result<bool, sqlx::Error> {
    let update = "UPDATE keyed_answer SET status = $3, body = $4
         WHERE key_hash = $1 AND attempt = $2 AND status IS NULL";
    let status = i16::try_from(kept.status).expect("a status is below 600");
    let update = sqlx::query(update).bind(&claim.key[..]).bind(&claim.attempt[..]);
    Ok(update.bind(status).bind(&kept.body).execute(tx).await?.rows_affected() == 1)
}

fn hash(key: &str, deed: &Deed<'_>) -> [u8; 32] {
    let caller = sha256(&[deed.caller]);
    sha256(&[b"usher key 1 ", deed.route.as_bytes(), b"\n", &caller, key.as_bytes()])
}
