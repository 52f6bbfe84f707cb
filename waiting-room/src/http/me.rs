//! A fan's own place: the poll.

use super::place::{PlaceBody, describe, note_presence, opened};
use super::room_of_path::RoomOfPath;
use super::{App, problems};
use crate::metrics;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chassis::Problem;
use http::HeaderMap;
use http::header::CACHE_CONTROL;
use std::sync::Arc;

#[utoipa::path(get, path = "/api/queue/{eventId}/me", tag = "queue",
    params(("eventId" = String, Path), ("Waiting-Room-Token" = String, Header)),
    responses((status = 200, body = PlaceBody),
        (status = 401, description = "TOKEN_REQUIRED, TOKEN_INVALID, TOKEN_EXPIRED"),
        (status = 403, description = "TOKEN_FOREIGN"),
        (status = 429, description = "POLL_TOO_SOON")))]
pub(super) async fn me(
    State(app): State<Arc<App>>,
    RoomOfPath(room): RoomOfPath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = chassis::clock::now();
    let place = opened(&app, &room, &headers, now)?;
    room.guard(place.token.number, app.uptime_ms()).map_err(|wait| {
        metrics::refused("rate");
        problems::too_soon(wait)
    })?;
    metrics::polled();
    note_presence(&room, &place.token, now).await;
    let body = describe(&room, &place, now).await;
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)).into_response())
}
