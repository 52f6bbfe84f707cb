//! What a crowd was promised, with the times between which it was.

use crate::record::Deed;
use std::time::Duration;

/// A seat by its id, or standing places of an area.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    Seat(Box<str>),
    Area { area: Box<str>, quantity: u32 },
}

/// One answer that a promise hangs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deal {
    /// 201: these places are the account's until the hold ends.
    Reserved { reservation: Box<str>, places: Box<[Place]>, expires_in: Duration },
    /// A refusal with the seats that it names, or those that were asked for; `quantity` is what
    /// was wished for where no seats were named, or of the one area that is named instead.
    Refused { deed: Deed, code: Box<str>, seats: Box<[Box<str>]>, quantity: u32 },
    /// 200 CONFIRMED with these tickets.
    Confirmed { reservation: Box<str>, booking: Box<str>, places: Box<[Place]> },
    /// 410: the hold that was to be paid for had ended.
    Lapsed { reservation: Box<str> },
    /// The account gave its hold back and was told so.
    Released { reservation: Box<str> },
    /// The booking was cancelled and refunded.
    Cancelled { booking: Box<str> },
    /// Asked and heard nothing definite (202, 503, a lost connection): whatever came of it is no
    /// broken promise. Seats and `quantity` are those that were asked for.
    Unknown { deed: Deed, reservation: Option<Box<str>>, seats: Box<[Box<str>]>, quantity: u32 },
}

/// A deal, of whom and when. Times count from the start of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dealt {
    pub event: Box<str>,
    /// Which of the run's accounts.
    pub account: u32,
    /// Reserves of an account under one key are one command, with one outcome.
    pub key: Option<u64>,
    pub asked: Duration,
    pub answered: Duration,
    pub deal: Deal,
}
