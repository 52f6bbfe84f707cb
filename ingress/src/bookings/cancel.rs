//! Cancel: asks settlement to pay a booking back, or one ticket of it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use chassis::idempotency::Deed;
use chassis::{Problem, outside};
use http::{HeaderMap, HeaderValue, StatusCode};
use schema::{AccountId, CancelAnswer, CancelBooking, CancelTicket, OrderId, TicketId, subject};
use serde_json::Value;

use super::body::BookingBody;
use super::orders;
use crate::accounts::Caller;
use crate::app::App;
use crate::extract::{Id, json};
use crate::keyed::{self, Begun, Turn};
use crate::problems::Answered;
use crate::settle;

const ROUTE: &str = "POST /api/bookings/{bookingId}/cancel";
const TICKET_ROUTE: &str = "POST /api/bookings/{bookingId}/tickets/{ticketId}/cancel";

/// How long the own view may take to show what settlement has seen in the journal.
const VIEW_WAIT: Duration = Duration::from_secs(2);

/// Cancels a booking: the money goes back and the seats are free. Repeating it changes nothing.
#[utoipa::path(post, path = "/api/bookings/{bookingId}/cancel", tag = "bookings",
    security(("bearer" = [])),
    params(("bookingId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = BookingBody), (status = 202, body = BookingBody),
        (status = 404, description = "BOOKING_UNKNOWN"),
        (status = 409, description = "BOOKING_NOT_CONFIRMED, BOOKING_UNDER_REVIEW, TICKET_USED, \
            TICKET_TRANSFERRED, BOOKING_DISPUTED"),
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
            let wanted = CancelBooking { order, account: caller.account };
            let told = settle::ask(&app, subject::SETTLE_CANCEL, &wanted).await;
            let answered = refund(&app, caller.account, order, told, orders::unknown()).await;
            end(turn, answered).await
        }
    }
}

/// Cancels one ticket of a booking: its money goes back, its place is free, and the others stay as
/// they are. Repeating it changes nothing.
///
/// The last valid ticket is cancelled together with its booking.
#[utoipa::path(post, path = "/api/bookings/{bookingId}/tickets/{ticketId}/cancel",
    tag = "bookings", security(("bearer" = [])),
    params(("bookingId" = String, Path), ("ticketId" = String, Path),
        ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = BookingBody), (status = 202, body = BookingBody),
        (status = 404, description = "BOOKING_UNKNOWN, TICKET_UNKNOWN"),
        (status = 409, description = "BOOKING_NOT_CONFIRMED, BOOKING_UNDER_REVIEW, TICKET_USED, \
            TICKET_TRANSFERRED, BOOKING_DISPUTED"),
        (status = 503, description = "SETTLEMENT_UNAVAILABLE")))]
pub async fn cancel_ticket(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((order, ticket)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answered {
    let order: OrderId = order.parse().map_err(|_| orders::unknown())?;
    let ticket: TicketId = ticket.parse().map_err(|_| ticket_unknown())?;
    let path = format!("/api/bookings/{order}/tickets/{ticket}/cancel");
    let asker = keyed::caller(caller.account);
    let deed = Deed { route: TICKET_ROUTE, path: &path, caller: &asker, body: &Value::Null };
    match keyed::begin(&app, &headers, &deed).await? {
        Begun::Over(kept) => Ok(keyed::again(kept)),
        Begun::Turn(turn) => {
            let wanted = CancelTicket { ticket, account: caller.account };
            let told = if ticket.order == order {
                settle::ask(&app, subject::SETTLE_CANCEL_TICKET, &wanted).await
            } else {
                Ok(CancelAnswer::Unknown)
            };
            let answered = refund(&app, caller.account, order, told, ticket_unknown()).await;
            end(turn, answered).await
        }
    }
}

fn ticket_unknown() -> Problem {
    Problem::new(404, "TICKET_UNKNOWN", "No such ticket", "the booking has no such ticket")
}

async fn end(turn: Turn, answered: Answered) -> Answered {
    let is_open = |response: &Response| response.status() == StatusCode::ACCEPTED;
    if answered.as_ref().is_ok_and(is_open) {
        // Not the last word: whoever asks again hears how it went on.
        turn.leave().await;
        return answered;
    }
    turn.end(answered).await
}

/// Sees a refund through. An order or ticket that is on its way back stays so: a repetition of what
/// an earlier attempt began finds the same end. `unknown` is said of what one's own booking does
/// not have.
async fn refund(
    app: &App,
    account: AccountId,
    order: OrderId,
    told: Result<CancelAnswer, Problem>,
    unknown: Problem,
) -> Answered {
    let status = match told? {
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
            let detail = "only who holds a ticket, or all of a booking, can have it paid back";
            return Err(Problem::new(409, "TICKET_TRANSFERRED", title, detail));
        }
        CancelAnswer::Disputed => {
            let title = "The buyer's bank has taken the money";
            let detail = "what a bank took back is not paid back once more: ask the bank";
            return Err(Problem::new(409, "BOOKING_DISPUTED", title, detail));
        }
        CancelAnswer::Unknown => {
            let own = orders::find(app, account, order).await?;
            return Err(if own.is_some() { unknown } else { orders::unknown() });
        }
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
    if !outside("see a refund", shard.reached(sequence, VIEW_WAIT)).await {
        tracing::debug!(%order, "the view lags behind a refund");
    }
}
