//! Places that are not for sale, each with its reason.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use chassis::Problem;
use http::{HeaderMap, StatusCode};
use schema::{
    CommandBody, Condition, EventId, HOUSE_ACCOUNT, Held, HoldId, HoldSeats, KillReason,
    OutcomeBody, OwnerKind, PlanIndex, PreviousStatuses, Want,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::audit::record;
use crate::accounts::Operator;
use crate::app::App;
use crate::asks::{Answer, Ask, BARRIER_WAIT, Domain, Key, fingerprint};
use crate::extract::{Json, json, mark_replayed};
use crate::layers::RequestId;
use crate::places::{Named, Places, guard};
use crate::problems::{self, Answered};

const PATH: &str = "/api/admin/events/kills";

/// Which places, and why: `seats`, or a `section`, or a `row` of it, or its seats `from`, `to`, or
/// `areaId`, `quantity`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KillInput {
    /// `PRODUCTION`, `SIGHTLINE`, `CAMERA`, `SAFETY`, `DEFECT`, `HOUSE` or `OTHER`.
    #[schema(value_type = String)]
    reason: KillReason,
    seats: Option<Vec<String>>,
    section: Option<String>,
    row: Option<String>,
    /// Seat numbers, both included; without them the whole row, and without a row the whole
    /// section.
    from: Option<u16>,
    to: Option<u16>,
    area_id: Option<String>,
    quantity: Option<u32>,
    /// The kill happens only if each seat is in one of these statuses. Seats in a kill already stay
    /// in it, with its reason. Without it only `FREE` is allowed. Not with `areaId`.
    allowed_previous_statuses: Option<Vec<SeatStatus>>,
}

/// In which a seat may be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = KillSeatStatus)]
pub enum SeatStatus {
    Free,
    /// Out of the sale by a kill.
    Killed,
}

/// Places that are not for sale.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KillBody {
    kill_id: String,
    reason: &'static str,
    seat_ids: Vec<String>,
    areas: Vec<KilledAreaBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KilledAreaBody {
    area_id: String,
    quantity: u32,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct KillsBody {
    kills: Vec<KillBody>,
}

/// Takes free places out of the sale, all or none; 1 to 4,096.
///
/// Where `allowedPreviousStatuses` names `KILLED` some of the seats may be in kills already: they
/// stay as they are, and the new kill has the others. If there are none, nothing changes.
#[utoipa::path(post, path = "/api/admin/events/{eventId}/kills", tag = "operators",
    request_body = KillInput, security(("bearer" = [])),
    params(("eventId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = KillBody),
        (status = 200, description = "{killId: null, status: UNCHANGED}: all seats are killed"),
        (status = 403, description = "ROLE_REQUIRED"),
        (status = 404, description = "EVENT_UNKNOWN"),
        (status = 409, description = "SEAT_TAKEN and STATUS_NOT_ALLOWED with seatIds, \
            NOT_ENOUGH_SEATS, SOLD_OUT, NOT_ON_SALE"),
        (status = 422, description = "SEAT_UNKNOWN, TOO_MANY_PLACES, REQUEST_INVALID"),
        (status = 503, description = "BUSY, NO_ANSWER")))]
pub async fn kill(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Extension(request): Extension<RequestId>,
    Path(event): Path<String>,
    headers: HeaderMap,
    body: Json<KillInput>,
) -> Answered {
    let key = Key::from_headers(&headers)?;
    let event: EventId = event.parse().map_err(|_| problems::event_unknown())?;
    let listed = app.catalog.find(&event).ok_or_else(problems::event_unknown)?;
    let places = body.value.resolve(&listed.plan)?;
    let previous = body.value.guard(&places)?;
    record(&app, &caller, &request, "seats.kill", event.as_str(), &body.sent).await?;
    let Places { seats, areas } = places;
    let want = if seats.is_empty() { Want::Areas(areas) } else { Want::Seats(seats) };
    let owner = OwnerKind::Kill(body.value.reason);
    let sent = json!({"eventId": event, "kill": body.sent});
    let ask = Ask {
        command: key.command(Domain::Kill, caller.account),
        fingerprint: fingerprint("POST", PATH, &sent, caller.account),
        event,
        account: HOUSE_ACCOUNT,
        body: CommandBody::HoldSeats(HoldSeats {
            want,
            owner,
            pass: None,
            condition: previous.map(Condition::Previous),
        }),
    };
    let answer = app.asks.ask(ask).await;
    let answer = answer.map_err(|error| problems::unanswered(error, &key.text))?;
    Ok(answered(&answer, &listed.plan))
}

/// Lists the places of an event that are not for sale.
#[utoipa::path(get, path = "/api/admin/events/{eventId}/kills", tag = "operators",
    params(("eventId" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = KillsBody), (status = 403, description = "ROLE_REQUIRED"),
        (status = 404, description = "EVENT_UNKNOWN")))]
