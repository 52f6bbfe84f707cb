//! Leaving the line.

use super::place::{guard_act, marks, opened};
use super::room_of_path::RoomOfPath;
use super::{App, problems};
use crate::config::{LEAVE_AGAIN, LEAVE_WAIT};
use crate::give_back::give_back;
use crate::room::Room;
use crate::store::{Fault, Phase};
use axum::extract::State;
use chassis::Problem;
use chassis::clock::Monotonic;
use http::{HeaderMap, StatusCode};
use schema::UnixMillis;
use std::sync::Arc;
use waiting_room_core::{Standing, Token};

/// Leaves the line. Repeating it changes nothing.
///
/// A place that waits is passed; its fan may come back, into the late lane if it was passed
/// already. A called place that is not claimed ends at once and makes room for the next. After the
/// claim of an event without seats the pass is given back. Where seats are sold nothing changes:
/// the pass stays good until it ends, and takes up its slot until then or until it has bought.
#[utoipa::path(delete, path = "/api/queue/{eventId}/me", tag = "queue",
    params(("eventId" = String, Path), ("Waiting-Room-Token" = String, Header)),
    responses((status = 204), (status = 401), (status = 403),
        (status = 429, description = "POLL_TOO_SOON"),
        (status = 503, description = "ROOM_UNAVAILABLE: nobody can leave now; ask again")))]
pub(super) async fn leave(
    State(app): State<Arc<App>>,
    RoomOfPath(room): RoomOfPath,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let now = room.wall();
    let place = opened(&app, &room, &headers, now)?;
    guard_act(&app, &room, &place)?;
    let started = Monotonic::now();
    let no_leave = || problems::unavailable("nobody can leave now; the place just passes");
    // That may take hours, and Redis need not be asked about it.
    if room.line_number(&place.token).is_none() && room.ledger().awaits_a_word() {
        return Err(no_leave());
    }
    match visiting(&room, &place.token, now).await {
        Ok(None) => {}
        Ok(Some(number)) if give_back(&room, &app.nats, number).await => {
            return Ok(StatusCode::NO_CONTENT);
        }
        Ok(Some(_)) => return Err(problems::not_given_back()),
        Err(_) => return Err(no_leave()),
    }
    loop {
        match try_leave(&room, &place.token, now).await {
            Ok(true) => return Ok(StatusCode::NO_CONTENT),
            Ok(false) if started.elapsed() < LEAVE_WAIT => tokio::time::sleep(LEAVE_AGAIN).await,
            Ok(false) | Err(_) => return Err(no_leave()),
        }
    }
}

/// The number of a place with a pass that is good at a gate; `None` for any other.
///
/// Where nobody knows since a loss of Redis whether it was claimed, the pass itself can be given
/// back.
async fn visiting(room: &Room, token: &Token, now: UnixMillis) -> Result<Option<u64>, Fault> {
    if room.listing().has_seats() {
        return Ok(None);
    }
    let Some(number) = room.line_number(token) else { return Ok(None) };
    let (blessed, standing) = room.standing(number);
    let Standing::Called(terms) = standing else { return Ok(None) };
    let claimed = match terms.counted {
        _ if terms.pass_until <= now => false,
        Some(claimed) => claimed,
        None => marks(room, &blessed, number).await?.claimed,
    };
    Ok(claimed.then_some(number))
}

/// Leaves if there is something to leave; false while the place is being drawn.
async fn try_leave(room: &Room, token: &Token, now: UnixMillis) -> Result<bool, Fault> {
    let Some(number) = room.line_number(token) else {
        // Before its draw a place has its bit where it was given out.
        return room.store.leave(&room.blessed(), token.number, Some(Phase::Gather)).await;
    };
    let (blessed, standing) = room.standing(number);
    let is_over = match standing {
        Standing::Waiting | Standing::Skipped => false,
        Standing::Called(terms) => {
            let is_closed = terms.claim_until <= now || terms.counted.is_some();
            is_closed || room.claimed().contains(number)
        }
        Standing::Left | Standing::Over => true,
    };
    if is_over {
        return Ok(true);
    }
    room.forget_presence(number);
    room.store.leave(&blessed, number, None).await
}
