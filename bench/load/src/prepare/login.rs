//! A login.

use crate::wire::{Connection, Question};
use anyhow::Context as _;
use serde_json::json;

/// Returns the account's token.
pub async fn log_in(
    connection: &mut Connection,
    email: &str,
    password: &str,
) -> anyhow::Result<String> {
    let login = json!({"email": email, "password": password});
    let body = connection.expect(Question::post("/api/auth/login", &login), 200).await?;
    let token = body["token"].as_str().context("the login has no token")?;
    Ok(token.to_owned())
}
