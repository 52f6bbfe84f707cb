//! A payment intent as Stripe shows it, and what it means.

use crate::provider::NewPayment;
use schema::{Money, OrderId, UnixMillis};
use serde::Deserialize;
use settlement_core::Seen;
use std::collections::HashMap;

/// What is read of an intent; the rest of it is nobody's business here.
#[derive(Debug, Deserialize)]
pub(super) struct Intent {
    pub id: String,
    status: String,
    amount: i64,
    currency: String,
    /// Seconds.
    created: u64,
    #[serde(default)]
    metadata: HashMap<String, String>,
    last_payment_error: Option<PaymentError>,
    #[serde(default)]
    charges: Charges,
}

#[derive(Debug, Deserialize)]
pub(super) struct Intents {
    pub data: Vec<Intent>,
    pub has_more: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct PaymentError {
    #[serde(default)]
    pub code: Option<String>,
    #[serde(default)]
    pub decline_code: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Charges {
    /// The newest first.
    data: Vec<Charge>,
}

#[derive(Debug, Deserialize)]
struct Charge {
    amount_refunded: i64,
}

/// What an intent says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    Seen(Seen),
    /// The card was refused, or wants its owner to prove themselves, for which there is no way
    /// here: nothing was charged, and the intent is still open.
    Refused {
        reason: String,
    },
}

impl PaymentError {
    /// A word for the reason. Only Stripe's codes: its sentences may name what was sent.
    pub(super) fn reason(&self) -> Option<String> {
        let code = self.decline_code.as_deref().or(self.code.as_deref())?;
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        (code.len() <= 64 && code.bytes().all(is_word)).then(|| code.replace('_', " "))
    }
}

impl Intent {
    pub(super) fn told(&self) -> Told {
        Told::Seen(match self.status.as_str() {
            "requires_confirmation" => Seen::Created,
            "requires_payment_method" => match &self.last_payment_error {
                Some(error) => return Told::Refused { reason: reason(error) },
                None => Seen::Created,
            },
            "requires_action" => {
                return Told::Refused { reason: "authentication required".to_owned() };
            }
            "requires_capture" => Seen::Authorised,
            "succeeded" if self.left() <= 0 => Seen::Refunded,
            "succeeded" => Seen::Captured,
            "canceled" => match &self.last_payment_error {
                Some(error) => Seen::Declined { reason: reason(error) },
                None => Seen::Cancelled,
            },
            // "processing", and whatever Stripe may add: it is asked again.
            _ => Seen::Processing,
        })
    }

    pub(super) fn amount(&self) -> i64 {
        self.amount
    }

    /// How much of what was taken has gone back. Stripe counts as refunded also what was set aside
    /// and let go.
    pub(super) fn back(&self) -> i64 {
        match self.told() {
            Told::Seen(Seen::Captured | Seen::Refunded) => self.amount - self.left(),
            _ => 0,
        }
    }

    /// How much of what was taken has not gone back.
    pub(super) fn left(&self) -> i64 {
        let back = self.charges.data.first().map_or(0, |charge| charge.amount_refunded);
        self.amount.saturating_sub(back)
    }

    /// Whether it is what `new` asks for.
    pub(super) fn is_for(&self, new: &NewPayment, system: &str) -> bool {
        let is_attempt =
            self.metadata.get("attempt").is_some_and(|at| *at == new.attempt.to_string());
        self.money() == Some(new.total) && self.order_of(system) == Some(new.order) && is_attempt
    }

    /// The order that it was created for, if `system` has created it.
    pub(super) fn order_of(&self, system: &str) -> Option<OrderId> {
        if self.metadata.get("system")? != system {
            return None;
        }
        self.metadata.get("order")?.parse().ok()
    }

    /// `None` for a currency that nothing is sold in.
    pub(super) fn money(&self) -> Option<Money> {
        Some(Money::new(self.amount, self.currency.to_uppercase().parse().ok()?))
    }

    pub(super) fn created_at(&self) -> UnixMillis {
        UnixMillis(self.created.saturating_mul(1_000))
    }
}

fn reason(error: &PaymentError) -> String {
    error.reason().unwrap_or_else(|| "card declined".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Intent, Told};
    use settlement_core::Seen;

    /// An intent with these fields beside the usual ones.
    fn intent(fields: &str) -> Intent {
        let text = format!(
            r#"{{"id": "pi_1", "amount": 500, "currency": "eur", "created": 1, {fields}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn told(fields: &str) -> Told {
        intent(fields).told()
    }

    #[test]
    fn every_state_has_one_meaning() {
        let error =
            r#""last_payment_error": {"code": "card_declined", "decline_code": "lost_card"}"#;
        let seen = [
            (r#""status": "requires_confirmation""#, Seen::Created),
            (r#""status": "requires_payment_method""#, Seen::Created),
            (r#""status": "processing""#, Seen::Processing),
            (r#""status": "something_new""#, Seen::Processing),
            (r#""status": "requires_capture""#, Seen::Authorised),
            (r#""status": "succeeded""#, Seen::Captured),
            (r#""status": "succeeded", "charges": {"data": []}"#, Seen::Captured),
            (r#""status": "canceled", "last_payment_error": null"#, Seen::Cancelled),
        ];
        for (fields, seen) in seen {
            assert_eq!(told(fields), Told::Seen(seen), "{fields}");
        }
        for (back, seen) in [(0, Seen::Captured), (499, Seen::Captured), (500, Seen::Refunded)] {
            let fields = format!(
                r#""status": "succeeded", "charges": {{"data": [{{"amount_refunded": {back}}}]}}"#
            );
            assert_eq!(told(&fields), Told::Seen(seen), "{back} of 500 went back");
        }
        let reason = "lost card".to_owned();
        let open = told(&format!(r#""status": "requires_payment_method", {error}"#));
        assert_eq!(open, Told::Refused { reason: reason.clone() });
        let closed = told(&format!(r#""status": "canceled", {error}"#));
        assert_eq!(closed, Told::Seen(Seen::Declined { reason }));
        let asked = told(r#""status": "requires_action""#);
        assert_eq!(asked, Told::Refused { reason: "authentication required".to_owned() });
    }

    #[test]
    fn what_was_set_aside_and_let_go_was_not_given_back() {
        let taken = [0, 200, 500].map(|gone| ("succeeded", gone, gone));
        let untaken = [("requires_capture", 0, 0), ("canceled", 500, 0)];
        for (status, gone, back) in taken.into_iter().chain(untaken) {
            let charges = format!(r#""charges": {{"data": [{{"amount_refunded": {gone}}}]}}"#);
            let intent = intent(&format!(r#""status": "{status}", {charges}"#));
            assert_eq!(intent.back(), back, "{status}, {gone} refunded");
        }
    }

    #[test]
    fn only_codes_become_reasons() {
        for code in [r#""No such card: 'pm_secret'""#, "null", r#""pm/secret""#] {
            let error = format!(
                r#""status": "requires_payment_method",
                "last_payment_error": {{"code": {code}, "message": "pm_secret"}}"#
            );
            assert_eq!(told(&error), Told::Refused { reason: "card declined".to_owned() });
        }
    }
}
