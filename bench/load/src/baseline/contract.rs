//! The parts of the public contract that the baselines speak.

use super::hall::Hall;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schema::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

#[derive(Debug, Deserialize)]
pub struct ImportInput {
    pub events: Vec<EventInput>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventInput {
    pub event_id: String,
    pub price_levels: Vec<LevelInput>,
    pub plan: PlanInput,
    pub hold_ttl_seconds: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub struct LevelInput {
    pub price: Price,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Price {
    pub amount: i64,
    pub currency: String,
}

#[derive(Debug, Deserialize)]
pub struct PlanInput {
    pub sections: Vec<SectionInput>,
}

#[derive(Debug, Deserialize)]
pub struct SectionInput {
    pub section: String,
    pub rows: Vec<RowInput>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RowInput {
    pub row: String,
    pub seats: u8,
    #[serde(default = "one")]
    pub first_seat: i32,
    pub price_level: u8,
}

#[derive(Debug, Deserialize)]
pub struct AccountsInput {
    pub count: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReserveInput {
    pub event_id: String,
    pub seats: Option<Vec<SeatInput>>,
    pub best_available: Option<BestInput>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeatInput {
    pub seat_id: String,
}

#[derive(Debug, Deserialize)]
pub struct BestInput {
    pub quantity: u8,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfirmInput {
    pub reservation_id: Uuid,
    pub payment_method: String,
    pub payment_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReservationBody<'a> {
    reservation_id: Uuid,
    event_id: &'a str,
    status: &'static str,
    seats: Vec<SeatBody<'a>>,
    areas: [(); 0],
    total: Price,
    expires_at: String,
    expires_in_ms: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SeatBody<'a> {
    seat_id: String,
    section: &'a str,
    row: &'a str,
    seat: i32,
    price_level: u8,
    price: Price,
    accessible: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BookingBody<'a> {
    booking_id: Uuid,
    reservation_id: Uuid,
    event_id: &'a str,
    status: &'static str,
    tickets: Vec<TicketBody<'a>>,
    total: Price,
    created_at: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TicketBody<'a> {
    ticket_id: String,
    seat_id: String,
    area_id: Option<()>,
    price_level: u8,
    price: Price,
    status: &'static str,
    code: &'a str,
}

fn one() -> i32 {
    1
}

/// 201 with the reservation.
pub fn reservation(hall: &Hall, id: Uuid, seats: &[i32], now: i64, expires_at: i64) -> Response {
    let price = |amount| Price { amount, currency: hall.currency.clone() };
    let body = ReservationBody {
        reservation_id: id,
        event_id: &hall.event,
        status: "HELD",
        seats: seats
            .iter()
            .map(|idx| {
                let seat = hall.seat(*idx);
                SeatBody {
                    seat_id: seat.id(),
                    section: seat.section,
                    row: seat.row,
                    seat: seat.number,
                    price_level: seat.level,
                    price: price(seat.price),
                    accessible: false,
                }
            })
            .collect(),
        areas: [],
        total: hall.total(seats),
        expires_at: rfc3339(expires_at),
        expires_in_ms: (expires_at - now).max(0),
    };
    (StatusCode::CREATED, Json(body)).into_response()
}

/// 200 with the booking; `codes` are those of its tickets.
pub fn booking(hall: &Hall, id: Uuid, seats: &[i32], codes: &[String], at: i64) -> Response {
    let price = |amount| Price { amount, currency: hall.currency.clone() };
    let ticket = |(line, (idx, code)): (usize, (&i32, &'_ String))| {
        let seat = hall.seat(*idx);
        (line, seat, price(seat.price), code.clone())
    };
    let tickets: Vec<_> = seats.iter().zip(codes).enumerate().map(ticket).collect();
    let body = BookingBody {
        booking_id: id,
        reservation_id: id,
        event_id: &hall.event,
        status: "CONFIRMED",
        tickets: tickets
            .iter()
            .map(|(line, seat, price, code)| TicketBody {
                ticket_id: format!("{id}-{line}"),
                seat_id: seat.id(),
                area_id: None,
                price_level: seat.level,
                price: price.clone(),
                status: "VALID",
                code,
            })
            .collect(),
        total: hall.total(seats),
        created_at: rfc3339(at),
    };
    Json(body).into_response()
}

/// A refusal as the contract has it.
pub fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let body = json!({
        "type": "about:blank", "title": detail, "status": status.as_u16(), "code": code,
        "detail": detail, "retryable": status.is_server_error(),
    });
    (status, [("content-type", "application/problem+json")], body.to_string()).into_response()
}

fn rfc3339(millis: i64) -> String {
    UnixMillis(u64::try_from(millis).unwrap_or_default()).to_rfc3339()
}
