//! Refresh tokens: `<family>.<secret>`. Each use makes the next one; an old one that comes back
//! ends the family.

use chassis::base64url;
use chassis::keys::{random_bytes, sha256};
use schema::{AccountId, UnixMillis};
use sqlx::{PgPool, Row};
use uuid::Uuid;

use super::roles::Roles;
use super::store::{millis, uuid};
use crate::in_time::in_time;

/// A refresh token in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token {
    family: Uuid,
    secret: [u8; 32],
}

impl Token {
    fn parse(text: &str) -> Option<Self> {
        let (family, secret) = text.split_once('.')?;
        let family: [u8; 16] = base64url::decode(family)?.try_into().ok()?;
        let secret: [u8; 32] = base64url::decode(secret)?.try_into().ok()?;
        Some(Self { family: Uuid::from_bytes(family), secret })
    }

    fn text(&self) -> String {
        let family = base64url::encode(self.family.as_bytes());
        format!("{family}.{}", base64url::encode(&self.secret))
    }

    fn hash(&self) -> Vec<u8> {
        sha256(&[b"usher refresh 1 ", &self.secret]).to_vec()
    }
}

/// What a used token was exchanged for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    pub account: AccountId,
    pub roles: Roles,
    pub token: String,
}

/// Opens a family for a login and returns its first token.
pub async fn open(
    postgres: &PgPool,
    account: AccountId,
    now: UnixMillis,
    ttl_s: u64,
) -> Result<String, sqlx::Error> {
    let token = Token { family: Uuid::now_v7(), secret: random_bytes() };
    let insert = "INSERT INTO refresh_family
         (family_id, account_id, secret_hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
    let insert = sqlx::query(insert)
        .bind(token.family)
        .bind(uuid(account))
        .bind(token.hash())
        .bind(millis(now))
        .bind(millis(UnixMillis(now.0 + ttl_s * 1_000)))
        .execute(postgres);
    in_time("open a login", insert).await?;
    Ok(token.text())
}

/// Exchanges a token for the next one; `None` for one that is not good. An old one ends its family.
pub async fn rotate(
    postgres: &PgPool,
    text: &str,
    now: UnixMillis,
) -> Result<Option<Rotated>, sqlx::Error> {
    let Some(token) = Token::parse(text) else { return Ok(None) };
    let next = Token { family: token.family, secret: random_bytes() };
    // One statement: of two that come with the same token at once, one finds its hash gone.
    let update = "UPDATE refresh_family family
         SET secret_hash = $3, rotations = rotations + 1
         FROM account
         WHERE family.family_id = $1 AND family.secret_hash = $2 AND family.ended_at IS NULL
           AND $4 < family.expires_at AND account.account_id = family.account_id
         RETURNING account.account_id, account.roles";
    let update = sqlx::query(update)
        .bind(token.family)
        .bind(token.hash())
        .bind(next.hash())
        .bind(millis(now))
        .fetch_optional(postgres);
    let Some(row) = in_time("renew a login", update).await? else {
        end(postgres, text, now).await?;
        return Ok(None);
    };
    Ok(Some(Rotated {
        account: AccountId(row.try_get::<Uuid, _>("account_id")?.as_u128()),
        roles: Roles::from_bits(row.try_get("roles")?),
        token: next.text(),
    }))
}

/// Ends the family of a token, whether it is the newest or an old one.
pub async fn end(postgres: &PgPool, text: &str, now: UnixMillis) -> Result<(), sqlx::Error> {
    let Some(token) = Token::parse(text) else { return Ok(()) };
    let update = "UPDATE refresh_family SET ended_at = $2
         WHERE family_id = $1 AND ended_at IS NULL";
    let update = sqlx::query(update).bind(token.family).bind(millis(now)).execute(postgres);
    in_time("end a login", update).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Token;
    use uuid::Uuid;

    #[test]
    fn a_token_survives_the_way_to_text_and_back_and_other_text_is_none() {
        let token = Token { family: Uuid::from_u128(7), secret: [9; 32] };
        assert_eq!(Token::parse(&token.text()), Some(token));
        for text in ["", ".", "a.b", &token.text()[1..], &format!("{}A", token.text())] {
            assert_eq!(Token::parse(text), None, "{text:?}");
        }
    }
}
