//! Swap: other places for a reservation, in the place of those that it has.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode};
use schema::{CommandBody, HoldId, OutcomeBody};
use serde_json::json;

use super::body::ReservationBody;
use super::reservation::{find, unknown};
use super::reserve::{ask_unless, channel};
use super::want::{SwapBody, check_event_max};
use crate::accounts::Caller;
use crate::app::App;
use crate::asks::{Ask, Domain, Key, fingerprint};
use crate::extract::{Id, Json, json, mark_replayed};
use crate::problems::{self, Answered};
use crate::views::Moment;

/// Takes other places into a reservation, in the place of those that it has.
///
/// All or nothing: after a refusal the reservation is what it was. Its id and its deadline stay;
/// prices are those of now. Places that it has may be named again and stay. `bestAvailable`
/// chooses among free seats, so never those that the reservation has. Asking for the very places
/// that it has changes nothing.
#[utoipa::path(post, path = "/api/bookings/reservations/{reservationId}/swap", tag = "bookings",
    request_body = SwapBody, security(("bearer" = [])),
    params(("reservationId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = ReservationBody),
        (status = 403, description = "LIMIT_EXCEEDED, CHANNEL_REQUIRED with seatIds, \
            CHANNEL_CODE_INVALID"),
        (status = 404, description = "RESERVATION_UNKNOWN"),
        (status = 409, description = "SEAT_TAKEN with seatIds, NOT_ENOUGH_SEATS, SOLD_OUT, \
            PAYMENT_IN_PROGRESS, ALREADY_CONFIRMED, NOT_ON_SALE, IDEMPOTENCY_IN_FLIGHT"),
        (status = 410, description = "RESERVATION_EXPIRED"),
        (status = 422, description = "SEAT_UNKNOWN, REQUEST_INVALID, IDEMPOTENCY_MISMATCH"),
        (status = 503, description = "BUSY, NO_ANSWER: ask again with commandId as \
            Idempotency-Key")))]
pub async fn swap(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id<HoldId>,
    body: Json<SwapBody>,
) -> Answered {
    let key = Key::from_headers(&headers)?;
    let hold = find(&app, &caller, id).await?.ok_or_else(unknown)?;
    let listed = app.catalog.find(&hold.event).ok_or_else(unknown)?;
    let want = body.value.resolve(&listed.plan, listed.listing.request_places_max)?;
    let code = body.value.channel_code.as_ref();
    let opened = check_event_max(&want, &listed.listing)
        .and_then(|()| channel(&app, &listed.listing, &caller, code));
    let (opened, lack) = match opened {
        Ok(opened) => (opened, None),
        Err(lack) => (None, Some(lack)),
    };
    let sent = json!({"reservationId": id, "swap": body.sent});
    let path = "/api/bookings/reservations/swap";
    let ask = Ask {
        command: key.command(Domain::Swap, caller.account),
        fingerprint: fingerprint("POST", path, &sent, caller.account),
        event: hold.event.clone(),
        account: caller.account,
        body: CommandBody::SwapSeats { hold: id, want, channel: opened.map(|of| of.key.clone()) },
    };
    let answer = ask_unless(lack, &app, &key, ask).await?;
    let mut response = match answer.outcome.body {
        OutcomeBody::SeatsSwapped(after) => {
            let now = Moment::new(answer.time);
            let body = ReservationBody::new(hold.event.as_str(), &after, &listed.plan, now);
            json(StatusCode::OK, &body)
        }
        // It has these places: as it is now, for another request may have come between.
        OutcomeBody::Unchanged { .. } => {
            let hold = find(&app, &caller, id).await?.unwrap_or(hold);
            let now = app.views.of_event(&hold.event).now();
            json(StatusCode::OK, &ReservationBody::of_hold(&hold, &listed.plan, now))
        }
        OutcomeBody::Refused(refusal) => {
            problems::refused(&refusal, Some(&listed.plan)).into_response()
        }
        other => panic!("an owner answers SwapSeats with SeatsSwapped or a refusal, not {other:?}"),
    };
    mark_replayed(&mut response, answer.replayed);
    Ok(response)
}
