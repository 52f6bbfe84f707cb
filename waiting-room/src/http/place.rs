//! A fan's place as a token proves it, and what is said about it.

use super::{App, problems};
use crate::metrics;
use crate::room::Room;
use crate::seal::Opened;
use crate::store::{Blessed, Fault, Marks};
use chassis::Problem;
use http::HeaderMap;
use schema::UnixMillis;
use schema::admission::SeatsBand;
use serde::Serialize;
use utoipa::ToSchema;
use waiting_room_core::{
    LAPSE_MARGIN, POLLS, PlaceState, Standing, Token, place_state, wait_seconds,
};

/// What is said about a place.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlaceBody {
    /// `prequeued`, `queued`, `ready`, `admitted`, `expired` or `completed`.
    state: &'static str,
    /// The number in line; null until a pre-queue is drawn.
    number: Option<u64>,
    /// Live people ahead, plus one; only while the place waits.
    position: Option<u64>,
    /// Null while nothing is known, and while a loss of Redis leaves a doubt before the place.
    estimated_wait_seconds: Option<WaitBody>,
    /// From 0 to 1; null while nothing is known.
    sell_out_likelihood: Option<f64>,
    pub poll_after_ms: u64,
    /// How long the claim is open; only when ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    claim_within_ms: Option<u64>,
}

/// Half of the people wait less than the first, nine of ten less than the second.
#[derive(Debug, Serialize, ToSchema)]
struct WaitBody {
    p50: u64,
    p90: u64,
}

/// The token of a request, checked.
pub(super) fn opened(
    app: &App,
    room: &Room,
    headers: &HeaderMap,
    now: UnixMillis,
) -> Result<Opened, Problem> {
    let token = headers.get("waiting-room-token").ok_or_else(problems::token_missing)?;
    let text = token.to_str().unwrap_or_default();
    app.sealer.open(text, &room.event, now).map_err(|refusal| {
        metrics::refused("token");
        problems::token(refusal)
    })
}

/// A place that waits in line, or before the draw of its pre-queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    /// The number in line; `None` before the draw.
    number: Option<u64>,
}

/// `None` for a place that has been called, left, or is over: what is true of it may have to be
/// asked of Redis.
pub(super) fn waiting(room: &Room, place: &Opened) -> Option<Waiting> {
    let number = room.line_number(&place.token);
    let is_waiting =
        number.is_none_or(|number| room.ledger().standing(number) == Standing::Waiting);
    is_waiting.then_some(Waiting { number })
}

impl Waiting {
    /// Whoever asks is there: near the front that is a check-in.
    pub(super) fn note_presence(self, room: &Room) {
        let Some(number) = self.number else { return };
        if number <= room.told(|status| status.check_in_horizon).unwrap_or(0) {
            room.check_in(number);
        }
    }

    /// Describes the place, at the cost of no call to Redis.
    pub(super) fn describe(self, room: &Room, place: &Opened, now: UnixMillis) -> PlaceBody {
        let standing = self.number.map(|_| Standing::Waiting);
        body(room, place, self.number, standing, false, now)
    }
}

/// Whoever asks is there: near the front that is a check-in, and a skipped one comes back.
pub(super) async fn note_presence(room: &Room, token: &Token, now: UnixMillis) {
    let Some(number) = room.line_number(token) else { return };
    let standing = room.ledger().standing(number);
    match standing {
        Standing::Waiting => Waiting { number: Some(number) }.note_presence(room),
        Standing::Skipped => {
            // Tried again with the next poll if it fails.
            if let Err(fault) = room.store.come_back(&room.blessed(), number, now).await {
                tracing::debug!(event = %room.event, %fault, "a returner waits for the late lane");
            }
        }
        Standing::Called(_) | Standing::Left | Standing::Over => {}
    }
}

/// Whether the place was claimed or given up. Only places that have been called ask Redis, and only
/// until they hear that they are claimed.
pub(super) async fn marks(room: &Room, blessed: &Blessed, number: u64) -> Result<Marks, Fault> {
    if room.claimed().contains(number) {
        return Ok(Marks { claimed: true, left: false });
    }
    let marks = room.store.marks(blessed, number).await?;
    if marks.claimed {
        room.claimed().insert(number);
    }
    Ok(marks)
}

