//! Accounts in Postgres.

use chassis::Problem;
use schema::{AccountId, UnixMillis};
use sqlx::{PgExecutor, PgPool, Row};
use uuid::Uuid;

use super::roles::Roles;
use crate::in_time::in_time;
use crate::problems;

/// An account as it is stored.
#[derive(Debug, Clone)]
pub struct Account {
    pub id: AccountId,
    pub email: String,
    pub name: String,
    pub password_hash: String,
    pub roles: Roles,
}

/// What a new account consists of.
#[derive(Debug, Clone)]
pub struct NewAccount<'a> {
    pub account: AccountId,
    /// As [`normal_email`] makes it.
    pub email: &'a str,
    pub name: &'a str,
    pub password_hash: &'a str,
    pub roles: Roles,
}

/// A row's id as the database holds it.
pub fn uuid(account: AccountId) -> Uuid {
    Uuid::from_u128(account.0)
}

/// Brings an address to the form by which accounts are found; `None` when it cannot be one.
pub fn normal_email(text: &str) -> Option<String> {
    let email = text.trim().to_lowercase();
    let (mailbox, host) = email.split_once('@')?;
    let plain = !email.contains(|c: char| c.is_whitespace() || c.is_control());
    let whole = !mailbox.is_empty() && !host.is_empty() && !host.contains('@');
    (plain && whole && email.len() <= EMAIL_BYTES_MAX).then_some(email)
}

/// Brings a person's name to the form in which it is stored; `None` when it cannot be one.
///
/// A control character is no part of a name, and Postgres refuses to store a NUL.
pub fn checked_name(text: &str) -> Option<&str> {
    let name = text.trim();
    let plain = !name.chars().any(char::is_control);
    (plain && (1..=schema::TITLE_BYTES_MAX).contains(&name.len())).then_some(name)
}

/// The longest address that mail can carry (RFC 5321).
const EMAIL_BYTES_MAX: usize = 254;

/// Creates an account; `false` when the address has one already.
pub async fn create_account(
    postgres: impl PgExecutor<'_>,
    new: &NewAccount<'_>,
    now: UnixMillis,
) -> Result<bool, sqlx::Error> {
    let insert = "INSERT INTO account (account_id, email, name, password_hash, roles, created_at)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (email) DO NOTHING";
    let insert = sqlx::query(insert)
        .bind(uuid(new.account))
        .bind(new.email)
        .bind(new.name)
        .bind(new.password_hash)
        .bind(new.roles.bits())
        .bind(millis(now))
        .execute(postgres);
    Ok(in_time("add an account", insert).await?.rows_affected() == 1)
}

/// Adds roles to the account of an address, and renames it if a name is given; `false` when the
/// address has none. Tokens that are out keep the roles that they were given with.
pub async fn grant(
    postgres: &PgPool,
    email: &str,
    name: Option<&str>,
    roles: Roles,
) -> Result<bool, sqlx::Error> {
    let update = "UPDATE account SET roles = roles | $2, name = COALESCE($3, name)
         WHERE email = $1";
    let update = sqlx::query(update).bind(email).bind(roles.bits()).bind(name).execute(postgres);
    Ok(in_time("grant roles", update).await?.rows_affected() == 1)
}

pub async fn by_email(postgres: &PgPool, email: &str) -> Result<Option<Account>, Problem> {
    let select = "SELECT account_id, email, name, password_hash, roles FROM account
         WHERE email = $1";
    let select = sqlx::query(select).bind(email).fetch_optional(postgres);
    let row =
        in_time("look up an address", select).await.map_err(|error| problems::store(&error))?;
    row.map(|row| read(&row)).transpose().map_err(|error| problems::store(&error))
}

pub async fn by_id(postgres: &PgPool, id: AccountId) -> Result<Option<Account>, Problem> {
    let select = "SELECT account_id, email, name, password_hash, roles FROM account
         WHERE account_id = $1";
    let select = sqlx::query(select).bind(uuid(id)).fetch_optional(postgres);
    let row = in_time("read an account", select).await.map_err(|error| problems::store(&error))?;
    row.map(|row| read(&row)).transpose().map_err(|error| problems::store(&error))
}

fn read(row: &sqlx::postgres::PgRow) -> Result<Account, sqlx::Error> {
    Ok(Account {
        id: AccountId(row.try_get::<Uuid, _>("account_id")?.as_u128()),
        email: row.try_get("email")?,
        name: row.try_get("name")?,
        password_hash: row.try_get("password_hash")?,
        roles: Roles::from_bits(row.try_get("roles")?),
    })
}

/// A time as a column holds it.
pub fn millis(time: UnixMillis) -> i64 {
    i64::try_from(time.0.min(schema::TIME_MAX.0)).expect("TIME_MAX is below i64::MAX")
}

#[cfg(test)]
mod tests {
    use super::normal_email;

    #[test]
    fn an_address_is_found_however_it_is_spelt_and_other_text_is_none() {
        assert_eq!(normal_email(" Fan@Usher.Test ").as_deref(), Some("fan@usher.test"));
        for text in ["", "fan", "@usher.test", "fan@", "a b@usher.test", "a@b@c", "a\n@b"] {
            assert_eq!(normal_email(text), None, "{text:?}");
        }
        assert_eq!(normal_email(&format!("{}@x", "a".repeat(260))), None);
    }
}
