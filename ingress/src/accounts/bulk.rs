//! The bench door: accounts for a played crowd, many at a time, with their tokens.
//!
//! A password costs a core 20 ms to set and as much to log in with, so a crowd of buyers would be
//! hours of hashing before the first of them buys. These accounts have no password at all. Whoever
//! can reach the door can be anybody new, so it is there only when the configuration says so.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chassis::Problem;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use schema::{AccountId, UnixMillis};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

use super::roles::Roles;
use super::store;
use super::tokens::{Identity, Tokens};
use crate::app::App;
use crate::extract::Json;
use crate::in_time::in_time;
use crate::problems::{self, Answered};

/// Accounts of one call. Signing so many tokens takes a core some seconds; more would be near the
/// time in which every answer has to begin.
const COUNT_MAX: u32 = 100_000;

/// Accounts of one statement, well within its time.
const ROWS_MAX: usize = 10_000;

/// Longest prefix: it is a part of every e-mail address.
const PREFIX_BYTES_MAX: usize = 48;

/// What is stored instead of a hash. It is none, so that no password matches it.
const NO_PASSWORD: &str = "none";

#[derive(Debug, Deserialize)]
pub struct Wanted {
    count: u32,
    /// What the e-mail addresses begin with; a used one is refused.
    prefix: String,
}

#[derive(Debug, Serialize)]
struct Made {
    accounts: Vec<MadeAccount>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MadeAccount {
    account_id: AccountId,
    token: String,
}

/// `POST /bench/accounts`
pub async fn make_accounts(State(app): State<Arc<App>>, body: Json<Wanted>) -> Answered {
    let Wanted { count, prefix } = body.value;
    if !(1..=COUNT_MAX).contains(&count) {
        return Err(problems::invalid(format!("count is 1 to {COUNT_MAX}")));
    }
    if !is_prefix(&prefix) {
        let what = "small letters, digits and hyphens";
        return Err(problems::invalid(format!("prefix is 1 to {PREFIX_BYTES_MAX} {what}")));
    }
    let now = chassis::clock::now();
    let accounts: Vec<Uuid> = (0..count).map(|_| Uuid::now_v7()).collect();
    if !create(&app.postgres, &accounts, &prefix, now).await? {
        let title = "The prefix has accounts";
        return Err(Problem::new(409, "PREFIX_TAKEN", title, "choose another prefix"));
    }
    let job = tokio::task::spawn_blocking(move || answer(&app.tokens, &accounts, now));
    Ok(job.await.expect("signing does not panic"))
}

fn is_prefix(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=PREFIX_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain)
}

/// Stores all of the accounts, or none and says `false` when one of the addresses is taken.
async fn create(
    postgres: &PgPool,
    accounts: &[Uuid],
    prefix: &str,
    now: UnixMillis,
) -> Result<bool, Problem> {
    let stored = async {
        let mut tx = in_time("begin a crowd", postgres.begin()).await?;
        let mut first = 0_i64;
        for some in accounts.chunks(ROWS_MAX) {
            let insert = "INSERT INTO account
                    (account_id, email, name, password_hash, roles, created_at)
                SELECT id, $2 || '-' || ($3 + number) || '@bench.invalid', $2, $4, $5, $6
                FROM unnest($1::uuid[]) WITH ORDINALITY AS new(id, number)
                ON CONFLICT (email) DO NOTHING";
            let insert = sqlx::query(insert)
                .bind(some)
                .bind(prefix)
                .bind(first)
                .bind(NO_PASSWORD)
                .bind(Roles::FAN.bits())
                .bind(store::millis(now));
            let rows = u64::try_from(some.len()).expect("a chunk has at most 10,000");
            if in_time("add a crowd", insert.execute(&mut *tx)).await?.rows_affected() != rows {
                return in_time("take a crowd back", tx.rollback()).await.map(|()| false);
            }
            first += i64::try_from(rows).expect("a chunk has at most 10,000");
        }
        in_time("commit a crowd", tx.commit()).await.map(|()| true)
    };
    stored.await.map_err(|error: sqlx::Error| problems::store(&error))
}

fn answer(tokens: &Tokens, accounts: &[Uuid], now: UnixMillis) -> Response {
    let made = accounts.iter().map(|account| {
        let account_id = AccountId(account.as_u128());
        let identity = Identity { account: account_id, roles: Roles::FAN };
        MadeAccount { account_id, token: tokens.issue(identity, now).0 }
    });
    let text = serde_json::to_string(&Made { accounts: made.collect() });
    let text = text.expect("ids and tokens are text");
    (StatusCode::OK, [(CONTENT_TYPE, "application/json")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::{NO_PASSWORD, is_prefix};
    use crate::accounts::{PasswordLimits, Passwords};

    #[test]
    fn a_prefix_is_a_short_plain_word() {
        for text in ["a", "bench-17-0", &"x".repeat(48)] {
            assert!(is_prefix(text), "{text:?}");
        }
        for text in ["", "A", "a b", "a@b", "ä", "a.b", "a\0", &"x".repeat(49)] {
            assert!(!is_prefix(text), "{text:?}");
        }
    }

    #[tokio::test]
    async fn no_password_matches_what_is_stored_instead_of_a_hash() {
        let passwords = Passwords::new(PasswordLimits::default());
        for text in ["", NO_PASSWORD, "usher-demo"] {
            let verified = passwords.verify(text.to_owned(), Some(NO_PASSWORD.to_owned()));
            assert!(!verified.await.unwrap(), "{text:?}");
        }
    }
}
