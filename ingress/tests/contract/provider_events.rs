//! What payment providers say, as it is handed to settlement.

use crate::rig::Rig;
use chassis::Nats;
use futures_util::StreamExt;
use schema::{ProviderEvent, ProviderEventAnswer, codec, subject};
use std::sync::{Arc, Mutex};

const PATH: &str = "/api/webhooks/stripe";

/// A settlement that hears events, and answers by their bodies.
async fn settlement(nats: Nats) -> Arc<Mutex<Vec<ProviderEvent>>> {
    let heard: Arc<Mutex<Vec<ProviderEvent>>> = Arc::default();
    let hearing = Arc::clone(&heard);
    let mut events = nats.client.subscribe(subject::SETTLE_EVENT).await.unwrap();
    chassis::tasks::spawn("test-settlement", async move {
        while let Some(message) = events.next().await {
            let event: ProviderEvent = codec::decode(&message.payload).unwrap();
            let answer = match event.body.trim() {
                "known" => ProviderEventAnswer::Known,
                "forged" => ProviderEventAnswer::Forged,
                "stranger" => ProviderEventAnswer::ProviderUnknown,
                "busy" => ProviderEventAnswer::Busy,
                _ => ProviderEventAnswer::Taken,
            };
            hearing.lock().unwrap().push(event);
            let answer = codec::encode(&answer);
            nats.client.publish(message.reply.unwrap(), answer.into()).await.unwrap();
        }
    });
    heard
}

#[tokio::test]
async fn an_event_goes_to_settlement_byte_for_byte_and_comes_back_until_it_is_taken() {
    let rig = Rig::start().await;
    let signed = [("stripe-signature", "t=1,v1=00"), ("content-type", "application/json")];
    let none = rig.http.send("POST", PATH, &signed, "{}").await;
    assert_eq!(none.problem(), (503, "SETTLEMENT_UNAVAILABLE".to_owned()));
    let heard = settlement(rig.nats.clone()).await;
    let body = "{ \"id\":\t\"evt_1\" }\r\n";
    let taken = rig.http.send("POST", PATH, &signed, body).await;
    assert_eq!((taken.status, taken.json()["received"].as_bool()), (200, Some(true)));
    let event = heard.lock().unwrap().pop().unwrap();
    assert_eq!((event.provider.as_str(), event.signature.as_str()), ("stripe", "t=1,v1=00"));
    assert_eq!(event.body, body);
    assert!(!format!("{event:?}").contains("evt_1"), "no log shows what it says");
    let largest = " ".repeat(256 * 1024);
    for (body, status) in
        [("known", 200), (largest.as_str(), 200), ("forged", 400), ("stranger", 404), ("busy", 503)]
    {
        assert_eq!(rig.http.send("POST", PATH, &signed, body.to_owned()).await.status, status);
    }
    heard.lock().unwrap().clear();
    let long = "x".repeat(2_049);
    let unsigned: [&[(&str, &str)]; 2] = [&[], &[("stripe-signature", &long)]];
    for headers in unsigned {
        let refused = rig.http.send("POST", PATH, headers, "{}").await;
        assert_eq!(refused.problem(), (400, "SIGNATURE_INVALID".to_owned()));
    }
    let binary = rig.http.send("POST", PATH, &signed, vec![0xff, 0xfe]).await;
    assert_eq!(binary.problem(), (400, "SIGNATURE_INVALID".to_owned()));
    let large = rig.http.send("POST", PATH, &signed, format!("{largest} ")).await;
    assert_eq!(large.problem(), (413, "BODY_TOO_LARGE".to_owned()));
    let stranger = rig.http.send("POST", "/api/webhooks/sandbox", &signed, "{}").await;
    assert_eq!(stranger.problem(), (404, "PROVIDER_UNKNOWN".to_owned()));
    assert_eq!(heard.lock().unwrap().len(), 0, "settlement hears of none of these");
}
