//! Bookings as their owners see them.

use std::sync::Arc;

use axum::extract::State;
use chassis::Problem;
use http::StatusCode;
use schema::{AccountId, EventId, HoldId, OrderId, TicketId, UnixMillis};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::{
    BookingBody, LatePaymentBody, PENDING, POLL_AFTER_MS, PlaceNames, TicketBody, TicketStatus,
    money,
};
use super::stored::{LateMoney, Stored, StoredLine, TicketState, Unread};
use super::wait::{self, WaitParams};
use crate::accounts::Caller;
use crate::app::App;
use crate::catalog::Catalog;
use crate::extract::{Id, Params, json};
use crate::problems::{self, Answered};

#[derive(Debug, Serialize, ToSchema)]
pub struct BookingsBody {
    bookings: Vec<BookingBody>,
}

/// Lists one's own bookings, newest first.
#[utoipa::path(get, path = "/api/bookings", tag = "bookings", security(("bearer" = [])),
    responses((status = 200, body = BookingsBody)))]
pub async fn bookings(State(app): State<Arc<App>>, caller: Caller) -> Answered {
    let found = app.bookings.of_account(caller.account).await.map_err(|error| unread(&error))?;
    let bookings = found.iter().map(|stored| show(&app.catalog, stored)).collect();
    Ok(json(StatusCode::OK, &BookingsBody { bookings }))
}

/// Shows a booking of one's own; while it is `PENDING` on request not before its end.
///
/// It is found from the moment at which its payment begins.
#[utoipa::path(get, path = "/api/bookings/{bookingId}", tag = "bookings",
    security(("bearer" = [])), params(("bookingId" = String, Path), WaitParams),
    responses((status = 200, body = BookingBody), (status = 404, description = "BOOKING_UNKNOWN"),
        (status = 422, description = "REQUEST_INVALID")))]
pub async fn booking(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<OrderId>,
    Params(params): Params<WaitParams>,
) -> Answered {
    let wait = params.wait(&app.config)?;
    let booking = wait::ended(&app, caller.account, id, wait).await?.ok_or_else(unknown)?;
    Ok(json(StatusCode::OK, &booking))
}

pub(super) fn unknown() -> Problem {
    Problem::new(404, "BOOKING_UNKNOWN", "No such booking", "your account has no such booking")
}

/// A booking of the account; somebody else's is as unknown as none.
pub(super) async fn find(
    app: &App,
    account: AccountId,
    id: OrderId,
) -> Result<Option<BookingBody>, Problem> {
    let found = app.bookings.find(id).await.map_err(|error| unread(&error))?;
    let own = found.filter(|stored| stored.account == account);
    Ok(own.map(|stored| show(&app.catalog, &stored)))
}

/// Whether a booking of the account was sold, be it paid back by now; `None` while that is open.
pub async fn was_sold(app: &App, account: AccountId, id: OrderId) -> Result<Option<bool>, Problem> {
    let found = find(app, account, id).await?;
    let known = found.filter(|booking| booking.was_paid() || !booking.is_open());
    Ok(known.map(|booking| booking.was_paid()))
}

fn show(catalog: &Catalog, stored: &Stored) -> BookingBody {
    let listed = stored.event_id.parse::<EventId>().ok().and_then(|event| catalog.find(&event));
    let plan = listed.as_ref().map(|listed| listed.plan.as_ref());
    let status = |line: &StoredLine| match line.state {
        TicketState::Void => TicketStatus::Void,
        TicketState::Refunding => TicketStatus::Refunding,
        TicketState::Valid if line.holder == stored.account => TicketStatus::Valid,
        TicketState::Valid => TicketStatus::Transferred,
    };
    let void = || stored.lines.iter().filter(|line| line.state == TicketState::Void);
    let refunded = void().map(|line| line.price).sum();
    let ticket = |line: &StoredLine| TicketBody {
        ticket_id: TicketId { order: stored.order, line: line.line }.to_string(),
        place: PlaceNames::of(plan, line.seat, line.area),
        price_level: line.price_level,
        price: money(line.price, &stored.currency),
        status: status(line),
        code: (status(line) == TicketStatus::Valid).then(|| line.code.clone()),
    };
    BookingBody {
        booking_id: stored.order.to_string(),
        reservation_id: HoldId::from(stored.order).to_string(),
        event_id: stored.event_id.clone(),
        status: stored.status.clone(),
        declined: stored.is_declined,
        tickets: stored.lines.iter().map(ticket).collect(),
        total: money(stored.amount, &stored.currency),
        refunded: void().next().map(|_| money(refunded, &stored.currency)),
        created_at: stored.created_at.to_rfc3339(),
        poll_after_ms: (stored.status == PENDING).then_some(POLL_AFTER_MS),
        late_payment: stored.late.as_ref().map(late_payment),
        instead_of: stored.instead_of.map(|order| order.to_string()),
        buyer: stored.buyer.clone(),
    }
}

fn late_payment(late: &LateMoney) -> LatePaymentBody {
    LatePaymentBody {
        outcome: late.outcome.clone(),
        booking_id: late.bought.map(|order| order.to_string()),
        reason: late.reason.clone(),
        found_at: late.found_at.to_rfc3339(),
        decided_at: late.decided_at.map(UnixMillis::to_rfc3339),
    }
}

fn unread(unread: &Unread) -> Problem {
    match unread {
        Unread::Failed(error) => problems::store(error),
        Unread::Ended => problems::unavailable("STORE_UNAVAILABLE", "the service ends; try again"),
    }
}
