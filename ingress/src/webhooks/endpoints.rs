//! Endpoints: made, listed, changed, given another secret, taken away.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chassis::Problem;
use chassis::idempotency::{Deed, Kept};
use chassis::webhook::Secret;
use http::{HeaderMap, StatusCode};
use schema::AccountId;
use serde_json::Value;
use uuid::Uuid;

use super::body::{
    WebhookBody, WebhookChange, WebhookId, WebhookInput, WebhooksBody, checked_kinds, checked_url,
};
use super::stored;
use crate::accounts::Partner;
use crate::app::App;
use crate::extract::{Id, Json, json, mark_replayed};
use crate::keyed::{self, Begun, Turn};
use crate::problems::{self, Answered};

const CREATE: &str = "POST /api/partners/webhooks";
const ROTATE: &str = "POST /api/partners/webhooks/{webhookId}/rotate";

/// Makes an endpoint that hears what becomes of bookings for one's own events, ten at most.
///
/// A message is `{type, timestamp, data}`, signed as Standard Webhooks says (`webhook-id`,
/// `webhook-timestamp`, `webhook-signature`). It is sent until it is answered 2xx, ten times within
/// some three days; 410 turns the endpoint off. Messages of one booking come one after the other.
/// One may come twice: its `webhook-id` is the same then.
#[utoipa::path(post, path = "/api/partners/webhooks", tag = "partners", request_body = WebhookInput,
    security(("bearer" = []), ("apiKey" = [])),
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = WebhookBody),
        (status = 409, description = "WEBHOOKS_TOO_MANY, IDEMPOTENCY_IN_FLIGHT"),
        (status = 422, description = "WEBHOOK_TARGET_REFUSED, REQUEST_INVALID, \
            IDEMPOTENCY_MISMATCH")))]
pub async fn create_webhook(
    State(app): State<Arc<App>>,
    Partner(caller): Partner,
    headers: HeaderMap,
    body: Json<WebhookInput>,
) -> Answered {
    let Json { value: WebhookInput { url, kinds }, sent } = body;
    checked_url(&url, app.config.demo)?;
    let kinds = checked_kinds(kinds)?;
    let (path, asker) = ("/api/partners/webhooks", keyed::caller(caller.account));
    let deed = Deed { route: CREATE, path, caller: &asker, body: &sent };
    match keyed::begin(&app, &headers, &deed).await? {
        Begun::Over(kept) => Ok(again(&app, kept)),
        Begun::Turn(mut turn) => {
            let made = make(&app, &mut turn, caller.account, (&url, &kinds)).await;
            turn.end(made).await
        }
    }
}

async fn make(
    app: &App,
    turn: &mut Turn,
    account: AccountId,
    (url, kinds): (&str, &[String]),
) -> Answered {
    let (id, now) = (WebhookId(Uuid::now_v7()), chassis::clock::now());
    let mut tx = keyed::transaction(&app.postgres).await?;
    let made = stored::create(&mut *tx, id, account, (url, kinds), now).await;
    if !made.map_err(|error| problems::store(&error))? {
        let title = "The account has as many webhooks as it may";
        return Err(Problem::new(409, "WEBHOOKS_TOO_MANY", title, "ten at most: delete one"));
    }
    let body = WebhookBody {
        webhook_id: id.to_string(),
        url: url.to_owned(),
        kinds: kinds.to_vec(),
        active: true,
        off_reason: None,
        secret_number: 1,
        created_at: now.to_rfc3339(),
        secret: None,
    };
    let kept = keyed::kept(StatusCode::CREATED, &body);
    turn.commit(tx, &kept).await?;
    Ok(shown(app, kept))
}

/// Lists one's endpoints, without their secrets.
#[utoipa::path(get, path = "/api/partners/webhooks", tag = "partners",
    security(("bearer" = []), ("apiKey" = [])),
    responses((status = 200, body = WebhooksBody)))]
pub async fn webhooks(State(app): State<Arc<App>>, Partner(caller): Partner) -> Answered {
    let found = stored::of_account(&app.postgres, caller.account).await;
    let webhooks = found.map_err(|error| problems::store(&error))?;
    Ok(json(StatusCode::OK, &WebhooksBody { webhooks }))
}

