//! API keys of partners: 256 bits that nobody can guess, shown once, stored as a hash.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chassis::idempotency::{Deed, Kept};
use chassis::keys::{random_bytes, sha256};
use chassis::{Problem, base64url};
use http::{HeaderMap, StatusCode};
use schema::AccountId;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::caller::{Caller, Partner};
use super::roles::Roles;
use super::store::{millis, uuid};
use crate::app::App;
use crate::extract::{Json, json, mark_replayed};
use crate::in_time::in_time;
use crate::keyed::{self, Begun, Turn};
use crate::problems::{self, Answered};

/// Shows in logs and leak scanners what the text is.
const PREFIX: &str = "usk_";

const ROUTE: &str = "POST /api/partners/keys";

#[derive(Debug, Deserialize, ToSchema)]
pub struct NewApiKey {
    /// What the key is for.
    name: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyMade {
    name: String,
    /// Shown this once, and to a repetition under the same `Idempotency-Key`.
    api_key: String,
}

/// What is kept for a repetition: the nonce alone is no key.
#[derive(Debug, Serialize, Deserialize)]
struct KeptApiKey {
    name: String,
    nonce: String,
}

/// Makes an API key for the partner who asks.
#[utoipa::path(post, path = "/api/partners/keys", tag = "partners", request_body = NewApiKey,
    security(("bearer" = []), ("apiKey" = [])),
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = ApiKeyMade), (status = 403, description = "ROLE_REQUIRED")))]
pub async fn create_api_key(
    State(app): State<Arc<App>>,
    Partner(caller): Partner,
    headers: HeaderMap,
    body: Json<NewApiKey>,
) -> Answered {
    let Json { value: NewApiKey { name }, sent } = body;
    let plain = !name.chars().any(char::is_control);
    if !plain || !(1..=schema::TITLE_BYTES_MAX).contains(&name.len()) {
        return Err(problems::invalid("a key needs a name of 1 to 200 bytes of text"));
    }
    let (path, asker) = ("/api/partners/keys", keyed::caller(caller.account));
    let deed = Deed { route: ROUTE, path, caller: &asker, body: &sent };
    match keyed::begin(&app, &headers, &deed).await? {
        Begun::Over(kept) => {
            let mut response = shown(&app, &kept);
            mark_replayed(&mut response, true);
            Ok(response)
        }
        Begun::Turn(mut turn) => {
            let made = make(&app, &mut turn, caller, name).await;
            turn.end(made).await
        }
    }
}

async fn make(app: &App, turn: &mut Turn, caller: Caller, name: String) -> Answered {
    let nonce = base64url::encode(&random_bytes::<32>());
    let api_key = api_key(app, &nonce);
    let insert = "INSERT INTO api_key (key_hash, account_id, name, created_at)
         VALUES ($1, $2, $3, $4)";
    let mut tx = keyed::transaction(&app.postgres).await?;
    let insert = sqlx::query(insert)
        .bind(hash(&api_key))
        .bind(uuid(caller.account))
        .bind(&name)
        .bind(millis(chassis::clock::now()))
        .execute(&mut *tx);
    in_time("add an API key", insert).await.map_err(|error| problems::store(&error))?;
    let kept = keyed::kept(StatusCode::CREATED, &KeptApiKey { name, nonce });
    turn.commit(tx, &kept).await?;
    Ok(shown(app, &kept))
}

/// The answer, with the key that is not in what is kept of it.
fn shown(app: &App, kept: &Kept) -> Response {
    let kept: KeptApiKey = serde_json::from_str(&kept.body).expect("only keys made are kept");
    let api_key = api_key(app, &kept.nonce);
    json(StatusCode::CREATED, &ApiKeyMade { name: kept.name, api_key })
}

fn api_key(app: &App, nonce: &str) -> String {
    let secret = app.keys.secret_of("api key", nonce.as_bytes());
    format!("{PREFIX}{}", base64url::encode(&secret))
}

/// Finds whose key it is.
pub async fn find(app: &App, api_key: &str) -> Result<Caller, Problem> {
    let unknown = || problems::login_required("the API key is not known");
    if !api_key.starts_with(PREFIX) {
        return Err(unknown());
    }
    let select = "SELECT account.account_id, account.roles
         FROM api_key JOIN account USING (account_id)
         WHERE key_hash = $1 AND revoked_at IS NULL";
    let select = sqlx::query(select).bind(hash(api_key)).fetch_optional(&app.postgres);
    let row =
        in_time("look up an API key", select).await.map_err(|error| problems::store(&error))?;
    let row = row.ok_or_else(unknown)?;
    let read = || -> Result<Caller, sqlx::Error> {
        let account = AccountId(row.try_get::<Uuid, _>("account_id")?.as_u128());
        Ok(Caller { account, roles: Roles::from_bits(row.try_get("roles")?) })
    };
    read().map_err(|error| problems::store(&error))
}

fn hash(api_key: &str) -> Vec<u8> {
    sha256(&[b"usher api key 1 ", api_key.as_bytes()]).to_vec()
}
