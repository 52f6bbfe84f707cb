//! What everybody may know of a room: one document for all, to be kept by caches for a second.

use super::me::HEADERS;
use super::room_of_path::RoomOfPath;
use crate::document::Rendered;
use crate::room::Room;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use chassis::http::Lines;
use chassis::{Problem, base64url, keys};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use schema::admission::{HoldReason, LimitedBy, SeatsBand};
use schema::{QueueingMethod, RoomMode};
use serde::Serialize;
use utoipa::ToSchema;
use waiting_room_core::{Ending, POLLS, ending};

pub(super) const ROUTE: &str = "/api/queue/{eventId}/status";

const CACHED: &str = "public, max-age=1, stale-while-revalidate=5";

/// The room's public state.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusBody {
    #[schema(value_type = String)]
    mode: RoomMode,
    epoch: u32,
    /// Every number up to it has been called, or was gone.
    cursor: u64,
    admission_rate_per_minute: u32,
    /// Which limit holds the line back now.
    #[schema(value_type = String)]
    limited_by: LimitedBy,
    #[schema(value_type = String)]
    seats_remaining_band: SeatsBand,
    /// Why nobody is called: `operator`, `redis-away`, `new-epoch`, `numbers-in-doubt`,
    /// `sales-unknown` or `leader-silent`; null while the line goes on, or has nobody to call.
    #[schema(value_type = Option<String>)]
    hold_reason: Option<HoldReason>,
    #[schema(value_type = String)]
    queueing_method: QueueingMethod,
    /// Whether a room in standby is a line now; null in other modes.
    armed: Option<bool>,
    /// The last number of a room that drains: nobody gets a higher one. Null in other modes, and
    /// until it is known.
    cutoff_number: Option<u64>,
    /// No place is free now. Who stays in line is called when some come back.
    sold_out: bool,
    /// `cancelled` or `closed`: nobody is called any more.
    ended: Option<&'static str>,
    /// Live people who wait.
    waiting: u64,
    called_last_minute: u32,
    poll_policy: PollPolicyBody,
    message: Option<&'static str>,
    server_time: String,
}

/// How `pollAfterMs` follows from the wait.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PollPolicyBody {
    floor_ms: u64,
    /// It grows with the line, so that all who wait together ask within a budget.
    ceiling_ms: u64,
    divisor: u64,
}

#[utoipa::path(get, path = "/api/queue/{eventId}/status", tag = "queue",
    params(("eventId" = String, Path)),
    responses((status = 200, body = StatusBody), (status = 304), (status = 404)))]
pub(super) async fn status(
    RoomOfPath(room): RoomOfPath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Ok(respond(&room, (&headers).into()).map(Body::from))
}

pub(super) fn respond(room: &Room, headers: Lines<'_>) -> http::Response<Bytes> {
    let rendered = room.document.get(|| render(room));
    let known = headers.all(&IF_NONE_MATCH);
    let is_known = known.into_iter().any(|known| names(known, &rendered.tag));
    let mut response = http::Response::new(Bytes::new());
    response.headers_mut().reserve(HEADERS);
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        *response.body_mut() = rendered.body.clone();
    }
    response.headers_mut().insert(ETAG, rendered.tag.clone());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(CACHED));
    response
}

/// Whether an `If-None-Match` names the tag, in its list or by `*`. The weak form of it is the
/// same: a proxy that compresses makes one of it.
fn names(known: &[u8], tag: &HeaderValue) -> bool {
    let tags = known.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    tags.into_iter().any(|one| one == b"*" || one.strip_prefix(b"W/").unwrap_or(one) == tag)
}

fn render(room: &Room) -> Rendered {
    let mut body = describe(room);
    let text = serde_json::to_vec(&body).expect("numbers and texts become JSON");
    // The time is not part of the tag: it alone is no news.
    let tag = format!("\"{}\"", base64url::encode(&keys::sha256(&[&text])[..12]));
    let tag = HeaderValue::from_str(&tag).expect("base64 fits a header");
    body.server_time = chassis::clock::now().to_rfc3339();
    let text = serde_json::to_vec(&body).expect("numbers and texts become JSON");
    Rendered { tag, body: text.into() }
}

fn describe(room: &Room) -> StatusBody {
    let (settings, status) = (room.settings(), room.status());
    let (epoch, cursor, is_armed, cutoff_number) = {
        let ledger = room.ledger();
        (ledger.epoch, ledger.cursor, ledger.is_armed, ledger.cutoff)
    };
    let (band, sold_out) = {
        let seats = room.seats();
        (seats.band(), seats.to_sell() == Some(0))
    };
    let ended = ending(&settings, room.is_cancelled(), chassis::clock::now());
    let hold_reason = match &status {
        Some(status) => status.life.hold,
        None => Some(HoldReason::LeaderSilent),
    };
    StatusBody {
        mode: settings.mode,
        epoch,
        cursor,
        admission_rate_per_minute: settings.admission_rate_per_minute,
        limited_by: status.as_ref().map_or(LimitedBy::Recovery, |status| status.limited_by),
        seats_remaining_band: band,
        hold_reason,
        queueing_method: settings.options.queueing_method,
        cutoff_number,
        armed: (settings.mode == RoomMode::Standby).then_some(is_armed),
        sold_out,
        ended: ended.map(Ending::name),
        waiting: status.as_ref().map_or(0, |status| status.live_ahead),
        called_last_minute: status.as_ref().map_or(0, |status| status.called_last_minute),
        poll_policy: PollPolicyBody {
            floor_ms: POLLS.floor.0,
            ceiling_ms: room.poll_ceilings().far.0,
            divisor: POLLS.divisor,
        },
        message: message(ended, hold_reason, sold_out),
        server_time: String::new(),
    }
}

/// What those who wait should know first.
fn message(
    ended: Option<Ending>,
    hold: Option<HoldReason>,
    sold_out: bool,
) -> Option<&'static str> {
    match (ended, hold) {
        (Some(Ending::Cancelled), _) => Some("The event is cancelled. Nobody is called any more."),
        (Some(Ending::Closed), _) => Some("The room is closed. Nobody is called any more."),
        (None, Some(HoldReason::Operator)) => {
            Some("Nobody is called for now; every place is kept.")
        }
        (None, Some(_)) => Some("The line stands for a moment; every place is kept."),
        (None, None) if sold_out => {
            Some("No place is free now. Who stays in line is called when some come back.")
        }
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::names;
    use http::HeaderValue;

    #[test]
    fn a_tag_is_known_in_a_list_in_its_weak_form_and_by_a_star() {
        let tag = HeaderValue::from_static("\"abc\"");
        for known in ["\"abc\"", "W/\"abc\"", "*", "\"x\", W/\"abc\" ,\"y\""] {
            assert!(names(known.as_bytes(), &tag), "{known}");
        }
        for other in ["", "abc", "\"abcd\"", "W/\"ab\"", "\"x\", \"y\"", "w/\"abc\""] {
            assert!(!names(other.as_bytes(), &tag), "{other}");
        }
    }
}
