//! The things that people do over HTTP.

use serde::{Deserialize, Serialize};

/// One kind of question. Its name is the one in results and reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Deed {
    /// `POST /api/queue/{event}/join`
    Join,
    /// `GET /api/queue/{event}/status`
    Status,
    /// `GET /api/queue/{event}/me`
    Me,
    /// `POST /api/queue/{event}/claim`
    Claim,
    /// `DELETE /api/queue/{event}/me`
    Leave,
    /// `GET /api/events/{event}`
    Event,
    /// `GET /api/events/{event}/seats`
    Seats,
    /// `GET /api/search`
    Search,
    /// `POST /api/bookings/reserve`
    Reserve,
    /// `DELETE /api/bookings/reservations/{reservation}`
    Release,
    /// `POST /api/bookings/confirm`
    Confirm,
    /// `GET /api/bookings/{booking}`
    Booking,
    /// `POST /api/bookings/{booking}/cancel`
    Cancel,
    /// `POST /api/partners/allocations`
    Allocate,
    /// `PATCH /api/admin/events/{event}/admission`
    Steer,
}
