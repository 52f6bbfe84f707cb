//! Bookings as settlement has stored them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use chassis::Problem;
use http::StatusCode;
use schema::{AccountId, AreaIdx, EventId, HoldId, OrderId, SeatIdx, TicketId, UnixMillis};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use super::body::{BookingBody, PlaceNames, TicketBody, TicketStatus, money};
use crate::accounts::Caller;
use crate::app::App;
use crate::catalog::Catalog;
use crate::extract::{Id, json};
use crate::problems::{self, Answered};

/// Most bookings in a list, newest first. A fan with more has a history that no page shows at once.
const BOOKINGS_MAX: i64 = 200;

#[derive(Debug, Serialize, ToSchema)]
pub struct BookingsBody {
    bookings: Vec<BookingBody>,
}

/// Lists one's own bookings, newest first.
#[utoipa::path(get, path = "/api/bookings", tag = "bookings", security(("bearer" = [])),
    responses((status = 200, body = BookingsBody)))]
pub async fn bookings(State(app): State<Arc<App>>, caller: Caller) -> Answered {
    let bookings = of_account(&app, caller.account, None).await?;
    Ok(json(StatusCode::OK, &BookingsBody { bookings }))
}

/// Shows a booking of one's own.
#[utoipa::path(get, path = "/api/bookings/{bookingId}", tag = "bookings",
    security(("bearer" = [])), params(("bookingId" = String, Path)),
    responses((status = 200, body = BookingBody), (status = 404, description = "BOOKING_UNKNOWN")))]
pub async fn booking(State(app): State<Arc<App>>, caller: Caller, Id(id): Id<OrderId>) -> Answered {
    let booking = find(&app, caller.account, id).await?.ok_or_else(unknown)?;
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
    Ok(of_account(app, account, Some(id)).await?.pop())
}

async fn of_account(
    app: &App,
    account: AccountId,
    only: Option<OrderId>,
) -> Result<Vec<BookingBody>, Problem> {
    let read = read(&app.postgres, &app.catalog, account, only).await;
    read.map_err(|error| problems::store(&error))
}

async fn read(
    postgres: &PgPool,
    catalog: &Catalog,
    account: AccountId,
    only: Option<OrderId>,
) -> Result<Vec<BookingBody>, sqlx::Error> {
    let select = "SELECT booking_id, event_id, status, amount, currency, created_at
         FROM booking_view WHERE account_id = $1 AND ($2::uuid IS NULL OR booking_id = $2)
         ORDER BY created_at DESC, booking_id DESC LIMIT $3";
    let rows = sqlx::query(select)
        .bind(Uuid::from_u128(account.0))
        .bind(only.map(|order| Uuid::from_u128(order.0)))
        .bind(BOOKINGS_MAX)
        .fetch_all(postgres)
        .await?;
    let orders: Vec<Uuid> =
        rows.iter().map(|row| row.try_get("booking_id")).collect::<Result<_, _>>()?;
    let lines = "SELECT booking_id, line, seat_idx, area_idx, price_level, price, code,
             ticket_state
         FROM booking_line_view WHERE booking_id = ANY($1) ORDER BY booking_id, line";
    let lines = sqlx::query(lines).bind(&orders).fetch_all(postgres).await?;
    let mut lines_of: HashMap<Uuid, Vec<PgRow>> = HashMap::new();
    for line in lines {
        lines_of.entry(line.try_get("booking_id")?).or_default().push(line);
    }
    let lines = |row: &PgRow| -> Result<Vec<PgRow>, sqlx::Error> {
        Ok(lines_of.remove(&row.try_get("booking_id")?).unwrap_or_default())
    };
    rows.iter().map(lines).zip(&rows).map(|(lines, row)| show(catalog, row, &lines?)).collect()
}

fn show(catalog: &Catalog, row: &PgRow, lines: &[PgRow]) -> Result<BookingBody, sqlx::Error> {
    let order = OrderId(row.try_get::<Uuid, _>("booking_id")?.as_u128());
    let event_id: String = row.try_get("event_id")?;
    let currency: String = row.try_get("currency")?;
    let listed = event_id.parse::<EventId>().ok().and_then(|event| catalog.find(&event));
    let plan = listed.as_ref().map(|listed| listed.plan.as_ref());
    let ticket = |line: &PgRow| -> Result<TicketBody, sqlx::Error> {
        let number: i32 = line.try_get("line")?;
        let seat: Option<i32> = line.try_get("seat_idx")?;
        let area: Option<i32> = line.try_get("area_idx")?;
        let level: i32 = line.try_get("price_level")?;
        let seat = seat.and_then(|seat| u32::try_from(seat).ok()).map(SeatIdx);
        let area = area.and_then(|area| u16::try_from(area).ok()).map(AreaIdx);
        let is_valid = line.try_get::<&str, _>("ticket_state")? == "valid";
        let code: String = line.try_get("code")?;
        let line_number = u16::try_from(number).expect("an order has at most 4,096 lines");
        Ok(TicketBody {
            ticket_id: TicketId { order, line: line_number }.to_string(),
            place: PlaceNames::of(plan, seat, area),
            price_level: u8::try_from(level).expect("a level is below 32"),
            price: money(line.try_get("price")?, &currency),
            status: if is_valid { TicketStatus::Valid } else { TicketStatus::Void },
            code: is_valid.then_some(code),
        })
    };
    let created_at: i64 = row.try_get("created_at")?;
    Ok(BookingBody {
        booking_id: order.to_string(),
        reservation_id: HoldId::from(order).to_string(),
        event_id,
        status: row.try_get("status")?,
        tickets: lines.iter().map(ticket).collect::<Result<_, _>>()?,
        total: money(row.try_get("amount")?, &currency),
        created_at: UnixMillis(u64::try_from(created_at).unwrap_or_default()).to_rfc3339(),
    })
}
