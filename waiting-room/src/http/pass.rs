//! Giving a pass back: the visit is over before its time.

use super::place::too_often;
use super::room_of_path::RoomOfPath;
use super::{App, authz, problems};
use crate::give_back::give_back as end;
use crate::metrics;
use crate::room::Room;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chassis::Problem;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use std::sync::Arc;

/// Gives a pass back, at a room of an event without seats. Repeating it changes nothing.
///
/// The pass comes as at the gate: `Admission-Pass`, else a cookie. Whoever has it may: it opens no
/// gate any more, its slot is the next one's, and its cookie is taken away.
#[utoipa::path(delete, path = "/api/queue/{eventId}/pass", tag = "queue",
    params(("eventId" = String, Path), ("Admission-Pass" = Option<String>, Header)),
    responses((status = 204, headers(("Set-Cookie" = String))),
        (status = 401, description = "PASS_REQUIRED, with the room's address",
            headers(("Waiting-Room" = String))),
        (status = 404, description = "EVENT_UNKNOWN"),
        (status = 409, description = "PASS_BUYS_SEATS: it ends when it has bought, or its time is \
            over; ROOM_OFF"),
        (status = 429, description = "POLL_TOO_SOON"),
        (status = 503, description = "ROOM_UNAVAILABLE: nobody knows if it is given back; ask \
            again")))]
pub(super) async fn give_back(
    State(app): State<Arc<App>>,
    RoomOfPath(room): RoomOfPath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let numbers: Vec<u64> = authz::good_passes(&app, &room, &headers).collect();
    if numbers.is_empty() {
        metrics::refused("pass");
        return Ok(authz::refused(Some(&room.event)));
    }
    if room.listing().has_seats() {
        return Err(problems::pass_buys_seats());
    }
    for number in numbers {
        end_visit(&app, &room, number).await?;
    }
    let cookie = (SET_COOKIE, authz::cookie(&room.event, "", 0));
    Ok((StatusCode::NO_CONTENT, [(CACHE_CONTROL, authz::no_store()), cookie]).into_response())
}

/// A visit that is over already costs nobody a call.
async fn end_visit(app: &App, room: &Room, number: u64) -> Result<(), Problem> {
    if room.has_completed(number) {
        return Ok(());
    }
    room.give_backs.pass(number, app.uptime_ms()).map_err(too_often)?;
    if end(room, &app.nats, number).await { Ok(()) } else { Err(problems::not_given_back()) }
}
