//! Cancel: asks settlement to pay a booking back.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use chassis::{Problem, telemetry};
use http::{HeaderValue, StatusCode};
use schema::{CancelAnswer, CancelBooking, OrderId, codec, subject};

use super::body::BookingBody;
use super::orders;
use crate::accounts::Caller;
use crate::app::App;
use crate::extract::{Id, json};
use crate::problems::{self, Answered};

/// How long settlement may take; it answers `Underway` before that.
const ANSWER_WAIT: Duration = Duration::from_secs(12);

/// How long the own view may take to show what settlement has seen in the journal.
const VIEW_WAIT: Duration = Duration::from_secs(2);

/// Cancels a booking: the money goes back and the seats are free. Repeating it changes nothing.
#[utoipa::path(post, path = "/api/bookings/{bookingId}/cancel", tag = "bookings",
    security(("bearer" = [])), params(("bookingId" = String, Path)),
    responses((status = 200, body = BookingBody), (status = 202, body = BookingBody),
        (status = 404, description = "BOOKING_UNKNOWN"),
        (status = 409, description = "BOOKING_NOT_CONFIRMED, BOOKING_UNDER_REVIEW"),
        (status = 503, description = "SETTLEMENT_UNAVAILABLE")))]
pub async fn cancel(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(order): Id<OrderId>,
) -> Answered {
    let status = match ask(&app, CancelBooking { order, account: caller.account }).await? {
        CancelAnswer::Refunded { sequence } => {
            wait_for_view(&app, order, sequence).await;
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
        CancelAnswer::Unknown => return Err(orders::unknown()),
        CancelAnswer::Busy => return Err(unavailable()),
    };
    let booking: BookingBody =
        orders::find(&app, caller.account, order).await?.ok_or_else(orders::unknown)?;
    let mut response = json(status, &booking).into_response();
    if status == StatusCode::ACCEPTED {
        response.headers_mut().insert("retry-after", HeaderValue::from_static("1"));
    }
    Ok(response)
}

fn unavailable() -> Problem {
    problems::unavailable("SETTLEMENT_UNAVAILABLE", "settlement does not answer now; try again")
}

async fn ask(app: &App, question: CancelBooking) -> Result<CancelAnswer, Problem> {
    let request = telemetry::question(codec::encode(&question).into()).timeout(Some(ANSWER_WAIT));
    let sent = app.nats.client.send_request(subject::SETTLE_CANCEL, request);
    let answer = tokio::time::timeout(ANSWER_WAIT, sent).await.map_err(|_| unavailable())?;
    let answer = answer.map_err(|error| {
        tracing::debug!(%error, "no settlement answers");
        unavailable()
    })?;
    codec::decode(&answer.payload).map_err(|error| {
        tracing::error!(%error, "an answer of settlement that nobody can read");
        unavailable()
    })
}

/// Waits until the own view has the refund; a view that lags is caught by the barrier of whoever
/// reads it.
async fn wait_for_view(app: &App, order: OrderId, sequence: u64) {
    let Some(shard) = app.views.of_hold(order.into()) else { return };
    if !shard.reached(sequence, VIEW_WAIT).await {
        tracing::debug!(%order, "the view lags behind a refund");
    }
}
