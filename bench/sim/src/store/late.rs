//! Late money's claims to places, and the orders that it buys.

use super::found::MoneyOutcome;
use super::{Order, Store, VERDICT_AGAIN};
use crate::provider::Listed;
use schema::{CommandId, Currency, EventId, HoldId, OrderId, Payment, UnixMillis};
use settlement_core::{Claim, ReseatRecord, Rung, State, reseat_ids};

/// The name under which the payments are stored.
const PROVIDER: &str = "sandbox";

/// The claim of the money that came for an order after that was given up.
#[derive(Debug, Clone)]
pub struct Reseat {
    payment: String,
    /// The hold that is to have the places, and so the order that the money buys then.
    pub hold: HoldId,
    command: CommandId,
    send_at: UnixMillis,
    pub rung: Option<Rung>,
}

impl Store {
    /// Lets late money ask for the places of its order, if none has. Says how far it has come.
    /// `wall` is what it is by the clock.
    pub fn ask_for_places(&mut self, late: &Listed, wall: UnixMillis, now: UnixMillis) -> Claim {
        let known = self.reseats.values().any(|claim| claim.payment == late.key);
        if let Some(order) = self.orders.get(&late.order).filter(|_| !known)
            && order.state == State::Cancelled
        {
            // Who was told that the card was refused does not expect places.
            let is_barred = order.reason.is_some() || order.total() != late.amount;
            let (hold, command) = reseat_ids(PROVIDER, &late.key, late.order, wall);
            let rung = is_barred.then_some(Rung::Refund);
            let fresh = Reseat { payment: late.key.clone(), hold, command, send_at: now, rung };
            self.reseats.entry(late.order).or_insert(fresh);
        }
        let claim = self.reseats.values().find(|claim| claim.payment == late.key);
        let Some(Reseat { hold, rung, .. }) = claim.cloned() else { return Claim::Barred };
        let is_over = self.is_given_up(OrderId::from(hold));
        match rung {
            None => Claim::Asked,
            Some(Rung::SameSeats | Rung::EqualSeats) if is_over => {
                // It has spent nothing: what becomes of the money is open.
                let found = self.beside.found.get_mut(&late.key).expect("it is noted first");
                found.outcome = found.outcome.filter(|done| *done != MoneyOutcome::Reseated);
                Claim::Ended
            }
            Some(rung) => Claim::Decided(rung),
        }
    }

    /// The claims that are to be sent to the owner; they are due once more a second later, unless
    /// they are sent `once`.
    pub fn due_claims(&mut self, now: UnixMillis, once: bool) -> Vec<ReseatRecord> {
        let waiting = self.reseats.iter_mut().filter(|(_, claim)| claim.rung.is_none());
        let due = waiting.filter(|(_, claim)| claim.send_at <= now);
        let record = |(id, claim): (&OrderId, &mut Reseat)| {
            claim.send_at = if once { UnixMillis(u64::MAX) } else { now + VERDICT_AGAIN };
            let order = &self.orders[id];
            ReseatRecord {
                order: *id,
                event: order.event.clone(),
                account: order.account,
                currency: Currency::EUR,
                lines: order.lines.clone(),
                hold: claim.hold,
                command: claim.command,
            }
        };
        due.map(record).collect()
    }

    /// There are no places for late money: it goes back.
    pub fn refuse_claim(&mut self, command: CommandId) {
        let asked = |claim: &&mut Reseat| claim.command == command && claim.rung.is_none();
        if let Some(claim) = self.reseats.values_mut().find(asked) {
            claim.rung = Some(Rung::Refund);
        }
    }

    /// Late money has places: its order begins with the payment that is there, in one commit. Where
    /// the money does not wait any more, the order is over before it has begun. Says which rung the
    /// money has come to rest on, if the announcement was new.
    pub fn start_late(
        &mut self,
        event: &EventId,
        payment: &Payment,
        mistake: LateMistake,
        now: UnixMillis,
    ) -> Option<Rung> {
        let mut fresh = Order::new(event, &payment.held, payment, now);
        if self.orders.contains_key(&fresh.id) {
            return None;
        }
        let (before, claim) =
            self.reseats.iter().find(|(_, claim)| claim.hold == payment.held.hold)?;
        let (before, key) = (*before, claim.payment.clone());
        let found = self.beside.found.get(&key);
        let waits = claim.rung.is_none() && found.is_some_and(|found| found.outcome.is_none());
        let waits = waits || mistake == LateMistake::SpendSpent;
        let rung = match waits {
            false => Rung::Refund,
            true if self.orders[&before].lines == fresh.lines => Rung::SameSeats,
            true => Rung::EqualSeats,
        };
        if !waits {
            fresh.payment_deadline = UnixMillis::default();
        } else if mistake != LateMistake::LeavePayment {
            fresh.payment = Some(key.clone());
            self.move_payment(&key, &fresh);
        }
        if let Some(found) = self.beside.found.get_mut(&key).filter(|_| waits) {
            found.outcome = Some(MoneyOutcome::Reseated);
        }
        let claim = self.reseats.get_mut(&before).expect("found just before");
        let rung = *claim.rung.get_or_insert(rung);
        self.orders.insert(fresh.id, fresh);
        Some(rung)
    }
}

/// What a mutation does wrong when late money buys an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LateMistake {
    None,
    /// The money buys although it is not there any more.
    SpendSpent,
    /// The payment stays the old order's.
    LeavePayment,
}
