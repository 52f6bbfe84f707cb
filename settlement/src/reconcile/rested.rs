//! Payments that need no second look.

use crate::provider::Listed;
use crate::store::Known;
use settlement_core::{Seen, Standing, State};
use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

/// The payments that the last look of this process has listed and knew to be at rest with their
/// orders, of those that the next one lists again. Looks go back behind each other, so each payment
/// of a sale is listed a dozen times: it is compared again once the provider shows it otherwise,
/// and with the whole list.
///
/// Of each only a hash of what the provider shows is kept, some 10 to 20 bytes in each of two
/// tables. Two of a million have the same one in one look of 37 million; what is amiss there waits
/// for the whole list.
#[derive(Debug, Default)]
pub(crate) struct Rested {
    before: HashSet<u64>,
    now: HashSet<u64>,
    hasher: RandomState,
}

impl Rested {
    /// Whether the last look knew it to be at rest, and the provider shows it as it did then.
    pub(super) fn still(&mut self, payment: &Listed) -> bool {
        let known = self.shown(payment).filter(|shown| self.before.contains(shown));
        self.now.extend(known);
        known.is_some()
    }

    /// Notes a payment if it is as its order wants it to be, and that is at rest. One that is so
    /// old that no look lists it again is for the caller to leave out.
    pub(super) fn add(&mut self, payment: &Listed, known: Known) {
        let is_paid = matches!(
            known.standing,
            Some(Standing::Bound { state: State::Paid, is_current: true, has_work: false, .. })
        );
        if is_paid && known.is_uneven == Some(false) {
            self.now.extend(self.shown(payment));
        }
    }

    /// Ends a look: what it has not listed is forgotten.
    pub(super) fn end_look(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }

    /// What the provider shows of a payment; `None` unless it has taken its money.
    fn shown(&self, payment: &Listed) -> Option<u64> {
        let Listed { id, order, amount, seen, back, created_at } = payment;
        let is_taken = *seen == Seen::Captured;
        is_taken.then(|| self.hasher.hash_one((id, order, amount, back, created_at)))
    }
}

#[cfg(test)]
mod tests {
    use super::Rested;
    use crate::provider::Listed;
    use crate::store::Known;
    use schema::{Currency, Money, OrderId, UnixMillis};
    use settlement_core::{Seen, Standing, State};

    fn payment(seen: Seen, back: i64) -> Listed {
        let amount = Money::new(500, Currency::EUR);
        let (id, back, created_at) = ("pay_1".to_owned(), Some(back), UnixMillis(1_000));
        Listed { id, order: OrderId(1), amount, seen, back, created_at }
    }

    fn bound(state: State, is_current: bool, has_work: bool, is_uneven: Option<bool>) -> Known {
        let standing = Some(Standing::Bound { state, is_current, has_work, is_sold: true });
        Known { standing, is_uneven }
    }

    fn paid() -> Known {
        bound(State::Paid, true, false, Some(false))
    }

    /// A look that lists one payment, and compares it unless it is known to rest. Says whether it
    /// was compared.
    fn look(rested: &mut Rested, payment: &Listed, known: Known) -> bool {
        let is_compared = !rested.still(payment);
        if is_compared {
            rested.add(payment, known);
        }
        rested.end_look();
        is_compared
    }

    #[test]
    fn a_payment_rests_as_long_as_each_look_shows_it_so() {
        let mut rested = Rested::default();
        let taken = payment(Seen::Captured, 0);
        assert!(look(&mut rested, &taken, paid()));
        assert!(!look(&mut rested, &taken, paid()));
        assert!(!look(&mut rested, &taken, paid()));
        for changed in [
            payment(Seen::Captured, 1),
            payment(Seen::Refunded, 0),
            Listed { id: "pay_2".to_owned(), ..payment(Seen::Captured, 0) },
            Listed { order: OrderId(2), ..payment(Seen::Captured, 0) },
            Listed { amount: Money::new(501, Currency::EUR), ..payment(Seen::Captured, 0) },
        ] {
            let uneven = Known { is_uneven: Some(true), ..paid() };
            assert!(look(&mut rested, &changed, uneven), "{changed:?}");
            assert!(look(&mut rested, &taken, paid()), "it was otherwise in between");
            assert!(!look(&mut rested, &taken, paid()));
        }
        rested.end_look();
        assert!(look(&mut rested, &taken, paid()), "the look before did not list it");
    }

    #[test]
    fn nothing_rests_that_was_not_compared_whole_or_is_not_its_orders_money() {
        let mut rested = Rested::default();
        let taken = payment(Seen::Captured, 0);
        for known in [
            Known { standing: None, ..paid() },
            Known { standing: Some(Standing::Unbound), ..paid() },
            bound(State::Paid, false, false, Some(false)),
            bound(State::Paid, true, true, Some(false)),
            bound(State::Refunding, true, false, Some(false)),
            bound(State::Cancelled, true, false, Some(false)),
            bound(State::Paid, true, false, Some(true)),
            bound(State::Paid, true, false, None),
        ] {
            assert!(look(&mut rested, &taken, known), "{known:?}");
        }
        assert!(look(&mut rested, &taken, paid()), "none of those has rested");
        let authorised = payment(Seen::Authorised, 0);
        assert!(look(&mut rested, &authorised, paid()));
        assert!(look(&mut rested, &authorised, paid()));
    }
}