/// Changes an endpoint; turning it on again sends what waits for it.
#[utoipa::path(patch, path = "/api/partners/webhooks/{webhookId}", tag = "partners",
    security(("bearer" = []), ("apiKey" = [])), params(("webhookId" = String, Path)),
    request_body = WebhookChange,
    responses((status = 200, body = WebhookBody), (status = 404, description = "WEBHOOK_UNKNOWN"),
        (status = 422, description = "WEBHOOK_TARGET_REFUSED, REQUEST_INVALID")))]
pub async fn change_webhook(
    State(app): State<Arc<App>>,
    Partner(caller): Partner,
    Id(id): Id<WebhookId>,
    Json { value, .. }: Json<WebhookChange>,
) -> Answered {
    let WebhookChange { url, kinds, active } = value;
    if let Some(url) = &url {
        checked_url(url, app.config.demo)?;
    }
    let kinds = kinds.map(|kinds| checked_kinds(Some(kinds))).transpose()?;
    let changed = stored::change(&app.postgres, id, caller.account, (url, kinds, active)).await;
    let changed = changed.map_err(|error| problems::store(&error))?.ok_or_else(unknown)?;
    Ok(json(StatusCode::OK, &changed))
}

/// Gives an endpoint another secret. For a day its messages are signed with the one before too.
#[utoipa::path(post, path = "/api/partners/webhooks/{webhookId}/rotate", tag = "partners",
    security(("bearer" = []), ("apiKey" = [])),
    params(("webhookId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = WebhookBody), (status = 404, description = "WEBHOOK_UNKNOWN")))]
pub async fn rotate_webhook(
    State(app): State<Arc<App>>,
    Partner(caller): Partner,
    Id(id): Id<WebhookId>,
    headers: HeaderMap,
) -> Answered {
    let path = format!("/api/partners/webhooks/{id}/rotate");
    let asker = keyed::caller(caller.account);
    let deed = Deed { route: ROTATE, path: &path, caller: &asker, body: &Value::Null };
    match keyed::begin(&app, &headers, &deed).await? {
        Begun::Over(kept) => Ok(again(&app, kept)),
        Begun::Turn(mut turn) => {
            let rotated = rotate(&app, &mut turn, id, caller.account).await;
            turn.end(rotated).await
        }
    }
}

async fn rotate(app: &App, turn: &mut Turn, id: WebhookId, account: AccountId) -> Answered {
    let mut tx = keyed::transaction(&app.postgres).await?;
    let rotated = stored::rotate(&mut *tx, id, account, chassis::clock::now()).await;
    let rotated = rotated.map_err(|error| problems::store(&error))?.ok_or_else(unknown)?;
    let kept = keyed::kept(StatusCode::OK, &rotated);
    turn.commit(tx, &kept).await?;
    Ok(shown(app, kept))
}

/// Takes an endpoint away, with what waits for it.
#[utoipa::path(delete, path = "/api/partners/webhooks/{webhookId}", tag = "partners",
    security(("bearer" = []), ("apiKey" = [])), params(("webhookId" = String, Path)),
    responses((status = 204, description = "It is gone"),
        (status = 404, description = "WEBHOOK_UNKNOWN")))]
pub async fn delete_webhook(
    State(app): State<Arc<App>>,
    Partner(caller): Partner,
    Id(id): Id<WebhookId>,
) -> Result<StatusCode, Problem> {
    let deleted = stored::delete(&app.postgres, id, caller.account).await;
    let deleted = deleted.map_err(|error| problems::store(&error))?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(unknown()) }
}

pub(super) fn unknown() -> Problem {
    Problem::new(404, "WEBHOOK_UNKNOWN", "No such webhook", "your account has no such webhook")
}

fn again(app: &App, kept: Kept) -> Response {
    let mut response = shown(app, kept);
    mark_replayed(&mut response, true);
    response
}

/// The answer, with the secret that is not in what is kept of it.
fn shown(app: &App, kept: Kept) -> Response {
    let body: Result<WebhookBody, _> = serde_json::from_str(&kept.body);
    // A refusal is kept as it is.
    let Ok(mut body) = body else { return keyed::first(kept) };
    let id: WebhookId = body.webhook_id.parse().expect("only own ids are kept");
    let secret = Secret::of(&app.webhook_key, id.0.into_bytes(), body.secret_number);
    body.secret = Some(secret.text());
    let status = StatusCode::from_u16(kept.status).expect("stored from a status");
    json(status, &body)
}
