//! The payment provider: an outside system that survives our crashes and never forgets a payment.

use schema::{DurationMs, Money, OrderId, UnixMillis};
use settlement_core::Seen;
use std::collections::BTreeMap;

/// How a payment is there.
#[derive(Debug, Clone)]
pub struct Payment {
    pub order: OrderId,
    pub seen: Seen,
    /// What was ever taken, also if it was given back since.
    pub charged: i64,
    pub given_back: i64,
    total: Money,
    token: String,
    settles_at: UnixMillis,
}

/// What can be done to a payment; one that does not fit changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Fetch,
    Authorise,
    Capture,
    Cancel,
    Refund,
}

#[derive(Debug, Default)]
pub struct Provider {
    payments: BTreeMap<String, Payment>,
}

impl Provider {
    /// Creates a payment, which charges nothing; a repeated key gives the payment that is there.
    pub fn create(&mut self, key: &str, order: OrderId, token: &str, total: Money) -> Seen {
        let fresh = || Payment {
            order,
            seen: Seen::Created,
            charged: 0,
            given_back: 0,
            total,
            token: token.to_owned(),
            settles_at: UnixMillis::default(),
        };
        self.payments.entry(key.to_owned()).or_insert_with(fresh).seen.clone()
    }

    /// Does `verb` and says how the payment is then.
    pub fn act(&mut self, key: &str, verb: Verb, now: UnixMillis) -> Seen {
        let payment = self.payments.get_mut(key).expect("only ids that it gave are asked for");
        if payment.seen == Seen::Processing && payment.settles_at <= now {
            payment.seen = payment.outcome();
        }
        match (verb, &payment.seen) {
            (Verb::Authorise, Seen::Created) => {
                let delay = delay_of(&payment.token);
                payment.settles_at = now + delay;
                payment.seen = if delay.0 == 0 { payment.outcome() } else { Seen::Processing };
            }
            (Verb::Capture, Seen::Authorised) => {
                payment.seen = Seen::Captured;
                payment.charged += payment.total.amount;
            }
            (Verb::Cancel, Seen::Created | Seen::Authorised) => payment.seen = Seen::Cancelled,
            (Verb::Refund, Seen::Captured) => {
                payment.seen = Seen::Refunded;
                payment.given_back = payment.total.amount;
            }
            _ => {}
        }
        payment.seen.clone()
    }

    /// Gives back so much that `back` has gone back; a mistaken one gives that each time.
    pub fn give_back(&mut self, key: &str, back: i64, again: bool) {
        let payment = self.payments.get_mut(key).expect("only ids that it gave are asked for");
        if payment.seen == Seen::Captured {
            let sum = payment.given_back + back;
            payment.given_back = if again { sum } else { payment.given_back.max(back) };
        }
    }

    pub fn payments(&self) -> impl Iterator<Item = &Payment> {
        self.payments.values()
    }
}

impl Payment {
    fn outcome(&self) -> Seen {
        if self.token.ends_with("declined") {
            Seen::Declined { reason: "card declined".to_owned() }
        } else {
            Seen::Authorised
        }
    }
}

/// The scripts that tokens stand for. `tok_never` is slower than the payment deadline.
fn delay_of(token: &str) -> DurationMs {
    match token {
        "tok_slow" | "tok_slow_declined" => DurationMs(2_000),
        "tok_never" => DurationMs(200_000),
        _ => DurationMs(0),
    }
}
