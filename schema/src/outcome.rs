//! Outcomes: what the owner of a shard has decided. The journal is made of them, and so is every
//! answer.

use crate::command::{Command, OwnerKind, PassPlace};
use crate::id::{AccountId, AreaIdx, CommandId, EventId, HoldId, SeatIdx};
use crate::money::{Currency, Money};
use crate::refusal::Refusal;
use crate::time::{DurationMs, UnixMillis};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The command it answers; `None` for what the owner did by itself (expiry).
    pub asked: Option<Asked>,
    pub event: EventId,
    /// Free places of the event after it, so that a reader needs no sum of changes.
    pub free_after: u32,
    pub body: OutcomeBody,
}

impl Outcome {
    /// An upper bound of the encoded size, for closing batches and messages before they grow too
    /// large.
    ///
    /// The factors are the encoder's worst case: 5 bytes an integer of 32 bits, 9 one of 64, plus
    /// headers.
    pub fn bytes_max(&self) -> usize {
        const FIXED: usize = 400;
        const SEAT: usize = 24;
        const AREA: usize = 32;
        let held = |held: &Held| SEAT * held.seats.len() + AREA * held.areas.len();
        let returned = |parts: &[ReturnedPart]| -> usize {
            let part = |part: &ReturnedPart| SEAT * part.seats.len() + AREA * part.areas.len();
            parts.iter().map(|one| FIXED + part(one)).sum()
        };
        let parts = match &self.body {
            OutcomeBody::SeatsHeld(seats) | OutcomeBody::SeatsSwapped(seats) => held(seats),
            OutcomeBody::PaymentStarted(payment)
            | OutcomeBody::PaymentAwaited(payment)
            | OutcomeBody::Reseated(payment) => {
                let trace = payment.trace.as_ref().map_or(0, |trace| trace.len());
                held(&payment.held) + payment.method.len() + payment.token.len() + trace
            }
            OutcomeBody::AllotmentReduced { parts } => returned(parts),
            OutcomeBody::AllottedSold { parts, payment } => {
                returned(parts) + held(&payment.held) + payment.token.len()
            }
            OutcomeBody::SaleReduced { places, .. } => {
                SEAT * places.seats.len() + AREA * places.areas.len()
            }
            OutcomeBody::Refused(refusal) => SEAT * refusal.seats().len(),
            _ => 0,
        };
        FIXED + parts
    }
}

/// Who asked, for the memory of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub command: CommandId,
    pub fingerprint: u64,
    pub account: AccountId,
}