/// Describes a place. A place ahead of the cursor costs no call to Redis.
pub(super) async fn describe(room: &Room, place: &Opened, now: UnixMillis) -> PlaceBody {
    let number = room.line_number(&place.token);
    let (standing, claimed) = match number {
        None => (None, false),
        Some(number) => {
            let (standing, claimed) = standing(room, number, now).await;
            (Some(standing), claimed)
        }
    };
    body(room, place, number, standing, claimed, now)
}

fn body(
    room: &Room,
    place: &Opened,
    number: Option<u64>,
    standing: Option<Standing>,
    claimed: bool,
    now: UnixMillis,
) -> PlaceBody {
    let completed = number.is_some_and(|number| room.completed().numbers.contains(number));
    let state = place_state(standing, claimed, completed, now);
    let waiting = number.filter(|_| state == PlaceState::Queued);
    let before = waiting.map(|number| before(room, number, standing));
    let ahead = before.map(|(ahead, _)| ahead);
    let told = room.told(|status| (status.called_last_minute, status.seats_remaining));
    let wait = told.zip(before).and_then(|((called_last_minute, _), (ahead, doubt_ahead))| {
        let lapse = room.poll_ceiling() + LAPSE_MARGIN;
        wait_seconds(ahead, doubt_ahead, lapse, called_last_minute)
    });
    let sold_out = told.is_some_and(|(_, seats)| seats == SeatsBand::None);
    // Before the draw everybody is as far as everybody else.
    let distance = if number.is_none() { u64::MAX } else { ahead.unwrap_or(0) };
    let rate = room.admission_rate_per_minute();
    // Those who must check in, and those who have been called, come soon however long the line is.
    let far = waits(standing) && room.is_far(number);
    let far_ceiling = far.then(|| room.poll_ceiling());
    PlaceBody {
        state: name(state),
        number,
        position: ahead.map(|ahead| ahead + 1),
        estimated_wait_seconds: wait.map(|wait| WaitBody { p50: wait.p50, p90: wait.p90 }),
        sell_out_likelihood: (waiting.is_some() && sold_out).then_some(1.0),
        poll_after_ms: POLLS.poll_after(distance, rate, far_ceiling, place.jitter).0,
        claim_within_ms: match state {
            PlaceState::Ready(within) => Some(within.0),
            _ => None,
        },
    }
}

/// Whether the place waits in line, or before the draw of its pre-queue.
fn waits(standing: Option<Standing>) -> bool {
    standing.is_none_or(|standing| standing == Standing::Waiting)
}

/// How the place stands, and whether it was claimed.
async fn standing(room: &Room, number: u64, now: UnixMillis) -> (Standing, bool) {
    let (blessed, standing) = room.standing(number);
    let Standing::Called(terms) = standing else { return (standing, false) };
    match marks(room, &blessed, number).await {
        Ok(Marks { claimed: false, left: true }) => (Standing::Left, false),
        Ok(marks) => (standing, marks.claimed),
        // While Redis is away nobody hears that a place has expired.
        Err(_) => (standing, terms.claim_until <= now),
    }
}

/// How many live people are ahead, and how many before the first doubt, if one stands before the
/// place. A returner in the late lane is served beside the line.
fn before(room: &Room, number: u64, standing: Option<Standing>) -> (u64, Option<u64>) {
    if standing == Some(Standing::Skipped) {
        return (0, None);
    }
    let index = room.index();
    let ledger = room.ledger();
    let doubt_ahead = ledger.doubt_before(number).map(|doubt| ledger.ahead(&index, doubt));
    (ledger.ahead(&index, number), doubt_ahead)
}

fn name(state: PlaceState) -> &'static str {
    match state {
        PlaceState::Prequeued => "prequeued",
        PlaceState::Queued => "queued",
        PlaceState::Ready(_) => "ready",
        PlaceState::Admitted => "admitted",
        PlaceState::Expired => "expired",
        PlaceState::Completed => "completed",
    }
}
