//! What is stored beside the orders: their payments, found money, what looks have compared, and
//! which events were seen through.

use super::{Order, Store};
use crate::provider::{Cursor, Listed};
use schema::{DurationMs, Money, OrderId, UnixMillis};
use settlement_core::{Standing, State, Stray, on_return};
use std::collections::{BTreeMap, BTreeSet};

/// When the provider is asked again about a payment that ended without money. Shorter than those of
/// the real system, as everything here whose end a run is to see.
const LOOKS_AFTER: [DurationMs; 3] = [DurationMs(2_000), DurationMs(10_000), DurationMs(40_000)];

/// How often a look at the whole list begins.
const WHOLE_LIST_EVERY: DurationMs = DurationMs(20_000);

/// What is stored beside the orders.
#[derive(Debug, Default)]
pub struct Beside {
    /// Of which order and attempt each payment is, by the provider's id.
    pub attempts: BTreeMap<String, Attempt>,
    pub found: BTreeMap<String, Found>,
    /// Payments that have ended without money and are to be looked at.
    ended: BTreeMap<String, Ended>,
    /// Events that were seen through.
    events: BTreeSet<u64>,
    /// Up to when everything has been compared, and until when nobody looks.
    seen_to: UnixMillis,
    rest_until: UnixMillis,
    /// Behind which payment the look at the whole list goes on, and when it began.
    gone_on: Option<Cursor>,
    gone_on_since: UnixMillis,
}

/// A payment as its order has stored it.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    pub order: OrderId,
    pub number: u32,
    pub amount: Money,
}

/// Money that no order accounts for.
#[derive(Debug, Clone)]
pub struct Found {
    pub order: OrderId,
    pub amount: Money,
    pub why: Stray,
    /// Whether the provider had taken it.
    pub taken: bool,
    pub outcome: Option<MoneyOutcome>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoneyOutcome {
    Voided,
    Refunded,
    Reseated,
}

#[derive(Debug, Clone, Copy)]
struct Ended {
    since: UnixMillis,
    looks: usize,
}

impl Store {
    /// Begins a look, unless somebody looks or has looked lately. Says how far the last one came.
    pub fn begin_look(&mut self, now: UnixMillis, rest_until: UnixMillis) -> Option<UnixMillis> {
        let is_due = self.beside.rest_until <= now;
        is_due.then(|| {
            self.beside.rest_until = rest_until;
            self.beside.seen_to
        })
    }

    /// Ends a look that has compared everything up to then.
    pub fn end_look(&mut self, seen_to: UnixMillis) {
        self.beside.seen_to = seen_to;
    }

    /// Where the look at the whole list goes on; `None` if it is not time for the next one.
    pub fn gone_on_to(&mut self, now: UnixMillis) -> Option<Cursor> {
        if let Some(cursor) = &self.beside.gone_on {
            return Some(cursor.clone());
        }
        if now < self.beside.gone_on_since + WHOLE_LIST_EVERY {
            return None;
        }
        self.beside.gone_on_since = now;
        Some(Cursor::default())
    }

    /// Notes how far it has come; `None` at the end.
    pub fn go_on(&mut self, next: Option<Cursor>) {
        self.beside.gone_on = next;
    }

    /// How the orders know a payment; `None` for one that has its outcome.
    pub fn standing(&self, payment: &str) -> Option<Standing> {
        let found = self.beside.found.get(payment);
        let outcome = found.and_then(|found| found.outcome);
        if outcome.is_some_and(|outcome| outcome != MoneyOutcome::Reseated) {
            return None;
        }
        let Some(attempt) = self.beside.attempts.get(payment) else {
            return Some(Standing::Unbound);
        };
        let order = &self.orders[&attempt.order];
        Some(Standing::Bound {
            state: order.state,
            is_current: order.attempt == attempt.number,
            has_work: order.is_open(),
            is_sold: order.sold,
        })
    }

    /// A payment as its order has it, and whether a driver has something left to do about that.
    pub fn payment(&self, key: &str) -> Option<(Listed, bool)> {
        let Attempt { order, number, .. } = *self.beside.attempts.get(key)?;
        let known = &self.orders[&order];
        Some((self.listed(key), known.is_open() && known.attempt == number))
    }

