//! Refusals: the expected "no" of the pipeline, with the codes that clients script against.

use crate::id::SeatIdx;
use serde::{Deserialize, Serialize};

/// Why the owner of a shard says no. Journaled, so a repeated command hears the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// Another live hold or a buyer owns these of the seats asked for.
    SeatTaken {
        seats: Vec<SeatIdx>,
    },
    /// Fewer places are free than asked for, or none of the asked shape.
    NotEnoughSeats,
    /// No place of the event is free.
    SoldOut,
    EventUnknown,
    /// A seat, area, section or price level outside of the plan.
    SeatUnknown,
    /// Empty, repeated or too many places.
    RequestInvalid,
    /// The event is cancelled or its sale has not started.
    NotOnSale,
    /// The pass is past its deadline.
    PassExpired,
    /// The pass belongs to another account.
    PassForeign,
    /// The pass has a live hold already.
    PassInUse,
    /// A confirmed booking has spent the pass.
    PassSpent,
    /// The account would own more places of this event than one may.
    LimitExceeded,
    /// No such hold of this account.
    HoldUnknown,
    /// The hold has ended: expired or released.
    HoldEnded,
    /// The hold is being paid.
    PaymentInProgress,
    /// The hold is sold: cancel the booking instead.
    AlreadySold,
    /// A seat to return is not in the partner's allotments.
    NotAllotted,
    /// The shard holds as many holds, events or commands as its limits allow.
    Full,
    /// The hold lives as long as one may already.
    HoldAtLimit,
    /// These seats are in a status in which the operation does not allow them.
    StatusNotAllowed {
        seats: Vec<SeatIdx>,
    },
    /// A channel keeps these of the seats asked for, and the asker has not named it.
    ChannelRequired {
        seats: Vec<SeatIdx>,
    },
}

/// A stable code with what every answer of it says: HTTP status, title and whether a repeat may
/// succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    pub code: &'static str,
    pub status: u16,
    pub title: &'static str,
    pub retryable: bool,
}

const fn code(code: &'static str, status: u16, title: &'static str) -> Code {
    Code { code, status, title, retryable: false }
}

const fn retryable(code: &'static str, status: u16, title: &'static str) -> Code {
    Code { code, status, title, retryable: true }
}

impl Refusal {
    /// The seats that it names; none of a refusal that names no seat.
    pub fn seats(&self) -> &[SeatIdx] {
        match self {
            Self::SeatTaken { seats }
            | Self::StatusNotAllowed { seats }
            | Self::ChannelRequired { seats } => seats,
            _ => &[],
        }
    }

    pub fn code(&self) -> Code {
        match self {
            Self::SeatTaken { .. } => code("SEAT_TAKEN", 409, "Some of these seats are taken"),
            Self::NotEnoughSeats => {
                code("NOT_ENOUGH_SEATS", 409, "Not enough such places are free")
            }
            Self::SoldOut => code("SOLD_OUT", 409, "No place is free"),
            Self::EventUnknown => code("EVENT_UNKNOWN", 404, "No such event"),
            Self::SeatUnknown => code("SEAT_UNKNOWN", 422, "The event has no such place"),
            Self::RequestInvalid => code("REQUEST_INVALID", 422, "The request makes no sense"),
            Self::NotOnSale => code("NOT_ON_SALE", 409, "The event is not on sale"),
            Self::PassExpired => code("PASS_EXPIRED", 403, "The admission pass has expired"),
            Self::PassForeign => code("PASS_FOREIGN", 403, "The pass is somebody else's"),
            Self::PassInUse => code("PASS_IN_USE", 403, "The pass has a live reservation"),
            Self::PassSpent => code("PASS_SPENT", 403, "The pass has bought already"),
            Self::LimitExceeded => code("LIMIT_EXCEEDED", 403, "More places than one may own"),
            Self::HoldUnknown => code("RESERVATION_UNKNOWN", 404, "No such reservation"),
            Self::HoldEnded => code("RESERVATION_EXPIRED", 410, "The reservation has ended"),
            Self::PaymentInProgress => code("PAYMENT_IN_PROGRESS", 409, "A payment is under way"),
            Self::AlreadySold => code("ALREADY_CONFIRMED", 409, "The reservation is a booking now"),
            Self::NotAllotted => code("NOT_ALLOTTED", 409, "The places are not in an allotment"),
            Self::HoldAtLimit => {
                code("RESERVATION_AT_LIMIT", 409, "The reservation can live no longer")
            }
            Self::StatusNotAllowed { .. } => {
                code("STATUS_NOT_ALLOWED", 409, "Some of these seats are in another status")
            }
            Self::ChannelRequired { .. } => {
                code("CHANNEL_REQUIRED", 403, "Some of these seats are for holders of a code")
            }
            Self::Full => retryable("SHARD_FULL", 503, "The event takes no more reservations now"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Refusal;

    #[test]
    fn the_codes_of_the_public_contract_keep_their_status() {
        let codes = [
            (Refusal::SeatTaken { seats: vec![] }, "SEAT_TAKEN", 409),
            (Refusal::NotEnoughSeats, "NOT_ENOUGH_SEATS", 409),
            (Refusal::SoldOut, "SOLD_OUT", 409),
            (Refusal::PassExpired, "PASS_EXPIRED", 403),
            (Refusal::PassForeign, "PASS_FOREIGN", 403),
            (Refusal::PassInUse, "PASS_IN_USE", 403),
            (Refusal::PassSpent, "PASS_SPENT", 403),
            (Refusal::LimitExceeded, "LIMIT_EXCEEDED", 403),
            (Refusal::EventUnknown, "EVENT_UNKNOWN", 404),
            (Refusal::SeatUnknown, "SEAT_UNKNOWN", 422),
            (Refusal::RequestInvalid, "REQUEST_INVALID", 422),
            (Refusal::PaymentInProgress, "PAYMENT_IN_PROGRESS", 409),
            (Refusal::HoldEnded, "RESERVATION_EXPIRED", 410),
            (Refusal::HoldAtLimit, "RESERVATION_AT_LIMIT", 409),
            (Refusal::StatusNotAllowed { seats: vec![] }, "STATUS_NOT_ALLOWED", 409),
            (Refusal::ChannelRequired { seats: vec![] }, "CHANNEL_REQUIRED", 403),
        ];
        for (refusal, code, status) in codes {
            assert_eq!((refusal.code().code, refusal.code().status), (code, status));
        }
    }
}
