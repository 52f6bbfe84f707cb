//! The payment provider: an outside system that survives our crashes and never forgets a payment.
//!
//! It has its own mind: a payment that it has called off or refused may be taken after all, and
//! one may be made twice where its answer got lost.

use schema::{DurationMs, Money, OrderId, UnixMillis};
use settlement_core::Seen;
use std::collections::BTreeMap;

/// How a payment is there.
#[derive(Debug, Clone)]
pub struct Payment {
    pub order: OrderId,
    pub seen: Seen,
    pub total: Money,
    /// What was ever taken, also if it was given back since.
    pub charged: i64,
    pub given_back: i64,
    /// Whether it was taken without being asked for, maybe after it was said that it would not be.
    pub by_itself: bool,
    /// Whether a person has given it back here, and told nobody.
    pub by_hand: bool,
    created_at: UnixMillis,
    token: String,
    settles_at: UnixMillis,
    /// When it is taken, whatever was said of it before.
    taken_at: Option<UnixMillis>,
}

/// A payment as the provider's list shows it.
#[derive(Debug, Clone)]
pub struct Listed {
    pub key: String,
    /// The order that it was created for, as we told the provider.
    pub order: OrderId,
    pub amount: Money,
    pub seen: Seen,
    pub created_at: UnixMillis,
}

/// Behind which payment a part of the list begins.
pub type Cursor = (UnixMillis, String);

/// What can be done to a payment; one that does not fit changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Fetch,
    Authorise,
    Capture,
    Cancel,
    Refund,
}

/// Payments in one part of the list: few, so that a run's list has several.
const PAGE_PAYMENTS: usize = 5;

#[derive(Debug, Default)]
pub struct Provider {
    payments: BTreeMap<String, Payment>,
    /// Those that have changed and of which no event was made yet.
    changed: Vec<String>,
}

impl Provider {
    /// Creates a payment, which charges nothing; a repeated key gives the payment that is there.
    pub fn create(&mut self, key: &str, new: (OrderId, &str, Money), now: UnixMillis) -> Seen {
        let (order, token, total) = new;
        let fresh = || Payment {
            order,
            seen: Seen::Created,
            total,
            charged: 0,
            given_back: 0,
            by_itself: false,
            by_hand: false,
            created_at: now,
            token: token.to_owned(),
            settles_at: UnixMillis::default(),
            taken_at: None,
        };
        self.payments.entry(key.to_owned()).or_insert_with(fresh).seen.clone()
    }

    /// Lets happen by itself what is due.
    pub fn turn(&mut self, now: UnixMillis) {
        for (key, payment) in &mut self.payments {
            if payment.turn(now) {
                self.changed.push(key.clone());
            }
        }
    }

    /// Does `verb` and says how the payment is then.
    pub fn act(&mut self, key: &str, verb: Verb, now: UnixMillis) -> Seen {
        let payment = self.payments.get_mut(key).expect("only ids that it gave are asked for");
        let mut is_new = payment.turn(now);
        is_new |= payment.act(verb, now);
        let seen = payment.seen.clone();
        if is_new {
            self.changed.push(key.to_owned());
        }
        seen
    }

    /// Gives back so much that `back` has gone back; a mistaken one gives that each time.
    pub fn give_back(&mut self, key: &str, back: i64, again: bool) {
        let payment = self.payments.get_mut(key).expect("only ids that it gave are asked for");
        if payment.seen == Seen::Captured {
            let sum = payment.given_back + back;
            payment.given_back = if again { sum } else { payment.given_back.max(back) };
        }
    }

    pub fn give_back_by_hand(&mut self, key: &str, now: UnixMillis) {
        self.act(key, Verb::Refund, now);
        let payment = self.payments.get_mut(key).expect("it was acted on just before");
        payment.by_hand = true;
    }

    /// Its money is going to be taken, unless it is taken in another way before.
    pub fn take_after_all(&mut self, key: &str, at: UnixMillis) {
        let payment = self.payments.get_mut(key).expect("only ids that it gave are asked for");
        payment.taken_at.get_or_insert(at);
    }

    /// What it has called off stays so.
    pub fn keep_word(&mut self, key: &str) {
        if let Some(payment) = self.payments.get_mut(key).filter(|p| p.seen == Seen::Cancelled) {
            payment.taken_at = None;
        }
    }

    /// A part of its list of payments, by the time when they were created, and where the next one
    /// begins; `None` at the end.
    pub fn list(&self, after: &Cursor) -> (Vec<Listed>, Option<Cursor>) {
        let listed = self.payments.iter().map(|(key, payment)| payment.listed(key));
        let place = |payment: &Listed| (payment.created_at, payment.key.clone());
        let mut page: Vec<Listed> = listed.filter(|payment| *after < place(payment)).collect();
        page.sort_by_key(place);
        let is_whole = page.len() <= PAGE_PAYMENTS;
        page.truncate(PAGE_PAYMENTS);
        let next = page.last().filter(|_| !is_whole).map(place);
        (page, next)
    }

    /// The payments that have changed since this was asked for.
    pub fn news(&mut self) -> Vec<(String, Seen)> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        changed.map(|key| (key.clone(), self.payments[&key].seen.clone())).collect()
    }

    pub fn payments(&self) -> impl Iterator<Item = &Payment> {
        self.payments.values()
    }

    pub fn payment(&self, key: &str) -> Option<&Payment> {
        self.payments.get(key)
    }
}

impl Payment {
    /// Says whether something has happened.
    fn turn(&mut self, now: UnixMillis) -> bool {
        if self.seen == Seen::Processing && self.settles_at <= now {
            self.seen = self.outcome();
            return true;
        }
        if self.taken_at.take_if(|at| *at <= now).is_none() || 0 < self.charged {
            return false;
        }
        (self.seen, self.charged, self.by_itself) = (Seen::Captured, self.total.amount, true);
        true
    }

    /// Says whether that has changed anything.
    fn act(&mut self, verb: Verb, now: UnixMillis) -> bool {
        match (verb, &self.seen) {
            (Verb::Authorise, Seen::Created) => {
                let delay = delay_of(&self.token);
                self.settles_at = now + delay;
                self.seen = if delay.0 == 0 { self.outcome() } else { Seen::Processing };
            }
            (Verb::Capture, Seen::Authorised) => {
                self.seen = Seen::Captured;
                self.charged += self.total.amount;
            }
            (Verb::Cancel, Seen::Created | Seen::Authorised) => self.seen = Seen::Cancelled,
            (Verb::Refund, Seen::Captured) => {
                self.seen = Seen::Refunded;
                self.given_back = self.total.amount;
            }
            _ => return false,
        }
        true
    }

    fn listed(&self, key: &str) -> Listed {
        let Self { order, total, created_at, .. } = *self;
        Listed { key: key.to_owned(), order, amount: total, seen: self.seen.clone(), created_at }
    }

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
        "tok_never" => DurationMs(11_000),
        _ => DurationMs(0),
    }
}
