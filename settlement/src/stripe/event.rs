//! Which payment or dispute an event of Stripe is about. Nothing else in it is read, because
//! nothing else in it is believed.

use serde::Deserialize;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub id: String,
    /// The payment's id, if it is about one.
    pub payment: Option<String>,
    /// The dispute's id, likewise.
    pub dispute: Option<String>,
}

/// Longest id that is taken for one. Stripe's have some 30 letters.
const ID_BYTES_MAX: usize = 255;

/// Reads an event; `None` if it is none.
pub(crate) fn read_event(body: &str) -> Option<Event> {
    #[derive(Deserialize)]
    struct Body {
        id: String,
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        object: About,
    }
    #[derive(Deserialize)]
    struct About {
        #[serde(default)]
        id: Option<String>,
        #[serde(default)]
        object: Option<String>,
        /// Of a charge, a refund or a dispute.
        #[serde(default)]
        payment_intent: Option<String>,
    }
    let Body { id, data: Data { object } } = serde_json::from_str(body).ok()?;
    let (payment, dispute) = match object.object.as_deref() {
        Some("payment_intent") => (object.id, None),
        Some("dispute") => (object.payment_intent, object.id),
        _ => (object.payment_intent, None),
    };
    let is_long = |id: &String| id.is_empty() || ID_BYTES_MAX < id.len();
    if [Some(&id), payment.as_ref(), dispute.as_ref()].into_iter().flatten().any(is_long) {
        return None;
    }
    Some(Event { id, payment, dispute })
}

#[cfg(test)]
mod tests {
    use super::read_event;

    #[test]
    fn an_event_is_about_the_payment_that_it_names_or_about_none() {
        let payment = |object: &str| {
            let body = format!(r#"{{"id": "evt_1", "type": "x", "data": {{"object": {object}}}}}"#);
            read_event(&body).map(|event| event.payment)
        };
        let one = Some(Some("pi_1".to_owned()));
        assert_eq!(payment(r#"{"object": "payment_intent", "id": "pi_1"}"#), one);
        let charge = r#"{"object": "charge", "id": "ch_1", "payment_intent": "pi_1"}"#;
        assert_eq!(payment(charge), one);
        assert_eq!(payment(r#"{"object": "charge", "payment_intent": null}"#), Some(None));
        assert_eq!(payment(r#"{"object": "payout", "id": "po_1"}"#), Some(None));
        let dispute = r#"{"object": "dispute", "id": "dp_1", "payment_intent": "pi_1"}"#;
        assert_eq!(payment(dispute), one);
        let body = format!(r#"{{"id": "evt_1", "data": {{"object": {dispute}}}}}"#);
        assert_eq!(read_event(&body).unwrap().dispute.as_deref(), Some("dp_1"));
        assert_eq!(payment(r#"{"object": "payment_intent", "id": ""}"#), None);
        for body in ["", "[]", "{}", r#"{"id": 1, "data": {"object": {}}}"#] {
            assert_eq!(read_event(body), None, "{body}");
        }
    }
}
