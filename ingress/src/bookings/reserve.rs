//! Reserve: asks the event's owner for places.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use chassis::Problem;
use http::{HeaderMap, StatusCode};
use schema::{
    Channel, CommandBody, Condition, EventId, EventListing, HoldSeats, OutcomeBody, OwnerKind,
    Pass, PlanIndex,
};

use super::body::ReservationBody;
use super::want::{ReserveBody, check_event_max};
use crate::accounts::Caller;
use crate::app::App;
use crate::asks::{Answer, Ask, Domain, Key, fingerprint};
use crate::channels::Code;
use crate::extract::{Json, json, mark_replayed};
use crate::problems::{self, Answered};
use crate::views::Moment;

const PATH: &str = "/api/bookings/reserve";

/// Holds places for a while.
///
/// Ask for named seats, for the best adjacent ones, or for standing places. All or nothing. Seats
/// that a channel keeps need its code; too many wrong ones are 429 `CHANNEL_CODE_THROTTLED`. With
/// an `Idempotency-Key` a repetition hears the first answer, refusals too, with
/// `Idempotency-Replayed: true`.
#[utoipa::path(post, path = "/api/bookings/reserve", tag = "bookings", request_body = ReserveBody,
    security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header),
        ("Admission-Pass" = Option<String>, Header)),
    responses((status = 201, body = ReservationBody),
        (status = 403, description = "PASS_REQUIRED, PASS_INVALID, PASS_EXPIRED, PASS_FOREIGN, \
            PASS_IN_USE, PASS_SPENT, LIMIT_EXCEEDED, CHANNEL_REQUIRED with seatIds, \
            CHANNEL_CODE_INVALID"),
        (status = 404, description = "EVENT_UNKNOWN"),
        (status = 409, description = "SEAT_TAKEN with seatIds, NOT_ENOUGH_SEATS, SOLD_OUT, \
            NOT_ON_SALE, IDEMPOTENCY_IN_FLIGHT"),
        (status = 422, description = "SEAT_UNKNOWN, REQUEST_INVALID, IDEMPOTENCY_MISMATCH"),
        (status = 503, description = "BUSY, NO_ANSWER: ask again with commandId as \
            Idempotency-Key")))]
pub async fn reserve(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    body: Json<ReserveBody>,
) -> Answered {
    let key = Key::from_headers(&headers)?;
    let event: EventId = body.value.event_id.parse().map_err(|_| problems::event_unknown())?;
    let listed = app.catalog.find(&event).ok_or_else(problems::event_unknown)?;
    let want = body.value.resolve(&listed.plan, listed.listing.request_places_max)?;
    let rights = check_event_max(&want, &listed.listing)
        .and_then(|()| rights(&app, &listed.listing, &headers, &caller, &body.value));
    let (rights, lack) = match rights {
        Ok(rights) => (rights, None),
        Err(lack) => (Rights::default(), Some(lack)),
    };
    let condition = rights.channel.map(|channel| Condition::Channel(channel.key.clone()));
    let hold = HoldSeats { want, owner: OwnerKind::Fan, pass: rights.pass, condition };
    let ask = Ask {
        command: key.command(Domain::Reserve, caller.account),
        fingerprint: fingerprint("POST", PATH, &body.sent, caller.account),
        event,
        account: caller.account,
        body: CommandBody::HoldSeats(hold),
    };
    let answer = ask_unless(lack, &app, &key, ask).await?;
    let mut response = match held(&answer, &listed.plan) {
        Ok(body) => json(StatusCode::CREATED, &body),
        Err(problem) => problem.into_response(),
    };
    mark_replayed(&mut response, answer.replayed);
    Ok(response)
}

/// Asks the owner; for who lacks a right only what was answered before.
pub(super) async fn ask_unless(
    lack: Option<Problem>,
    app: &App,
    key: &Key,
    ask: Ask,
) -> Result<Answer, Problem> {
    let answer = match lack {
        None => app.asks.ask(ask).await,
        // CMD-1: what was answered before the room was opened, or the code changed, is answered
        // again, pass and code or not.
        Some(lack) if key.from_client => app.asks.recall(ask).await.transpose().ok_or(lack)?,
        // Nobody has asked under a fresh key, so the owner is not bothered.
        Some(lack) => return Err(lack),
    };
    answer.map_err(|error| problems::unanswered(error, &key.text))
}

/// What goes with the request.
#[derive(Default)]
struct Rights<'a> {
    /// None where no room is on.
    pass: Option<Pass>,
    /// None without a code.
    channel: Option<&'a Channel>,
}

/// The pass comes first: who may not buy may not guess either.
fn rights<'a>(
    app: &App,
    listing: &'a EventListing,
    headers: &HeaderMap,
    caller: &Caller,
    body: &ReserveBody,
) -> Result<Rights<'a>, Problem> {
    let pass = pass(app, listing, headers)?;
    let channel = channel(app, listing, caller, body.channel_code.as_ref())?;
    Ok(Rights { pass, channel })
}

/// The channel that a code opens; none without a code.
pub(super) fn channel<'a>(
    app: &App,
    listing: &'a EventListing,
    caller: &Caller,
    code: Option<&Code>,
) -> Result<Option<&'a Channel>, Problem> {
    let now = chassis::clock::now();
    code.map(|code| app.guesses.channel_of(listing, code, caller.account, now)).transpose()
}

/// The pass that goes with the request; none where no room is on.
fn pass(app: &App, listing: &EventListing, headers: &HeaderMap) -> Result<Option<Pass>, Problem> {
    if !app.rooms.needs_pass(listing) {
        return Ok(None);
    }
    let text = headers.get("admission-pass").and_then(|value| value.to_str().ok());
    app.passes.read(text, &listing.event).map(Some)
}

fn held(answer: &Answer, plan: &PlanIndex) -> Result<ReservationBody, Problem> {
    if let Some(refusal) = answer.refusal() {
        return Err(problems::refused(refusal, Some(plan)));
    }
    let OutcomeBody::SeatsHeld(held) = &answer.outcome.body else {
        panic!("an owner answers HoldSeats with SeatsHeld or a refusal");
    };
    Ok(ReservationBody::new(answer.outcome.event.as_str(), held, plan, Moment::new(answer.time)))
}