pub async fn kills(
    State(app): State<Arc<App>>,
    _operator: Operator,
    Path(event): Path<String>,
) -> Answered {
    let event: EventId = event.parse().map_err(|_| problems::event_unknown())?;
    let listed = app.catalog.find(&event).ok_or_else(problems::event_unknown)?;
    let shard = app.views.of_event(&event);
    shard.barrier.pass(BARRIER_WAIT).await.map_err(|_| problems::unconfirmed())?;
    let kills = {
        let view = shard.lock();
        let holds = view.set_aside_of(HOUSE_ACCOUNT).filter(|hold| hold.event == event);
        holds.filter_map(|hold| KillBody::of(&hold.held, &listed.plan)).collect()
    };
    Ok(json(StatusCode::OK, &KillsBody { kills }))
}

/// Puts the places of a kill on sale again. Repeating it changes nothing.
#[utoipa::path(delete, path = "/api/admin/events/{eventId}/kills/{killId}", tag = "operators",
    params(("eventId" = String, Path), ("killId" = String, Path),
        ("Idempotency-Key" = Option<String>, Header)),
    security(("bearer" = [])),
    responses((status = 200, description = "{killId, status: RELEASED}"),
        (status = 403, description = "ROLE_REQUIRED"),
        (status = 404, description = "EVENT_UNKNOWN, KILL_UNKNOWN"),
        (status = 503, description = "BUSY, NO_ANSWER")))]
pub async fn lift_kill(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Extension(request): Extension<RequestId>,
    Path((event, kill)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answered {
    let key = Key::from_headers(&headers)?;
    let event: EventId = event.parse().map_err(|_| problems::event_unknown())?;
    app.catalog.find(&event).ok_or_else(problems::event_unknown)?;
    let hold: HoldId = kill.parse().map_err(|_| unknown())?;
    let sent = json!({"eventId": event, "killId": hold});
    record(&app, &caller, &request, "seats.lift", event.as_str(), &sent).await?;
    let ask = Ask {
        command: key.command(Domain::Kill, caller.account),
        fingerprint: fingerprint("DELETE", PATH, &sent, caller.account),
        event,
        account: HOUSE_ACCOUNT,
        body: CommandBody::ReleaseHold { hold },
    };
    let answer = app.asks.ask(ask).await;
    let answer = answer.map_err(|error| problems::unanswered(error, &key.text))?;
    if answer.refusal().is_some() {
        return Err(unknown());
    }
    let mut response = json(StatusCode::OK, &json!({"killId": hold, "status": "RELEASED"}));
    mark_replayed(&mut response, answer.replayed);
    Ok(response)
}

fn unknown() -> Problem {
    Problem::new(404, "KILL_UNKNOWN", "No such kill", "the event has no kill of this id")
}

fn answered(answer: &Answer, plan: &PlanIndex) -> Response {
    let mut response = match &answer.outcome.body {
        OutcomeBody::SeatsHeld(held) => json(StatusCode::CREATED, &KillBody::of(held, plan)),
        OutcomeBody::SeatsUnchanged => {
            json(StatusCode::OK, &json!({"killId": null, "status": "UNCHANGED"}))
        }
        OutcomeBody::Refused(refusal) => problems::refused(refusal, Some(plan)).into_response(),
        other => panic!("an owner answers HoldSeats with SeatsHeld or a refusal, not {other:?}"),
    };
    mark_replayed(&mut response, answer.replayed);
    response
}

impl KillInput {
    fn resolve(&self, plan: &PlanIndex) -> Result<Places, Problem> {
        let named = Named {
            seats: self.seats.as_deref(),
            section: self.section.as_deref(),
            row: self.row.as_deref(),
            from: self.from,
            to: self.to,
            area_id: self.area_id.as_deref(),
            quantity: self.quantity,
        };
        named.resolve(plan).map_err(faulty)
    }

    fn guard(&self, places: &Places) -> Result<Option<PreviousStatuses>, Problem> {
        let Some(named) = &self.allowed_previous_statuses else { return Ok(None) };
        let allowed = PreviousStatuses {
            free: named.contains(&SeatStatus::Free),
            set_aside: named.contains(&SeatStatus::Killed),
        };
        let usual = PreviousStatuses { free: true, set_aside: false };
        guard(places, allowed, usual).map_err(faulty)
    }
}

fn faulty(code: &'static str) -> Problem {
    Problem::new(422, code, "These places cannot be taken out of the sale", code)
}

impl KillBody {
    /// `None` for a hold that is no kill.
    fn of(held: &Held, plan: &PlanIndex) -> Option<Self> {
        let OwnerKind::Kill(reason) = held.owner else { return None };
        let seats = held.seats.iter();
        let seat_ids = seats.filter_map(|seat| Some(plan.place(seat.seat)?.seat_id().into()));
        let areas = held.areas.iter().filter_map(|area| {
            let area_id = plan.plan.area(area.area)?.id.to_string();
            Some(KilledAreaBody { area_id, quantity: area.quantity })
        });
        Some(Self {
            kill_id: held.hold.to_string(),
            reason: reason.name(),
            seat_ids: seat_ids.collect(),
            areas: areas.collect(),
        })
    }
}
