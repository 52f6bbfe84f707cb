//! Reservations and bookings as the API shows them.

use schema::{
    AreaIdx, Currency, EventId, Held, HoldId, Money, OrderId, PlanIndex, SeatIdx, UnixMillis,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::catalog::MoneyBody;
use crate::partners::Buyer;
use crate::views::{Hold, Moment};

/// When to ask again about a payment that is still open.
pub const POLL_AFTER_MS: u64 = 2_000;

/// What a booking is whose payment is open.
pub const PENDING: &str = "PENDING";

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldSeatBody {
    seat_id: String,
    section: String,
    row: String,
    seat: u16,
    price_level: u8,
    price: MoneyBody,
    accessible: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldAreaBody {
    area_id: String,
    quantity: u32,
    price_level: u8,
    /// Of one place.
    price: MoneyBody,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReservationBody {
    reservation_id: String,
    event_id: String,
    /// `HELD`, `PAYING`, `CONFIRMED`, `RELEASED` or `EXPIRED`.
    status: &'static str,
    seats: Vec<HeldSeatBody>,
    areas: Vec<HeldAreaBody>,
    total: MoneyBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    booking_id: Option<String>,
}

impl ReservationBody {
    pub fn new(event: &str, held: &Held, plan: &PlanIndex, now: Moment) -> Self {
        let seats = held.seats.iter().filter_map(|seat| {
            let place = plan.place(seat.seat)?;
            Some(HeldSeatBody {
                seat_id: place.seat_id().into(),
                section: place.section.name.to_string(),
                row: place.row.label.to_string(),
                seat: place.number(),
                price_level: seat.price_level,
                price: Money::new(seat.price, held.currency).into(),
                accessible: place.accessible(),
            })
        });
        let areas = held.areas.iter().filter_map(|area| {
            Some(HeldAreaBody {
                area_id: plan.plan.area(area.area)?.id.to_string(),
                quantity: area.quantity,
                price_level: area.price_level,
                price: Money::new(area.price, held.currency).into(),
            })
        });
        Self {
            reservation_id: held.hold.to_string(),
            event_id: event.to_owned(),
            status: "HELD",
            seats: seats.collect(),
            areas: areas.collect(),
            total: held.total().into(),
            expires_at: held.deadline.map(|deadline| now.on_wall(deadline).to_rfc3339()),
            expires_in_ms: held.deadline.map(|deadline| now.until(deadline).0),
            booking_id: None,
        }
    }

    /// The reservation as its hold stands now.
    pub fn of_hold(hold: &Hold, plan: &PlanIndex, now: Moment) -> Self {
        use crate::views::HoldState::{Held, Paying, Released, Sold};
        let mut body = Self::new(hold.event.as_str(), &hold.held, plan, now);
        body.status = hold.state.name();
        body.expires_at = hold.deadline.map(|deadline| now.on_wall(deadline).to_rfc3339());
        body.expires_in_ms = match hold.state {
            Held => hold.deadline.map(|deadline| now.until(deadline).0),
            // No timer ends a payment, and nothing more ends after the end.
            Paying | Sold | Released(_) => None,
        };
        if hold.state == Sold {
            body.booking_id = Some(OrderId::from(hold.held.hold).to_string());
        }
        body
    }
}

/// Names of a place on a ticket; exactly one is there.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceNames {
    pub seat_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area_id: Option<String>,
}

impl PlaceNames {
    pub fn of(plan: Option<&PlanIndex>, seat: Option<SeatIdx>, area: Option<AreaIdx>) -> Self {
        let seat_id = seat.zip(plan).and_then(|(seat, plan)| plan.place(seat));
        let area_id = area.zip(plan).and_then(|(area, plan)| plan.plan.area(area));
        Self {
            seat_id: seat_id.map(|place| place.seat_id().into()),
            area_id: area_id.map(|area| area.id.to_string()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum TicketStatus {
    Valid,
    Refunding,
    Void,
    Transferred,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketBody {
    pub ticket_id: String,
    #[serde(flatten)]
    pub place: PlaceNames,
    pub price_level: u8,
    pub price: MoneyBody,
    /// `VALID`; `VOID` once it was paid back; in a booking `REFUNDING` while it is on its way back
    /// alone, and `TRANSFERRED` while another account holds it.
    pub status: TicketStatus,
    /// What the ticket's barcode holds; null when it opens no door any more.
    pub code: Option<String>,
}

/// What became of money that came after its booking was given up.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LatePaymentBody {
    /// `PENDING`; `SAME_SEATS` or `EQUAL_SEATS` when it has bought another booking; `REFUNDED`.
    pub outcome: String,
    /// The booking that it has bought, with its seats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub booking_id: Option<String>,
    /// Why it goes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub found_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<String>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BookingBody {
    pub booking_id: String,
    pub reservation_id: String,
    pub event_id: String,
    /// `PENDING`, `CONFIRMED`, `CANCELLED` or `REFUNDED`.
    pub status: String,
    /// Whether the last payment was declined. Then a `PENDING` booking waits for nothing: another
    /// card may be tried while the reservation lives.
    pub declined: bool,
    pub tickets: Vec<TicketBody>,
    pub total: MoneyBody,
    /// What its tickets have cost that were paid back; left out while none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunded: Option<MoneyBody>,
    pub created_at: String,
    /// Of a `PENDING` one: when to ask again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll_after_ms: Option<u64>,
    /// Of one that was given up: what became of money that came for it after that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_payment: Option<LatePaymentBody>,
    /// Of one that such money has bought: the booking that was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
    /// Of one that a partner has sold: to whom, if it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buyer: Option<Buyer>,
}

impl BookingBody {
    /// One that is being paid, before more is known of it.
    pub fn pending(hold: HoldId, event: &EventId, total: Money, created_at: UnixMillis) -> Self {
        Self {
            booking_id: OrderId::from(hold).to_string(),
            reservation_id: hold.to_string(),
            event_id: event.to_string(),
            status: PENDING.to_owned(),
            declined: false,
            tickets: Vec::new(),
            total: total.into(),
            refunded: None,
            created_at: created_at.to_rfc3339(),
            poll_after_ms: Some(POLL_AFTER_MS),
            late_payment: None,
            instead_of: None,
            buyer: None,
        }
    }

    /// Whether money was taken for it, or a partner owes it, be it back by now.
    pub fn was_paid(&self) -> bool {
        let bought = self.late_payment.as_ref().is_some_and(|late| late.booking_id.is_some());
        !self.tickets.is_empty() || self.status == "REFUNDED" || bought
    }

    /// Whether something is still to come of its payment.
    pub fn is_open(&self) -> bool {
        self.status == PENDING && !self.declined
    }
}

/// A price as the store has it.
pub fn money(amount: i64, currency: &str) -> MoneyBody {
    let currency = currency.parse().unwrap_or(Currency::EUR);
    Money::new(amount, currency).into()
}
