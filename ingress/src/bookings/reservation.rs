//! One reservation: look at it, give it up, ask for more time. Other places are in `swap`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use chassis::Problem;
use http::{HeaderMap, StatusCode};
use schema::{CommandBody, Held, HoldId, OutcomeBody, OwnerKind, Refusal};
use serde_json::json;

use super::body::ReservationBody;
use crate::accounts::Caller;
use crate::app::App;
use crate::asks::{Ask, BARRIER_WAIT, Domain, Key, fingerprint};
use crate::extract::{Id, json, mark_replayed};
use crate::problems::{self, Answered};
use crate::views::{Hold, Moment};

/// Shows a reservation of one's own.
#[utoipa::path(get, path = "/api/bookings/reservations/{reservationId}", tag = "bookings",
    security(("bearer" = [])), params(("reservationId" = String, Path)),
    responses((status = 200, body = ReservationBody),
        (status = 404, description = "RESERVATION_UNKNOWN")))]
pub async fn reservation(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<HoldId>,
) -> Answered {
    let hold = find(&app, &caller, id).await?.ok_or_else(unknown)?;
    let listed = app.catalog.find(&hold.event).ok_or_else(unknown)?;
    let now = app.views.of_event(&hold.event).now();
    let body = ReservationBody::of_hold(&hold, &listed.plan, now);
    Ok(json(StatusCode::OK, &body))
}

/// Gives a reservation up. Repeating it changes nothing.
#[utoipa::path(delete, path = "/api/bookings/reservations/{reservationId}", tag = "bookings",
    security(("bearer" = [])),
    params(("reservationId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, description = "{reservationId, status: RELEASED}"),
        (status = 404, description = "RESERVATION_UNKNOWN"),
        (status = 409, description = "PAYMENT_IN_PROGRESS, ALREADY_CONFIRMED"),
        (status = 410, description = "RESERVATION_EXPIRED")))]
pub async fn release(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id<HoldId>,
) -> Answered {
    let key = Key::from_headers(&headers)?;
    let hold = find(&app, &caller, id).await?.ok_or_else(unknown)?;
    let sent = json!({"reservationId": id});
    let ask = Ask {
        command: key.command(Domain::Release, caller.account),
        fingerprint: fingerprint("DELETE", "/api/bookings/reservations", &sent, caller.account),
        event: hold.event,
        account: caller.account,
        body: CommandBody::ReleaseHold { hold: id },
    };
    let answer = app.asks.ask(ask).await;
    let answer = answer.map_err(|error| problems::unanswered(error, &key.text))?;
    let released = json!({"reservationId": id, "status": "RELEASED"});
    let mut response = match answer.refusal() {
        Some(refusal) => problems::refused(refusal, None).into_response(),
        None => json(StatusCode::OK, &released),
    };
    mark_replayed(&mut response, answer.replayed);
    Ok(response)
}

/// Gives a reservation the whole time of a new one again, up to the longest life that its event
/// allows.
#[utoipa::path(post, path = "/api/bookings/reservations/{reservationId}/extend", tag = "bookings",
    security(("bearer" = [])),
    params(("reservationId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = ReservationBody),
        (status = 404, description = "RESERVATION_UNKNOWN"),
        (status = 409, description = "RESERVATION_AT_LIMIT, PAYMENT_IN_PROGRESS, \
            ALREADY_CONFIRMED, NOT_ON_SALE"),
        (status = 410, description = "RESERVATION_EXPIRED")))]
pub async fn extend(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id<HoldId>,
) -> Answered {
    let key = Key::from_headers(&headers)?;
    let hold = find(&app, &caller, id).await?.ok_or_else(unknown)?;
    let listed = app.catalog.find(&hold.event).ok_or_else(unknown)?;
    let sent = json!({"reservationId": id});
    let path = "/api/bookings/reservations/extend";
    let ask = Ask {
        command: key.command(Domain::Extend, caller.account),
        fingerprint: fingerprint("POST", path, &sent, caller.account),
        event: hold.event.clone(),
        account: caller.account,
        body: CommandBody::ExtendHold { hold: id },
    };
    let answer = app.asks.ask(ask).await;
    let answer = answer.map_err(|error| problems::unanswered(error, &key.text))?;
    let mut response = match answer.outcome.body {
        OutcomeBody::HoldExtended { deadline, .. } => {
            let extended = Held { deadline: Some(deadline), ..hold.held };
            let now = Moment::new(answer.time);
            let body = ReservationBody::new(hold.event.as_str(), &extended, &listed.plan, now);
            json(StatusCode::OK, &body)
        }
        OutcomeBody::Refused(refusal) => problems::refused(&refusal, None).into_response(),
        other => {
            panic!("an owner answers ExtendHold with HoldExtended or a refusal, not {other:?}")
        }
    };
    mark_replayed(&mut response, answer.replayed);
    Ok(response)
}

/// A hold of the caller; somebody else's is as unknown as none.
pub(super) async fn find(app: &App, caller: &Caller, id: HoldId) -> Result<Option<Hold>, Problem> {
    let Some(shard) = app.views.of_hold(id) else { return Ok(None) };
    let hold = shard.hold(id, BARRIER_WAIT).await.map_err(|_| problems::unconfirmed())?;
    let own =
        |hold: &Hold| hold.held.account == caller.account && hold.held.owner == OwnerKind::Fan;
    Ok(hold.filter(own))
}

pub(super) fn unknown() -> Problem {
    problems::refused(&Refusal::HoldUnknown, None)
}
