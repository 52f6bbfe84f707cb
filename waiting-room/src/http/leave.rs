//! Leaving the line.

use super::place::{guard_act, marks, opened};
use super::room_of_path::RoomOfPath;
use super::{App, problems};
use crate::config::{LEAVE_AGAIN, LEAVE_WAIT};
use crate::give_back::give_back;
use crate::room::Room;
use crate::store::{Fault, Leave, Phase};
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
    loop {
        match try_leave(&room, &place.token, now).await {
            Ok(Leave::Left) => return Ok(StatusCode::NO_CONTENT),
            Ok(Leave::Claimed) => return end_visit(&app, &room, &place.token, now).await,
            Ok(Leave::Unclear) if started.elapsed() < LEAVE_WAIT => {
                tokio::time::sleep(LEAVE_AGAIN).await;
            }
            Ok(Leave::Unclear) | Err(_) => return Err(no_leave()),
        }
    }
}

/// Ends the visit of a place that was claimed, if its pass is good at a gate and nowhere else.
async fn end_visit(
    app: &App,
    room: &Room,
    token: &Token,
    now: UnixMillis,
) -> Result<StatusCode, Problem> {
    let number = room.line_number(token).filter(|&number| {
        let standing = room.standing(number).1;
        let is_good = matches!(standing, Standing::Called(terms) if now < terms.pass_until);
        is_good && !room.listing().has_seats()
    });
    match number {
        Some(number) if !give_back(room, &app.nats, number).await => {
            Err(problems::not_given_back())
        }
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

/// Leaves if there is something to leave.
///
/// A claim that Redis has lost is not seen here: its pass can still be given back by itself.
async fn try_leave(room: &Room, token: &Token, now: UnixMillis) -> Result<Leave, Fault> {
    let Some(number) = room.line_number(token) else {
        // Before its draw a place has its bit where it was given out.
        return room.store.leave(&room.blessed(), token.number, Some(Phase::Gather)).await;
    };
    let (blessed, standing) = room.standing(number);
    match standing {
        Standing::Waiting | Standing::Skipped => {}
        Standing::Called(terms) => match terms.counted {
            Some(true) => return Ok(Leave::Claimed),
            Some(false) => return Ok(Leave::Left),
            None if room.claimed().contains(number) => return Ok(Leave::Claimed),
            None if terms.claim_until <= now && room.listing().has_seats() => {
                return Ok(Leave::Left);
            }
            // Nobody but those who have claimed in time can have a pass.
            None if terms.claim_until <= now => {
                let claimed = marks(room, &blessed, number).await?.claimed;
                return Ok(if claimed { Leave::Claimed } else { Leave::Left });
            }
            None => {}
        },
        Standing::Left | Standing::Over => return Ok(Leave::Left),
    }
    room.forget_presence(number);
    let left = room.store.leave(&blessed, number, None).await?;
    // The release that has called it is still on its way here.
    let is_behind = left == Leave::Claimed && !matches!(standing, Standing::Called(_));
    Ok(if is_behind { Leave::Unclear } else { left })
}
