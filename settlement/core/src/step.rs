//! What to do next about an order: one decision, from what is stored and what the provider said
//! last.

use crate::order::State;
use crate::posting::Payer;
use schema::UnixMillis;

/// What is stored about an order, as far as the next step depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    pub state: State,
    pub payer: Payer,
    /// Whether the provider's id of the current attempt's payment is stored.
    pub bound: bool,
    /// Whether tickets were issued.
    pub sold: bool,
    /// Whether the ledger has the capture.
    pub captured: bool,
    /// Which part of it is on the way back, if a ticket is paid back alone.
    pub part: Option<u32>,
    pub payment_deadline: UnixMillis,
}

/// How the provider says that a payment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Nothing was charged and nothing will be, until it is authorised.
    Created,
    /// The provider does not know yet.
    Processing,
    /// The money is set aside.
    Authorised,
    /// Nothing was charged and nothing ever will be: the provider has closed the payment, so not
    /// even its buyer can pay it any more.
    Declined {
        reason: String,
    },
    Captured,
    Cancelled,
    Refunded,
}

/// What to do next. Each is repeatable: a crash before its effect is stored leads to it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Create the payment at the provider (charges nothing) and store its id.
    Create,
    /// Ask the provider how the payment is.
    Fetch,
    Authorise,
    /// Ask again later.
    Wait,
    /// Commit seats, tickets and ledger. `charged`: the money is taken already, so also from
    /// Cancelling.
    Sell {
        charged: bool,
    },
    Decline {
        reason: String,
    },
    /// Paying => Cancelling: from here on nobody authorises or sells.
    GiveUp,
    /// Cancel or void the payment at the provider.
    CancelPayment,
    /// Cancelling => Cancelled.
    FinishCancel,
    /// Take the money that was set aside.
    Capture,
    /// Book that the money was taken.
    RecordCapture,
    /// Give taken money back.
    RefundPayment,
    /// Refunding => Refunded.
    FinishRefund,
    /// Give back the money of the one ticket that is on its way, where a provider has it, and book
    /// that: Paid => Paid.
    RefundPart,
    /// Book money that was taken without a sale and given back.
    RecordReturn,
    /// Nothing is left to do about the money of an order under review.
    CloseReview,
    /// => `ReviewNeeded`.
    Review {
        reason: &'static str,
    },
    /// Nothing is to be done.
    Rest,
}

/// Decides the next step at `now`. `seen` is what the provider said last, `None` when it must be
/// asked.
pub fn next(facts: &Facts, seen: Option<&Seen>, now: UnixMillis) -> Step {
    if let Payer::Partner(_) = facts.payer {
        return next_of_partner(facts);
    }
    match facts.state {
        State::Paying => next_paying(facts, seen, now),
        State::Cancelling => next_cancelling(facts, seen),
        State::Paid => next_paid(facts, seen),
        State::Refunding => next_refunding(facts, seen),
        State::ReviewNeeded => next_review(facts, seen),
        State::Open | State::Declined | State::Cancelled | State::Refunded => Step::Rest,
    }
}

// Paying => Paid => Paid (with a ticket less) | Refunding => Refunded. The partner has the money:
// nothing waits for it, nothing is given up for want of it, and no provider is asked.
fn next_of_partner(facts: &Facts) -> Step {
    match facts.state {
        State::Paying => Step::Sell { charged: false },
        State::Paid if facts.part.is_some() => Step::RefundPart,
        State::Refunding => Step::FinishRefund,
        State::ReviewNeeded => Step::CloseReview,
        State::Cancelling => Step::FinishCancel,
        State::Paid | State::Open | State::Declined | State::Cancelled | State::Refunded => {
            Step::Rest
        }
    }
}

// Paying => Paid | Declined | Cancelling | ReviewNeeded.
fn next_paying(facts: &Facts, seen: Option<&Seen>, now: UnixMillis) -> Step {
    let late = facts.payment_deadline <= now;
    if !facts.bound {
        return if late { Step::GiveUp } else { Step::Create };
    }
    match seen {
        None => Step::Fetch,
        // Money that is there sells the seats, however late: no timer ends Paying, so they are ours
        // still.
        Some(Seen::Authorised) => Step::Sell { charged: false },
        Some(Seen::Captured) => Step::Sell { charged: true },
        Some(Seen::Declined { reason }) => Step::Decline { reason: reason.clone() },
        Some(Seen::Created | Seen::Processing | Seen::Cancelled) if late => Step::GiveUp,
        Some(Seen::Created) => Step::Authorise,
        Some(Seen::Processing) => Step::Wait,
        Some(Seen::Cancelled) => Step::Decline { reason: "cancelled at the provider".to_owned() },
        Some(Seen::Refunded) => Step::Review { reason: "refunded before it was sold" },
    }
}

// Cancelling => Cancelled | Paid.
fn next_cancelling(facts: &Facts, seen: Option<&Seen>) -> Step {
    if !facts.bound {
        // Only a stored id is ever authorised, and none can be stored any more.
        return Step::FinishCancel;
    }
    match seen {
        None | Some(Seen::Created | Seen::Authorised) => Step::CancelPayment,
        Some(Seen::Processing) => Step::Wait,
        Some(Seen::Cancelled | Seen::Declined { .. } | Seen::Refunded) => Step::FinishCancel,
        // The seats are still set aside for whom the money is from.
        Some(Seen::Captured) => Step::Sell { charged: true },
    }
}

// Paid => Paid (captured, or with a ticket less) | ReviewNeeded.
fn next_paid(facts: &Facts, seen: Option<&Seen>) -> Step {
    if facts.captured {
        return if facts.part.is_some() { Step::RefundPart } else { Step::Rest };
    }
    assert!(facts.bound, "nothing is sold without a payment");
    match seen {
        None | Some(Seen::Authorised) => Step::Capture,
        Some(Seen::Captured) => Step::RecordCapture,
        Some(Seen::Processing | Seen::Created) => Step::Wait,
        Some(Seen::Declined { .. } | Seen::Cancelled | Seen::Refunded) => {
            Step::Review { reason: "the money set aside was not there to take" }
        }
    }
}

// Refunding => Refunded.
fn next_refunding(facts: &Facts, seen: Option<&Seen>) -> Step {
    assert!(facts.bound, "nothing is sold without a payment");
    match seen {
        None => Step::Fetch,
        Some(Seen::Captured | Seen::Refunded) if !facts.captured => Step::RecordCapture,
        Some(Seen::Captured) => Step::RefundPayment,
        Some(Seen::Authorised | Seen::Created) => Step::CancelPayment,
        Some(Seen::Processing) => Step::Wait,
        Some(Seen::Cancelled | Seen::Declined { .. } | Seen::Refunded) => Step::FinishRefund,
    }
}

// ReviewNeeded => ReviewNeeded. ORD-2: money without tickets goes back by itself; the rest is for a
// person.
fn next_review(facts: &Facts, seen: Option<&Seen>) -> Step {
    if facts.sold || !facts.bound {
        return Step::CloseReview;
    }
    match seen {
        None => Step::Fetch,
        Some(Seen::Created | Seen::Authorised) => Step::CancelPayment,
        Some(Seen::Processing) => Step::Wait,
        Some(Seen::Captured) => Step::RefundPayment,
        Some(Seen::Refunded) if !facts.captured => Step::RecordReturn,
        Some(Seen::Refunded | Seen::Cancelled | Seen::Declined { .. }) => Step::CloseReview,
    }
}

#[cfg(test)]
mod tests;
