//! Payments that need no second look.

use crate::config::RESTS_AFTER;
use crate::provider::Listed;
use schema::UnixMillis;
use settlement_core::{Seen, Standing, State};
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The payments of a sale that a process has seen at rest with their orders. Looks go back behind
/// each other, so each payment is listed a dozen times: it is compared again when the provider
/// shows it otherwise, and with the whole list.
#[derive(Debug, Default)]
pub(super) struct Rested {
    /// By what the provider shows, and when the payment was created.
    shown: Mutex<HashMap<u64, UnixMillis>>,
    hasher: RandomState,
}

impl Rested {
    /// Whether it was seen to rest, and nothing has changed at the provider since.
    pub(super) fn has(&self, payment: &Listed) -> bool {
        self.key(payment).is_some_and(|key| self.shown().contains_key(&key))
    }

    /// Remembers a payment that is as its order wants it to be and has been for a while.
    pub(super) fn add(&self, payment: &Listed, standing: Standing, now: UnixMillis) {
        let is_paid = matches!(
            standing,
            Standing::Bound { state: State::Paid, is_current: true, has_work: false, .. }
        );
        if let Some(key) = self.key(payment)
            && is_paid
            && payment.created_at + RESTS_AFTER <= now
        {
            self.shown().insert(key, payment.created_at);
        }
    }

    /// Forgets payments from before `from`, which no look lists any more.
    pub(super) fn forget(&self, from: UnixMillis) {
        self.shown().retain(|_, created_at| from <= *created_at);
    }

    /// What the provider shows of a payment; `None` unless it has taken its money.
    fn key(&self, payment: &Listed) -> Option<u64> {
        let Listed { id, order, amount, seen, back, created_at: _ } = payment;
        let is_taken = *seen == Seen::Captured;
        is_taken.then(|| self.hasher.hash_one((id, order, amount, back)))
    }

    fn shown(&self) -> MutexGuard<'_, HashMap<u64, UnixMillis>> {
        // Each change is one call, so a panic elsewhere leaves it whole.
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{RESTS_AFTER, Rested};
    use crate::provider::Listed;
    use schema::{Currency, DurationMs, Money, OrderId, UnixMillis};
    use settlement_core::{Seen, Standing, State};

    const CREATED: UnixMillis = UnixMillis(1_000);

    fn payment(seen: Seen, back: i64) -> Listed {
        let amount = Money::new(500, Currency::EUR);
        let (id, back) = ("pay_1".to_owned(), Some(back));
        Listed { id, order: OrderId(1), amount, seen, back, created_at: CREATED }
    }

    fn standing(state: State, is_current: bool, has_work: bool) -> Standing {
        Standing::Bound { state, is_current, has_work, is_sold: true }
    }

    #[test]
    fn a_payment_rests_as_long_as_the_provider_shows_it_so() {
        let (rested, later) = (Rested::default(), CREATED + RESTS_AFTER);
        let paid = standing(State::Paid, true, false);
        rested.add(&payment(Seen::Captured, 0), paid, later);
        assert!(rested.has(&payment(Seen::Captured, 0)));
        for changed in [
            payment(Seen::Captured, 1),
            payment(Seen::Refunded, 0),
            Listed { id: "pay_2".to_owned(), ..payment(Seen::Captured, 0) },
            Listed { amount: Money::new(501, Currency::EUR), ..payment(Seen::Captured, 0) },
        ] {
            assert!(!rested.has(&changed), "{changed:?}");
        }
        rested.forget(CREATED);
        assert!(rested.has(&payment(Seen::Captured, 0)));
        rested.forget(CREATED + DurationMs(1));
        assert!(!rested.has(&payment(Seen::Captured, 0)));
    }

    #[test]
    fn nothing_rests_that_is_young_or_not_its_orders_money_or_in_work() {
        let (rested, later) = (Rested::default(), CREATED + RESTS_AFTER);
        let paid = standing(State::Paid, true, false);
        rested.add(&payment(Seen::Captured, 0), paid, later - DurationMs(1));
        rested.add(&payment(Seen::Authorised, 0), paid, later);
        for standing in [
            Standing::Unbound,
            standing(State::Paid, false, false),
            standing(State::Paid, true, true),
            standing(State::Refunding, true, false),
            standing(State::Cancelled, true, false),
        ] {
            rested.add(&payment(Seen::Captured, 0), standing, later);
        }
        assert!(!rested.has(&payment(Seen::Captured, 0)));
        assert!(!rested.has(&payment(Seen::Authorised, 0)));
    }
}
