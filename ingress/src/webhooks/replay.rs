//! Messages are sent once more, by an operator.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use chassis::Problem;
use chassis::idempotency::Deed;
use http::{HeaderMap, StatusCode};
use schema::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::body::{WebhookId, named};
use super::endpoints::unknown;
use super::stored::{self, Which};
use crate::accounts::{Caller, Operator};
use crate::admin::{record, time};
use crate::app::App;
use crate::extract::{Id, Json};
use crate::keyed::{self, Begun, Turn};
use crate::layers::RequestId;
use crate::problems::{self, Answered};

const ROUTE: &str = "POST /api/admin/webhooks/{webhookId}/replay";

/// One message by its id, or all that were made in `[from, to)`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplayInput {
    message_id: Option<String>,
    /// RFC 3339.
    from: Option<String>,
    to: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ReplayBody {
    /// How many messages wait to be sent now.
    replayed: u64,
}

/// Sends messages of an endpoint once more, whatever became of them, with the ids that they have.
#[utoipa::path(post, path = "/api/admin/webhooks/{webhookId}/replay", tag = "operators",
    request_body = ReplayInput, security(("bearer" = [])),
    params(("webhookId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = ReplayBody), (status = 404, description = "WEBHOOK_UNKNOWN"),
        (status = 422, description = "REQUEST_INVALID")))]
pub async fn replay_webhook(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Extension(request): Extension<RequestId>,
    Id(id): Id<WebhookId>,
    headers: HeaderMap,
    body: Json<ReplayInput>,
) -> Answered {
    let which = body.value.which()?;
    let path = format!("/api/admin/webhooks/{id}/replay");
    let asker = keyed::caller(caller.account);
    let deed = Deed { route: ROUTE, path: &path, caller: &asker, body: &body.sent };
    match keyed::begin(&app, &headers, &deed).await? {
        Begun::Over(kept) => Ok(keyed::again(kept)),
        Begun::Turn(mut turn) => {
            let told = (&caller, &request, &body.sent);
            let done = replay(&app, &mut turn, told, id, which).await;
            turn.end(done).await
        }
    }
}

async fn replay(
    app: &App,
    turn: &mut Turn,
    (caller, request, sent): (&Caller, &RequestId, &Value),
    id: WebhookId,
    which: Which,
) -> Answered {
    let exists = stored::exists(&app.postgres, id, None).await;
    if !exists.map_err(|error| problems::store(&error))? {
        return Err(unknown());
    }
    record(app, caller, request, "webhook.replay", &format!("webhook {id}"), sent).await?;
    let mut tx = keyed::transaction(&app.postgres).await?;
    let replayed = stored::replay(&mut *tx, id, which, chassis::clock::now()).await;
    let replayed = replayed.map_err(|error| problems::store(&error))?;
    let kept = keyed::kept(StatusCode::OK, &ReplayBody { replayed });
    turn.commit(tx, &kept).await?;
    Ok(keyed::first(kept))
}

impl ReplayInput {
    fn which(&self) -> Result<Which, Problem> {
        let wrong = || problems::invalid("send messageId, or from and to, a later time");
        match (&self.message_id, &self.from, &self.to) {
            (Some(id), None, None) => named(id, "m-").map(Which::One).ok_or_else(wrong),
            (None, Some(from), Some(to)) => {
                let read = |name, text: &str| -> Result<UnixMillis, Problem> {
                    time(name, Some(text))?.ok_or_else(wrong)
                };
                let (from, to) = (read("from", from)?, read("to", to)?);
                if to <= from {
                    return Err(wrong());
                }
                Ok(Which::Between { from, to })
            }
            _ => Err(wrong()),
        }
    }
}