impl Asked {
    /// Who asked with this command.
    pub fn by(command: &Command) -> Self {
        let Command { id, fingerprint, account, .. } = *command;
        Self { command: id, fingerprint, account }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutcomeBody {
    SeatsHeld(Held),
    HoldReleased {
        hold: HoldId,
        why: Released,
    },
    PaymentStarted(Payment),
    /// A reminder that a payment has no verdict yet; changes nothing.
    PaymentAwaited(Payment),
    /// Paying => Held, with at least 30 s left after each of the first declines
    /// ([`DECLINES_PROLONGED_MAX`](crate::limits::DECLINES_PROLONGED_MAX)).
    PaymentDeclined {
        hold: HoldId,
        attempt: u32,
        deadline: UnixMillis,
    },
    SeatsSold {
        hold: HoldId,
        pass: Option<PassPlace>,
    },
    AllotmentReduced {
        parts: Vec<ReturnedPart>,
    },
    /// After an outage: every unpaid hold of the event with a deadline lives longer by its length.
    DeadlinesMoved {
        by: DurationMs,
    },
    /// Nothing changed and the asker hears why.
    Refused(Refusal),
    /// Nothing changed because it was so already: a repeated release or verdict.
    Unchanged {
        hold: HoldId,
    },
    /// Its owner asked for more time.
    HoldExtended {
        hold: HoldId,
        deadline: UnixMillis,
    },
    /// Its owner took other places: the whole hold as it is now, of the same deadline. Seats that
    /// are not in it any more are free.
    SeatsSwapped(Held),
    /// Nothing changed because all seats were as an operation on many would make them.
    SeatsUnchanged,
    /// A new hold has places for money that came late, and its payment has started: the money is
    /// there. Its token is the id of the hold that it was for.
    Reseated(Payment),
    /// Places of a hold that is sold are free: their money went back. The rest stays sold.
    SaleReduced {
        /// As in [`CommandBody::ReduceSale`](crate::CommandBody::ReduceSale).
        part: u32,
        places: ReturnedPart,
    },
    /// A partner has sold places: its allotments have lost these parts, and a new hold has them,
    /// and those that were free before, whose payment has started. Nobody will be asked for its
    /// money. Its token is the buyer, as in [`SellAllotted`](crate::SellAllotted).
    AllottedSold {
        parts: Vec<ReturnedPart>,
        payment: Payment,
    },
}

/// Places set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub hold: HoldId,
    pub account: AccountId,
    pub owner: OwnerKind,
    /// In ascending order of seat.
    pub seats: Vec<HeldSeat>,
    pub areas: Vec<HeldArea>,
    pub currency: Currency,
    /// `None` for holds without an end (allotments, kills).
    pub deadline: Option<UnixMillis>,
    pub pass: Option<PassPlace>,
}

/// A seat of a hold. Each later change of the seat raises the generation by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldSeat {
    pub seat: SeatIdx,
    /// The seat word's generation after the claim.
    pub generation: u32,
    pub price_level: u8,
    /// In minor units of the hold's currency.
    pub price: i64,
}

/// Standing places of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldArea {
    pub area: AreaIdx,
    pub quantity: u32,
    pub price_level: u8,
    /// Of one place, in minor units.
    pub price: i64,
}

impl Held {
    /// The sum of all prices.
    pub fn total(&self) -> Money {
        let seats: i64 = self.seats.iter().map(|seat| seat.price).sum();
        let areas: i64 = self.areas.iter().map(|area| area.price * i64::from(area.quantity)).sum();
        Money::new(seats + areas, self.currency)
    }

    /// Whether a seat is in the hold. O(log seats).
    pub fn has_seat(&self, seat: SeatIdx) -> bool {
        self.seats.binary_search_by_key(&seat, |held| held.seat).is_ok()
    }

    /// Seats and standing places together.
    pub fn place_count(&self) -> u32 {
        let seats = u32::try_from(self.seats.len()).expect("a hold has at most 4,096 places");
        seats + self.areas.iter().map(|area| area.quantity).sum::<u32>()
    }
}

/// Why a hold ended without a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Released {
    /// Its owner gave it up.
    ByOwner,
    /// Its deadline passed.
    Expired,
    /// Its payment was cancelled.
    PaymentCancelled,
    /// It was sold and the money went back.
    Refunded,
}

/// A payment that settlement shall carry out: everything it needs, so that it keeps no seat map.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    pub held: Held,
    /// Counted from 1; another card after a decline is another attempt.
    pub attempt: u32,
    pub method: CompactString,
    pub token: CompactString,
    /// After this settlement cancels at the provider and then lets the seats go.
    pub payment_deadline: UnixMillis,
    /// W3C `traceparent` of whoever asked to pay; `None` in reminders.
    ///
    /// Left out where there is none, so that nobody pays a byte for a trace that nobody keeps.
    /// Boxed, because the memory of commands keeps many outcomes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Box<str>>,
}

impl fmt::Debug for Payment {
    /// Without the token, which may be worth money.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { held, attempt, method, token: _, payment_deadline, trace } = self;
        let mut shown = f.debug_struct("Payment");
        shown.field("held", held).field("attempt", attempt).field("method", method);
        shown.field("payment_deadline", payment_deadline).field("trace", trace);
        shown.finish_non_exhaustive()
    }
}

/// What a partner gave back of one allotment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnedPart {
    pub hold: HoldId,
    pub seats: Vec<SeatIdx>,
    pub areas: Vec<(AreaIdx, u32)>,
}
