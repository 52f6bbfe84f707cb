//! Accounts for those who buy.

use super::log_in;
use crate::engine::Account;
use crate::wire::{Connection, Question};
use serde::Deserialize;
use serde_json::json;
use std::time::SystemTime;

/// Accounts of one question to the bench door.
const BULK_MAX: u32 = 20_000;

/// Accounts that are made without it: a password costs a core 50 ms, twice.
const SINGLE_MAX: u32 = 40;

const PASSWORD: &str = "usher-bench";

#[derive(Deserialize)]
struct Bulk {
    accounts: Vec<Made>,
}

#[derive(Deserialize)]
struct Made {
    token: Box<str>,
}

pub async fn accounts(
    connection: &mut Connection,
    wanted: u32,
    bench_door: bool,
) -> anyhow::Result<Vec<Account>> {
    // An address of an earlier run on the same system would be taken.
    let run = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
    let mut accounts = Vec::new();
    if !bench_door {
        for number in 0..wanted.min(SINGLE_MAX) {
            let email = format!("bench-{run}-{number}@usher.test");
            let new = json!({"email": email, "password": PASSWORD, "name": "Bench"});
            let question = Question::post("/api/auth/register", &new);
            connection.expect(question, 201).await?;
            let token = log_in(connection, &email, PASSWORD).await?;
            accounts.push(account(&Made { token: token.into() }));
        }
        return Ok(accounts);
    }
    for first in (0..wanted).step_by(usize::try_from(BULK_MAX)?) {
        let count = BULK_MAX.min(wanted - first);
        let bulk = json!({"count": count, "prefix": format!("bench-{run}-{first}")});
        let body = connection.expect(Question::post("/bench/accounts", &bulk), 200).await?;
        let bulk: Bulk = serde_json::from_value(body)?;
        accounts.extend(bulk.accounts.iter().map(account));
    }
    Ok(accounts)
}

fn account(made: &Made) -> Account {
    Account { authorization: format!("Bearer {}", made.token).into() }
}
