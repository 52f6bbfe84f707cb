//! Cancel: asks settlement to pay a booking back.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chassis::Problem;
use chassis::idempotency::Deed;
use http::{HeaderMap, HeaderValue, StatusCode};
use schema::{CancelAnswer, CancelBooking, OrderId, subject};
use serde_json::Value;

use super::body::BookingBody;
use super::orders;
use crate::accounts::Caller;
use crate::app::App;
use crate::extract::{Id, json};
use crate::keyed::{self, Begun};
use crate::problems::Answered;
use crate::settle;

const ROUTE: &str = "POST /api/bookings/{bookingId}/cancel";

/// How long the own view may take to show what settlement has seen in the journal.
const VIEW_WAIT: Duration = Duration::from_secs(2);

/// Cancels a booking: the money goes back and the seats are free. Repeating it changes nothing.
#[utoipa::path(post, path = "/api/bookings/{bookingId}/cancel", tag = "bookings",
    security(("bearer" = [])),
    params(("bookingId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = BookingBody), (status = 202, body = BookingBody),
        (status = 404, description = "BOOKING_UNKNOWN"),
        (status = 409, description = "BOOKING_NOT_CONFIRMED, BOOKING_UNDER_REVIEW, TICKET_USED, \
            TICKET_TRANSFERRED"),
        (status = 503, description = "SETTLEMENT_UNAVAILABLE")))]
pub async fn cancel(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(order): Id<OrderId>,
    headers: HeaderMap,
) -> Answered {
    let path = format!("/api/bookings/{order}/cancel");
    let asker = keyed::caller(caller.account);
    let deed = Deed { route: ROUTE, path: &path, caller: &asker, body: &Value::Null };
    match keyed::begin(&app, &headers, &deed).await? {
        Begun::Over(kept) => Ok(keyed::again(kept)),
        Begun::Turn(turn) => {
            let answered = refund(&app, CancelBooking { order, account: caller.account }).await;
            let is_open = |response: &Response| response.status() == StatusCode::ACCEPTED;
            if answered.as_ref().is_ok_and(is_open) {
                // Not the last word: whoever asks again hears how it went on.
                turn.leave().await;
                return answered;
            }
            turn.end(answered).await
        }
    }
}

/// Sees the refund through. An order that is on its way back stays so: a repetition of what an
/// earlier attempt began finds the same end.
async fn refund(app: &App, wanted: CancelBooking) -> Answered {
    let CancelBooking { order, account } = wanted;
    let status = match settle::ask(app, subject::SETTLE_CANCEL, &wanted).await? {
        CancelAnswer::Refunded { sequence } => {
            wait_for_view(app, order, sequence).await;
            StatusCode::OK
        }
        CancelAnswer::Underway => StatusCode::ACCEPTED,
        CancelAnswer::NotConfirmed => {
            let title = "The booking is not confirmed";
            let detail = "nothing was paid: release the reservation instead";
            return Err(Problem::new(409, "BOOKING_NOT_CONFIRMED", title, detail));
        }
        CancelAnswer::UnderReview => {
            let title = "A person has to look at this booking first";
            return Err(Problem::new(409, "BOOKING_UNDER_REVIEW", title, "contact the operator"));
        }
        CancelAnswer::CheckedIn => {
            return Err(Problem::new(
                409,
                "TICKET_USED",
                "A ticket was used",
                "it was used at an entrance",
            ));
        }
        CancelAnswer::Transferred => {
            let title = "A ticket belongs to somebody else now";
            let detail = "only who holds all tickets of a booking can have them paid back";
            return Err(Problem::new(409, "TICKET_TRANSFERRED", title, detail));
        }
        CancelAnswer::Unknown => return Err(orders::unknown()),
        CancelAnswer::Busy => return Err(settle::unavailable()),
    };
    let booking: BookingBody =
        orders::find(app, account, order).await?.ok_or_else(orders::unknown)?;
    let mut response = json(status, &booking).into_response();
    if status == StatusCode::ACCEPTED {
        response.headers_mut().insert("retry-after", HeaderValue::from_static("1"));
    }
    Ok(response)
}

/// Waits until the own view has the refund; a view that lags is caught by the barrier of whoever
/// reads it.
async fn wait_for_view(app: &App, order: OrderId, sequence: u64) {
    let Some(shard) = app.views.of_hold(order.into()) else { return };
    if !shard.reached(sequence, VIEW_WAIT).await {
        tracing::debug!(%order, "the view lags behind a refund");
    }
}
