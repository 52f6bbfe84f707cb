//! What ingress asks of settlement by request and reply on [`subject::SETTLE_CANCEL`].
//!
//! [`subject::SETTLE_CANCEL`]: crate::subject::SETTLE_CANCEL

use crate::id::{AccountId, OrderId};
use serde::{Deserialize, Serialize};

/// Asks to cancel a booking of an account. Repeating it is harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelBooking {
    pub order: OrderId,
    pub account: AccountId,
}

/// How the cancellation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CancelAnswer {
    /// The money is back and the seats are free since `sequence` of the shard's journal.
    Refunded { sequence: u64 },
    /// It will be refunded, but not within the wait: ask again.
    Underway,
    /// The booking is not paid, so there is nothing to refund: release the reservation instead.
    NotConfirmed,
    /// A person has to look at this booking first.
    UnderReview,
    /// The account has no such booking.
    Unknown,
    /// Settlement takes no more cancellations now, or its database is away: ask again.
    Busy,
}
