//! Endpoints and their messages in Postgres.

use schema::{AccountId, UnixMillis};
use sqlx::postgres::PgRow;
use sqlx::{PgExecutor, PgPool, Row};
use uuid::Uuid;

use super::body::{WebhookBody, WebhookId};
use crate::in_time::in_time;

/// Most endpoints of an account, and most messages in one answer.
pub const WEBHOOKS_MAX: i64 = 10;
pub const MESSAGES_MAX: i64 = 500;

/// A message as it is stored.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    pub id: Uuid,
    pub object: String,
    pub sequence: i64,
    pub kind: String,
    pub state: String,
    pub tries: i32,
    pub created_at: UnixMillis,
    /// Of one that waits.
    pub next_at: Option<UnixMillis>,
    pub last_status: Option<i16>,
    pub last_error: Option<String>,
}

/// Which messages are sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    One(Uuid),
    /// Those made in `[from, to)`.
    Between {
        from: UnixMillis,
        to: UnixMillis,
    },
}

fn uuid(account: AccountId) -> Uuid {
    Uuid::from_u128(account.0)
}

fn millis(time: UnixMillis) -> i64 {
    i64::try_from(time.0.min(schema::TIME_MAX.0)).expect("TIME_MAX is below i64::MAX")
}

fn time(row: &PgRow, column: &str) -> Result<UnixMillis, sqlx::Error> {
    row.try_get::<i64, _>(column).map(|millis| UnixMillis(millis.unsigned_abs()))
}

/// Stores an endpoint; `false` when the account has as many as it may.
pub async fn create(
    tx: impl PgExecutor<'_>,
    id: WebhookId,
    account: AccountId,
    (url, kinds): (&str, &[String]),
    now: UnixMillis,
) -> Result<bool, sqlx::Error> {
    let insert = "INSERT INTO webhook_endpoint (endpoint_id, account_id, url, kinds, is_active,
             secret_number, rotated_at, created_at)
         SELECT $1, $2, $3, $4, true, 1, $5, $5
         WHERE (SELECT count(*) FROM webhook_endpoint WHERE account_id = $2) < $6";
    let insert = sqlx::query(insert)
        .bind(id.0)
        .bind(uuid(account))
        .bind(url)
        .bind(kinds)
        .bind(millis(now))
        .bind(WEBHOOKS_MAX);
    Ok(in_time("add an endpoint", insert.execute(tx)).await?.rows_affected() == 1)
}

/// The endpoints of an account, oldest first.
pub async fn of_account(
    postgres: &PgPool,
    account: AccountId,
) -> Result<Vec<WebhookBody>, sqlx::Error> {
    let select = "SELECT * FROM webhook_endpoint WHERE account_id = $1
         ORDER BY created_at, endpoint_id";
    let rows = sqlx::query(select).bind(uuid(account)).fetch_all(postgres);
    in_time("list endpoints", rows).await?.iter().map(endpoint).collect()
}

/// Changes what is given of an endpoint of an account; `None` when it has no such one.
pub async fn change(
    postgres: &PgPool,
    id: WebhookId,
    account: AccountId,
    (url, kinds, active): (Option<String>, Option<Vec<String>>, Option<bool>),
) -> Result<Option<WebhookBody>, sqlx::Error> {
    let update = "UPDATE webhook_endpoint SET url = coalesce($3, url), kinds = coalesce($4, kinds),
             is_active = coalesce($5, is_active),
             off_reason = CASE WHEN $5 IS NULL THEN off_reason END
         WHERE endpoint_id = $1 AND account_id = $2 RETURNING *";
    let update = sqlx::query(update).bind(id.0).bind(uuid(account));
    let row = update.bind(url).bind(kinds).bind(active).fetch_optional(postgres);
    in_time("change an endpoint", row).await?.as_ref().map(endpoint).transpose()
}

/// Gives an endpoint of an account its next secret; `None` when it has no such one.
pub async fn rotate(
    tx: impl PgExecutor<'_>,
    id: WebhookId,
    account: AccountId,
    now: UnixMillis,
) -> Result<Option<WebhookBody>, sqlx::Error> {
    let update = "UPDATE webhook_endpoint SET secret_number = secret_number + 1, rotated_at = $3
         WHERE endpoint_id = $1 AND account_id = $2 RETURNING *";
    let update = sqlx::query(update).bind(id.0).bind(uuid(account)).bind(millis(now));
    in_time("give an endpoint a secret", update.fetch_optional(tx))
        .await?
        .as_ref()
        .map(endpoint)
        .transpose()
}

