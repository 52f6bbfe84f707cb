//! The gate for others' sites: does this request carry a pass?

use super::{App, problems};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// The cookie that may carry a pass.
const PASS_COOKIE: &str = "admission_pass";

/// Which event the pass must be for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct AuthzQuery {
    event_id: Option<String>,
}

#[utoipa::path(get, path = "/api/queue/authz", tag = "queue",
    params(AuthzQuery, ("Admission-Pass" = Option<String>, Header)),
    responses((status = 204),
        (status = 401, description = "PASS_REQUIRED, with the room's address")))]
pub(super) async fn authz(
    State(app): State<Arc<App>>,
    Query(query): Query<AuthzQuery>,
    headers: HeaderMap,
) -> Response {
    let pass = headers.get("admission-pass").and_then(|pass| pass.to_str().ok());
    let claims = pass
        .or_else(|| cookie(&headers))
        .and_then(|pass| app.passes.verify(pass, chassis::clock::now()))
        .filter(|claims| {
            query.event_id.as_ref().is_none_or(|event| claims.event.as_str() == event)
        });
    if claims.is_some() {
        return StatusCode::NO_CONTENT.into_response();
    }
    // Only an event's own spelling gets into a header.
    let event: Option<schema::EventId> = query.event_id.and_then(|event| event.parse().ok());
    let address = event.map(|event| format!("/api/queue/{event}"));
    let mut response = problems::pass_required(address.clone()).into_response();
    if let Some(address) = address {
        let address =
            HeaderValue::try_from(address).expect("an event id has no control characters");
        response.headers_mut().insert("waiting-room", address);
    }
    response
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers.get_all(COOKIE).iter().find_map(|value| {
        let pairs = value.to_str().ok()?.split(';');
        pairs
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(name, value)| (name == PASS_COOKIE).then_some(value))
    })
}
