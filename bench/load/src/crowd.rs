//! Accounts to play a crowd with.

use crate::wire::{Connection, Door, Question};
use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const PASSWORD: &str = "usher-bench";

/// Passwords hashed at the same time: more would only wait for a core, and be refused.
const LOGINS_MAX: usize = 2;

/// Logs in `count` accounts, and makes those that are missing. Returns their tokens.
pub async fn log_in(door: &Door, count: usize) -> anyhow::Result<Vec<String>> {
    let mut groups = JoinSet::new();
    for first in 0..LOGINS_MAX {
        let mut connection = Connection::new(door, first);
        groups.spawn(async move {
            let mut tokens = Vec::new();
            for number in (first..count).step_by(LOGINS_MAX) {
                tokens.push(token(&mut connection, number).await?);
            }
            anyhow::Ok(tokens)
        });
    }
    let mut tokens = Vec::new();
    while let Some(done) = groups.join_next().await {
        tokens.extend(done??);
    }
    Ok(tokens)
}

async fn token(connection: &mut Connection, number: usize) -> anyhow::Result<String> {
    let email = format!("bench-{number}@usher.test");
    let login = json!({"email": email, "password": PASSWORD});
    let login = Question::post("/api/auth/login", &login);
    let mut answer = connection.ask(login.clone()).await?;
    if answer.status == 401 {
        let account = json!({"email": email, "password": PASSWORD, "name": "Bench"});
        connection.expect(Question::post("/api/auth/register", &account), 201).await?;
        answer = connection.ask(login).await?;
    }
    if answer.status != 200 {
        bail!("log in {email}: {} {}", answer.status, answer.text());
    }
    text(&answer.json()?, "token")
}

/// The text of a field that must be there.
pub fn text(body: &Value, field: &str) -> anyhow::Result<String> {
    let text = body[field].as_str().with_context(|| format!("no {field} in {body}"))?;
    Ok(text.to_owned())
}
