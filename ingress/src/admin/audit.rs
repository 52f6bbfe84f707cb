//! The audit log: who changed what, when.

use std::sync::Arc;

use axum::extract::State;
use chassis::Problem;
use http::StatusCode;
use schema::{AccountId, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::Row;
use sqlx::postgres::PgRow;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::accounts::{Caller, Operator};
use crate::app::App;
use crate::extract::{Params, json};
use crate::in_time::in_time;
use crate::layers::RequestId;
use crate::problems::{self, Answered};

const SIZE_DEFAULT: i64 = 100;
const SIZE_MAX: i64 = 1_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditParams {
    /// Only entries before this one: how to turn the page.
    before: Option<i64>,
    /// 1 to 1,000; 100 without.
    size: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AuditBody {
    entries: Vec<EntryBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntryBody {
    entry: i64,
    at: String,
    account_id: String,
    action: String,
    object: String,
    request_id: String,
    detail: Value,
}

/// Writes the line of a deed that is about to be done; a deployment without a store has its log for
/// that.
pub(crate) async fn record(
    app: &App,
    caller: &Caller,
    request: &RequestId,
    action: &'static str,
    object: &str,
    detail: &Value,
) -> Result<(), Problem> {
    // Postgres refuses to store a NUL, and what cannot be recorded is not done.
    if detail.to_string().contains("\\u0000") {
        return Err(problems::invalid("a text holds a NUL"));
    }
    if app.config.rooms_only {
        let (account, request) = (caller.account, &request.0);
        tracing::info!(%account, action, object, %request, %detail, "audit");
        return Ok(());
    }
    let insert = "INSERT INTO audit_entry (at, account_id, action, object, request_id, detail)
         VALUES ($1, $2, $3, $4, $5, $6)";
    let now = i64::try_from(chassis::clock::now().0).expect("this century fits");
    let insert = sqlx::query(insert)
        .bind(now)
        .bind(Uuid::from_u128(caller.account.0))
        .bind(action)
        .bind(object)
        .bind(&request.0)
        .bind(sqlx::types::Json(detail))
        .execute(&app.postgres);
    in_time("note a deed", insert).await.map(drop).map_err(|error| problems::store(&error))
}

/// Shows the audit log, newest first.
#[utoipa::path(get, path = "/api/admin/audit", tag = "operators", params(AuditParams),
    security(("bearer" = [])),
    responses((status = 200, body = AuditBody), (status = 403, description = "ROLE_REQUIRED")))]
pub async fn audit(
    State(app): State<Arc<App>>,
    _operator: Operator,
    Params(params): Params<AuditParams>,
) -> Answered {
    let size = params.size.unwrap_or(SIZE_DEFAULT);
    if !(1..=SIZE_MAX).contains(&size) {
        return Err(problems::invalid("size is 1 to 1,000"));
    }
    let select = "SELECT entry, at, account_id, action, object, request_id, detail
         FROM audit_entry WHERE entry < $1 ORDER BY entry DESC LIMIT $2";
    let before = params.before.unwrap_or(i64::MAX);
    let select = sqlx::query(select).bind(before).bind(size).fetch_all(&app.postgres);
    let rows = in_time("list deeds", select).await.map_err(|error| problems::store(&error))?;
    let entries = rows.iter().map(read).collect::<Result<_, _>>();
    let entries = entries.map_err(|error| problems::store(&error))?;
    Ok(json(StatusCode::OK, &AuditBody { entries }))
}

fn read(row: &PgRow) -> Result<EntryBody, sqlx::Error> {
    let at: i64 = row.try_get("at")?;
    let account = AccountId(row.try_get::<Uuid, _>("account_id")?.as_u128());
    let detail: sqlx::types::Json<Value> = row.try_get("detail")?;
    Ok(EntryBody {
        entry: row.try_get("entry")?,
        at: UnixMillis(u64::try_from(at).unwrap_or_default()).to_rfc3339(),
        account_id: account.to_string(),
        action: row.try_get("action")?,
        object: row.try_get("object")?,
        request_id: row.try_get("request_id")?,
        detail: detail.0,
    })
}
