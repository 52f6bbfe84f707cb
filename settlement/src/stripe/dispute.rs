//! A dispute as Stripe shows it, and what it means.

use crate::provider::Dispute;
use schema::Money;
use serde::Deserialize;
use settlement_core::Disputed;

/// What is read of a dispute.
#[derive(Debug, Deserialize)]
pub(super) struct Disputing {
    pub id: String,
    status: String,
    amount: i64,
    currency: String,
    /// `None` for a charge that no intent has made.
    payment_intent: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct DisputesList {
    pub data: Vec<Disputing>,
    pub has_more: bool,
}

impl Disputing {
    /// `None` for one that cannot be about a payment of ours.
    pub(super) fn told(&self) -> Option<Dispute> {
        let stands = match self.status.as_str() {
            "warning_needs_response" | "warning_under_review" => Disputed::Inquiry,
            "warning_closed" => Disputed::Dropped,
            "won" => Disputed::Won,
            "lost" => Disputed::Lost,
            // "needs_response", "under_review", and whatever Stripe may add: from then on the money
            // is gone, until it is known to be here again.
            _ => Disputed::Taken,
        };
        let currency = self.currency.to_uppercase().parse().ok()?;
        Some(Dispute {
            id: self.id.clone(),
            payment: self.payment_intent.clone()?,
            amount: Money::new(self.amount, currency),
            stands,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Disputed, Disputing};

    #[test]
    fn every_state_has_one_meaning() {
        let told = |status: &str, fields: &str| {
            let text = format!(r#"{{"id": "dp_1", "status": "{status}", "amount": 5, {fields}}}"#);
            serde_json::from_str::<Disputing>(&text).unwrap().told()
        };
        let ours = r#""currency": "eur", "payment_intent": "pi_1""#;
        for (status, stands) in [
            ("warning_needs_response", Disputed::Inquiry),
            ("warning_under_review", Disputed::Inquiry),
            ("warning_closed", Disputed::Dropped),
            ("needs_response", Disputed::Taken),
            ("under_review", Disputed::Taken),
            ("something_new", Disputed::Taken),
            ("won", Disputed::Won),
            ("lost", Disputed::Lost),
        ] {
            let dispute = told(status, ours).unwrap();
            assert_eq!((dispute.stands, dispute.payment.as_str()), (stands, "pi_1"), "{status}");
        }
        assert_eq!(told("lost", r#""currency": "eur", "payment_intent": null"#), None);
        assert_eq!(told("lost", r#""currency": "e", "payment_intent": "pi_1""#), None);
    }
}
