//! A fan's own place: the poll.

use super::place::{PlaceBody, describe, note_presence, opened};
use super::room_of_path::RoomOfPath;
use super::{App, problems};
use crate::metrics;
use crate::room::Room;
use crate::seal::Opened;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use chassis::Problem;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use std::sync::Arc;

pub(super) const ROUTE: &str = "/api/queue/{eventId}/me";

/// Room for the answer about a place with all its members.
pub(super) const BODY_BYTES: usize = 320;

/// Room for these headers and those that every answer gets on its way out.
pub(super) const HEADERS: usize = 8;

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
    let now = room.wall();
    let place = opened(&app, &room, &headers, now)?;
    guard(&app, &room, &place)?;
    note_presence(&room, &place.token);
    Ok(respond(&describe(&room, &place, now).await).map(Body::from))
}

/// Lets a poll pass and counts it, or says when the place may be asked about again.
pub(super) fn guard(app: &App, room: &Room, place: &Opened) -> Result<(), Problem> {
    room.guards.pass(place.token.number, app.uptime_ms()).map_err(|wait| {
        metrics::refused("rate");
        problems::too_soon(wait)
    })?;
    metrics::polled();
    Ok(())
}

pub(super) fn respond(body: &PlaceBody) -> http::Response<Bytes> {
    let mut text = Vec::with_capacity(BODY_BYTES);
    body.write(&mut text);
    let mut response = http::Response::new(Bytes::from(text));
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