/// Takes an endpoint of an account away, with what waits for it; `false` when it has no such one.
pub async fn delete(
    postgres: &PgPool,
    id: WebhookId,
    account: AccountId,
) -> Result<bool, sqlx::Error> {
    let delete = "DELETE FROM webhook_endpoint WHERE endpoint_id = $1 AND account_id = $2";
    let delete = sqlx::query(delete).bind(id.0).bind(uuid(account)).execute(postgres);
    Ok(in_time("delete an endpoint", delete).await?.rows_affected() == 1)
}

/// Whether there is such an endpoint, of an account or of anybody.
pub async fn exists(
    postgres: &PgPool,
    id: WebhookId,
    account: Option<AccountId>,
) -> Result<bool, sqlx::Error> {
    let select = "SELECT EXISTS (SELECT FROM webhook_endpoint
         WHERE endpoint_id = $1 AND ($2::UUID IS NULL OR account_id = $2))";
    let select = sqlx::query_scalar(select).bind(id.0).bind(account.map(uuid));
    in_time("look for an endpoint", select.fetch_one(postgres)).await
}

/// The newest messages of an endpoint, of one state or of all.
pub async fn messages(
    postgres: &PgPool,
    id: WebhookId,
    state: Option<&str>,
) -> Result<Vec<StoredMessage>, sqlx::Error> {
    let select = "SELECT message_id, object, sequence, kind, state, tries, created_at, last_status,
             last_error, CASE WHEN state = 'waiting' THEN next_at END AS next_at
         FROM webhook_message WHERE endpoint_id = $1 AND ($2::TEXT IS NULL OR state = $2)
         ORDER BY created_at DESC, message_id LIMIT $3";
    let rows = sqlx::query(select).bind(id.0).bind(state).bind(MESSAGES_MAX).fetch_all(postgres);
    in_time("list messages", rows).await?.iter().map(message).collect()
}

/// Makes messages of an endpoint wait for their first try again, and says how many. Those that wait
/// already are tried at once.
pub async fn replay(
    tx: impl PgExecutor<'_>,
    id: WebhookId,
    which: Which,
    now: UnixMillis,
) -> Result<u64, sqlx::Error> {
    let update = "UPDATE webhook_message SET state = 'waiting', tries = 0, next_at = $2,
             done_at = NULL
         WHERE endpoint_id = $1 AND CASE WHEN $3::UUID IS NULL
             THEN $4 <= created_at AND created_at < $5 ELSE message_id = $3 END";
    let (one, from, to) = match which {
        Which::One(one) => (Some(one), UnixMillis(0), UnixMillis(0)),
        Which::Between { from, to } => (None, from, to),
    };
    let update = sqlx::query(update).bind(id.0).bind(millis(now)).bind(one);
    let update = update.bind(millis(from)).bind(millis(to)).execute(tx);
    Ok(in_time("replay messages", update).await?.rows_affected())
}

fn endpoint(row: &PgRow) -> Result<WebhookBody, sqlx::Error> {
    Ok(WebhookBody {
        webhook_id: WebhookId(row.try_get("endpoint_id")?).to_string(),
        url: row.try_get("url")?,
        kinds: row.try_get("kinds")?,
        active: row.try_get("is_active")?,
        off_reason: row.try_get("off_reason")?,
        secret_number: row.try_get::<i32, _>("secret_number")?.unsigned_abs(),
        created_at: time(row, "created_at")?.to_rfc3339(),
        secret: None,
    })
}

fn message(row: &PgRow) -> Result<StoredMessage, sqlx::Error> {
    let next_at: Option<i64> = row.try_get("next_at")?;
    Ok(StoredMessage {
        id: row.try_get("message_id")?,
        object: row.try_get("object")?,
        sequence: row.try_get("sequence")?,
        kind: row.try_get("kind")?,
        state: row.try_get("state")?,
        tries: row.try_get("tries")?,
        created_at: time(row, "created_at")?,
        next_at: next_at.map(|millis| UnixMillis(millis.unsigned_abs())),
        last_status: row.try_get("last_status")?,
        last_error: row.try_get("last_error")?,
    })
}
