//! Orders under review: what is done about them without a person.

use super::{Order, Store};
use schema::{UnixMillis, VerdictKind};
use settlement_core::{State, on_return};

impl Store {
    /// Money that was taken without a sale has gone back.
    pub fn record_return(&mut self, seen: &Order) {
        let order = self.orders.get_mut(&seen.id).expect("an order in work is stored");
        if !order.captured && order.state == State::ReviewNeeded {
            order.captured = true;
            self.ledger.book(seen.id, on_return(seen.total()));
        }
    }

    /// Nothing is left to do about its money. The hold of what was not sold ends. Says whether it
    /// was this call.
    pub fn close_review(&mut self, seen: &Order, now: UnixMillis) -> bool {
        let order = self.orders.get_mut(&seen.id).expect("an order in work is stored");
        if order.state != State::ReviewNeeded || order.closed {
            return false;
        }
        (order.closed, order.since) = (true, now);
        if let Some(payment) = order.payment.clone().filter(|_| !order.sold) {
            self.payment_ended(&payment, now);
            self.post(seen.id, VerdictKind::Cancelled, now);
        }
        true
    }
}
