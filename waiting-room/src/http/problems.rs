//! Problem documents of this stage, each with a stable code.

use crate::seal::TokenRefusal;
use chassis::Problem;
use schema::{DurationMs, UnixMillis};
use waiting_room_core::JoinRefusal;

pub(super) fn event_unknown() -> Problem {
    Problem::new(404, "EVENT_UNKNOWN", "No such event", "no event has this id")
}

pub(super) fn room_off() -> Problem {
    let detail = "reserve needs no pass for this event";
    Problem::new(409, "ROOM_OFF", "The event has no waiting room now", detail)
}

pub(super) fn join_refused(refusal: JoinRefusal, now: UnixMillis) -> Problem {
    match refusal {
        JoinRefusal::Off => room_off(),
        JoinRefusal::NotYet(begins_at) => {
            not_open_yet(format!("its pre-queue begins at {begins_at}"), begins_at, now)
        }
        JoinRefusal::Announced(opens_at) => {
            let detail = format!("it is closed, and announced for {opens_at}");
            not_open_yet(detail, opens_at, now)
        }
        JoinRefusal::Closed => {
            let title = "The waiting room takes nobody any more";
            Problem::new(409, "ROOM_CLOSED", title, "its status says if those in line are served")
        }
        JoinRefusal::SoldOut => {
            Problem::new(409, "SOLD_OUT", "No place is free", "every place is sold")
        }
    }
}

fn not_open_yet(detail: String, until: UnixMillis, now: UnixMillis) -> Problem {
    let seconds = until.since(now).0.div_ceil(1_000);
    let wait = u32::try_from(seconds).unwrap_or(u32::MAX).max(1);
    Problem::retryable(423, "NOT_OPEN_YET", "The waiting room is not open yet", detail, wait)
}

pub(super) fn enqueue_token_required() -> Problem {
    let title = "The room takes only those whom the promoter names";
    Problem::new(403, "ENQUEUE_TOKEN_REQUIRED", title, "send the promoter's token as enqueueToken")
}

pub(super) fn enqueue_token_invalid() -> Problem {
    let title = "The enqueue token is not one of this event's promoter";
    let detail = "it is forged, expired, of another event, or says more or less than it must";
    Problem::new(403, "ENQUEUE_TOKEN_INVALID", title, detail)
}

pub(super) fn enqueue_token_taken() -> Problem {
    let title = "The enqueue token is another account's";
    let detail = "each person that the promoter names has joined with one account for good";
    Problem::new(403, "ENQUEUE_TOKEN_TAKEN", title, detail)
}

pub(super) fn place_foreign() -> Problem {
    let title = "The place is another account's";
    Problem::new(403, "PLACE_FOREIGN", title, "claim with the account that joined")
}

pub(super) fn not_on_sale() -> Problem {
    Problem::new(409, "NOT_ON_SALE", "The event is not on sale", "it was cancelled")
}

pub(super) fn token(refusal: TokenRefusal) -> Problem {
    match refusal {
        TokenRefusal::Invalid => {
            let title = "The waiting-room token is not genuine";
            Problem::new(401, "TOKEN_INVALID", title, "it was not made by this service")
        }
        TokenRefusal::Expired => {
            let title = "The waiting-room token has expired";
            Problem::new(401, "TOKEN_EXPIRED", title, "join again")
        }
        TokenRefusal::Foreign => {
            let title = "The waiting-room token is for another event";
            Problem::new(403, "TOKEN_FOREIGN", title, "use the token of this event's room")
        }
    }
}

pub(super) fn token_missing() -> Problem {
    let title = "A waiting-room token is needed";
    Problem::new(401, "TOKEN_REQUIRED", title, "send it as Waiting-Room-Token")
}

pub(super) fn too_soon(wait: DurationMs) -> Problem {
    let seconds = u32::try_from(wait.0.div_ceil(1_000)).unwrap_or(u32::MAX).max(1);
    let detail = "one call a second is answered, after ten at once; pollAfterMs says when";
    Problem::retryable(429, "POLL_TOO_SOON", "This place is asked about too often", detail, seconds)
}

pub(super) fn unavailable(detail: &str) -> Problem {
    let title = "The waiting room cannot do this now";
    Problem::retryable(503, "ROOM_UNAVAILABLE", title, detail, 1)
}

pub(super) fn busy() -> Problem {
    let title = "Too many people join at this moment";
    Problem::retryable(503, "BUSY", title, "ask again with the same Idempotency-Key", 1)
}

pub(super) fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(422, "REQUEST_INVALID", "The request makes no sense", detail)
}

pub(super) fn unreadable(status: u16, detail: impl Into<String>) -> Problem {
    let code = if status == 413 { "BODY_TOO_LARGE" } else { "REQUEST_UNREADABLE" };
    Problem::new(status, code, "The request cannot be read", detail)
}

pub(super) fn media_type() -> Problem {
    let title = "The body's media type is not taken here";
    let detail = "send the body with Content-Type: application/json";
    Problem::new(415, "MEDIA_TYPE_UNSUPPORTED", title, detail)
}

pub(super) fn not_called() -> Problem {
    let title = "The place has not been called yet";
    Problem::new(409, "NOT_CALLED", title, "its state says when it is ready")
}

pub(super) fn claim_expired() -> Problem {
    let title = "The time to claim this place is over";
    Problem::new(410, "CLAIM_EXPIRED", title, "join again for a new place")
}

pub(super) fn secret_wrong() -> Problem {
    let title = "The place belongs to who knows its secret";
    Problem::new(403, "POP_INVALID", title, "popSecret does not match the place")
}

pub(super) fn pass_required(room: Option<String>) -> Problem {
    let title = "A valid admission pass is needed";
    let mut problem = Problem::new(401, "PASS_REQUIRED", title, "join the waiting room first");
    if let Some(room) = room {
        problem.members.insert("room".to_owned(), room.into());
    }
    problem
}

pub(super) fn pass_buys_seats() -> Problem {
    let title = "The pass buys seats, and is not given back";
    let detail = "it ends when it has bought, or when its time is over";
    Problem::new(409, "PASS_BUYS_SEATS", title, detail)
}

pub(super) fn visit_unknown() -> Problem {
    unavailable("which passes were given back is being read; ask again")
}

pub(super) fn not_given_back() -> Problem {
    unavailable("nobody knows if the pass is given back; ask again, or it just ends")
}

pub(super) fn not_drawn() -> Problem {
    let title = "The place is in no draw";
    Problem::new(404, "NOT_DRAWN", title, "only places of a pre-queue are drawn, when it closes")
}

pub(super) fn root_unknown() -> Problem {
    let title = "No draw of this room has this root";
    Problem::new(404, "ROOT_UNKNOWN", title, "fairness shows the roots of its draws")
}