    fn listed(&self, key: &str) -> Listed {
        let Attempt { order, amount, .. } = self.beside.attempts[key];
        Listed::not_asked(key, order, amount)
    }

    /// Payments that have ended without money and are due, each with how many looks there were.
    pub fn ended(&self, now: UnixMillis) -> Vec<(Listed, usize)> {
        let is_due = |ended: &Ended| ended.since + LOOKS_AFTER[ended.looks] <= now;
        let due = self.beside.ended.iter().filter(|(_, ended)| is_due(ended));
        due.map(|(key, ended)| (self.listed(key), ended.looks)).collect()
    }

    /// Puts the next look at an ended payment where it belongs, unless somebody else has.
    pub fn looked(&mut self, key: &str, looks: usize) {
        let Some(ended) = self.beside.ended.get_mut(key).filter(|e| e.looks == looks) else {
            return;
        };
        ended.looks += 1;
        if ended.looks == LOOKS_AFTER.len() {
            self.beside.ended.remove(key);
        }
    }

    /// The payment of an order has ended without money.
    pub fn payment_ended(&mut self, key: &str, now: UnixMillis) {
        let fresh = Ended { since: now, looks: 0 };
        self.beside.ended.entry(key.to_owned()).or_insert(fresh);
    }

    /// It is another order's now.
    pub fn move_payment(&mut self, key: &str, to: &Order) {
        self.beside.ended.remove(key);
        let attempt = self.beside.attempts.get_mut(key).expect("late money is of a payment");
        (attempt.order, attempt.number) = (to.id, to.attempt);
    }

    /// Found money without an outcome, and whether it had been taken.
    pub fn open_money(&self) -> Vec<(Listed, bool)> {
        let open = self.beside.found.iter().filter(|(_, found)| found.outcome.is_none());
        let listed = |key: &String, found: &Found| {
            (Listed::not_asked(key, found.order, found.amount), found.taken)
        };
        open.map(|(key, found)| listed(key, found)).collect()
    }

    /// Notes that a payment has no place, before anything is done about it. `false` if an order has
    /// stored it since it was looked up, unless `blindly`.
    pub fn note_found(&mut self, payment: &Listed, why: Stray, taken: bool, blindly: bool) -> bool {
        let is_bound = self.beside.attempts.contains_key(&payment.key);
        if why == Stray::Orphan && is_bound && !blindly {
            return false;
        }
        let Listed { order, amount, .. } = *payment;
        let fresh = Found { order, amount, why, taken, outcome: None };
        let found = self.beside.found.entry(payment.key.clone()).or_insert(fresh);
        if found.outcome.is_none() {
            found.taken = taken;
        }
        true
    }

    /// Gives found money its outcome, with what that books; `false` if it has one, unless `again`.
    pub fn settle_found(&mut self, key: &str, outcome: MoneyOutcome, again: bool) -> bool {
        let Some(found) = self.beside.found.get_mut(key) else { return false };
        if found.outcome.is_some() && !again {
            return false;
        }
        found.outcome = Some(outcome);
        if outcome == MoneyOutcome::Refunded {
            self.ledger.book_beside(key, on_return(found.amount));
        }
        true
    }

    pub fn knows_event(&self, id: u64) -> bool {
        self.beside.events.contains(&id)
    }

    /// An event was seen through.
    pub fn note_event(&mut self, id: u64) {
        self.beside.events.insert(id);
    }

    /// Whether an order was given up.
    pub fn is_given_up(&self, id: OrderId) -> bool {
        self.orders.get(&id).is_some_and(|order| order.state == State::Cancelled)
    }
}

impl Listed {
    /// A payment as we know it, of which nobody has asked the provider yet.
    fn not_asked(key: &str, order: OrderId, amount: Money) -> Self {
        let (key, seen) = (key.to_owned(), settlement_core::Seen::Processing);
        Self { key, order, amount, seen, created_at: UnixMillis::default() }
    }
}
