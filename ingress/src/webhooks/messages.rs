//! What was told to an endpoint, and what waits for it.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use schema::UnixMillis;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::body::WebhookId;
use super::endpoints::unknown;
use super::stored::{self, StoredMessage};
use crate::accounts::Partner;
use crate::app::App;
use crate::extract::{Id, Params, json};
use crate::problems::{self, Answered};

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageState {
    Waiting,
    Delivered,
    /// Given up after some three days; an operator can replay it.
    Parked,
}

impl MessageState {
    const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Parked => "parked",
        }
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MessagesParams {
    /// `waiting`, `delivered` or `parked`; all without.
    state: Option<MessageState>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct MessagesBody {
    /// The newest 500, newest first; ended ones for 30 days.
    messages: Vec<MessageBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageBody {
    /// Its `webhook-id`.
    message_id: String,
    /// The booking: its messages are sent in the order of `sequence`.
    object: String,
    sequence: i64,
    kind: String,
    /// `waiting`, `delivered` or `parked`.
    state: String,
    tries: i32,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_at: Option<String>,
    /// What its last try was answered, or why it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_status: Option<i16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

/// Lists the newest messages of an endpoint.
#[utoipa::path(get, path = "/api/partners/webhooks/{webhookId}/messages", tag = "partners",
    security(("bearer" = []), ("apiKey" = [])),
    params(("webhookId" = String, Path), MessagesParams),
    responses((status = 200, body = MessagesBody),
        (status = 404, description = "WEBHOOK_UNKNOWN")))]
pub async fn webhook_messages(
    State(app): State<Arc<App>>,
    Partner(caller): Partner,
    Id(id): Id<WebhookId>,
    Params(params): Params<MessagesParams>,
) -> Answered {
    let exists = stored::exists(&app.postgres, id, Some(caller.account)).await;
    if !exists.map_err(|error| problems::store(&error))? {
        return Err(unknown());
    }
    let state = params.state.map(MessageState::name);
    let found = stored::messages(&app.postgres, id, state).await;
    let found = found.map_err(|error| problems::store(&error))?;
    let messages = found.into_iter().map(MessageBody::of).collect();
    Ok(json(StatusCode::OK, &MessagesBody { messages }))
}

impl MessageBody {
    fn of(stored: StoredMessage) -> Self {
        let StoredMessage { id, object, sequence, kind, state, tries, .. } = stored;
        Self {
            message_id: format!("m-{}", id.simple()),
            object,
            sequence,
            kind,
            state,
            tries,
            created_at: stored.created_at.to_rfc3339(),
            next_at: stored.next_at.map(UnixMillis::to_rfc3339),
            last_status: stored.last_status,
            last_error: stored.last_error,
        }
    }
}
