//! Idempotency keys: as long as the same is asked for, the same key; after a while another one.
//!
//! Stripe repeats the answer to a key for a day, also one that says it has failed, and refuses a
//! key that comes with something else. So all that a call says follows from what is in its key.

use crate::provider::NewPayment;
use schema::{DurationMs, UnixMillis};

#[derive(Debug, Clone, Copy)]
pub(super) struct Keys {
    /// How often a creation gets another key.
    ///
    /// What was made under the last one has no order, and is voided: more often, and tries of one
    /// call make a payment each; less often, and an order waits for longer for a failure's end.
    pub create_every: DurationMs,
    /// How often a refund gets another key that Stripe does not grant.
    pub refund_every: DurationMs,
    /// How long the one before may be under way then, and no other is said.
    pub refund_apart: DurationMs,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            create_every: DurationMs(60_000),
            refund_every: DurationMs(3_600_000),
            refund_apart: DurationMs(60_000),
        }
    }
}

impl Keys {
    pub(super) fn create(&self, system: &str, new: &NewPayment, now: UnixMillis) -> String {
        let span = now.0 / self.create_every.0;
        format!("{system}/{}/{}/create/{span}", new.order, new.attempt)
    }

    /// The keys under which a refund is asked for, one after the other, until Stripe grants it.
    ///
    /// What is `left` of the payment and the amount are in them: the same refund is never made
    /// twice, another one can be, and Stripe never finds two things under one. The first key is the
    /// same for ever, so two that are under way at once are one.
    pub(super) fn refund(&self, id: &str, left: i64, amount: i64, now: UnixMillis) -> Vec<String> {
        let first = format!("{id}/refund/{left}-{amount}");
        let (span, within) = (now.0 / self.refund_every.0, now.0 % self.refund_every.0);
        let again = format!("{first}/{span}");
        let count = if within < self.refund_apart.0 { 1 } else { 2 };
        [first, again].into_iter().take(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Keys;
    use crate::provider::NewPayment;
    use schema::{Currency, Money, OrderId, UnixMillis};

    const HOUR: u64 = 3_600_000;

    fn create(attempt: u32, now: u64) -> String {
        let (total, token) = (Money::new(500, Currency::EUR), "pm_1".to_owned());
        let new = NewPayment { order: OrderId(7), attempt, total, token };
        Keys::default().create("usher", &new, UnixMillis(now))
    }

    fn refund(left: i64, now: u64) -> Vec<String> {
        Keys::default().refund("pi_1", left, 300, UnixMillis(now))
    }

    #[test]
    fn a_creation_has_one_key_for_a_minute() {
        let first = create(1, 10 * HOUR);
        assert_eq!(create(1, 10 * HOUR + 59_999), first);
        assert_ne!(create(1, 10 * HOUR + 60_000), first);
        assert_ne!(create(2, 10 * HOUR), first, "another attempt pays with another card");
    }

    #[test]
    fn a_refund_has_one_key_for_ever_and_another_each_hour_but_for_its_first_minute() {
        let (first, tenth) =
            ("pi_1/refund/500-300".to_owned(), "pi_1/refund/500-300/10".to_owned());
        assert_eq!(refund(500, 10 * HOUR), [first.as_str()]);
        assert_eq!(refund(500, 10 * HOUR + 59_999), [first.as_str()]);
        assert_eq!(refund(500, 10 * HOUR + 60_000), [first.as_str(), &tenth]);
        assert_eq!(refund(500, 11 * HOUR - 1), [first.as_str(), &tenth]);
        assert_eq!(refund(500, 11 * HOUR + 60_000), [first.as_str(), "pi_1/refund/500-300/11"]);
        assert_eq!(refund(400, 10 * HOUR), ["pi_1/refund/400-300"]);
    }
}
