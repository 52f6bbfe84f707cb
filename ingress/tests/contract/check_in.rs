//! Scans as they come from entrances, and as they are handed to settlement.

use crate::rig::Rig;
use chassis::Nats;
use futures_util::StreamExt;
use ingress::Role;
use schema::{CheckIn, CheckInAnswer, Found, Scanned, codec, subject};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const PATH: &str = "/api/checkin";

/// A settlement that knows no ticket.
async fn settlement(nats: Nats) -> Arc<Mutex<Vec<CheckIn>>> {
    let heard: Arc<Mutex<Vec<CheckIn>>> = Arc::default();
    let hearing = Arc::clone(&heard);
    let mut scans = nats.client.subscribe(subject::SETTLE_CHECKIN).await.unwrap();
    chassis::tasks::spawn("test-settlement", async move {
        while let Some(message) = scans.next().await {
            let wanted: CheckIn = codec::decode(&message.payload).unwrap();
            let forged = Scanned { ticket: None, seat: None, area: None, found: Found::Forged };
            let answer = CheckInAnswer::Scanned(vec![forged; wanted.scans.len()]);
            hearing.lock().unwrap().push(wanted);
            let answer = codec::encode(&answer);
            nats.client.publish(message.reply.unwrap(), answer.into()).await.unwrap();
        }
    });
    heard
}

fn request(scans: &[Value]) -> Value {
    json!({"eventId": "EVT100", "entrance": "North", "scans": scans})
}

/// The longest scan there is, whose id every writer of JSON has to escape.
fn longest(number: usize) -> Value {
    let id = format!("{}{number:04}", "\u{1}".repeat(60));
    let code = "\u{2}".repeat(200);
    json!({"scanId": id, "code": code, "scannedAt": "2026-01-02T03:04:05.123456789+00:00"})
}

#[tokio::test]
async fn a_thousand_scans_are_one_request_however_long_they_are() {
    let rig = Rig::start().await;
    let operator = rig.login("operator", &[Role::Operator]).await;
    let steward = rig.login("steward", &[Role::Steward]).await;
    rig.event(&operator, "EVT100").await;
    let heard = settlement(rig.nats.clone()).await;
    let mut scans: Vec<Value> = (0..1_000).map(longest).collect();
    let pretty = serde_json::to_string_pretty(&request(&scans)).unwrap();
    let plain = request(&scans).to_string();
    assert!(1_600_000 < plain.len(), "{}", plain.len());
    let bearer = format!("Bearer {steward}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    for body in [plain, pretty] {
        let taken = rig.http.send("POST", PATH, &headers, body).await;
        assert_eq!(taken.status, 200, "{taken:?}");
        let results = taken.json()["results"].as_array().unwrap().clone();
        assert_eq!(results.len(), 1_000);
        assert_eq!(results[999]["scanId"], scans[999]["scanId"]);
        assert_eq!(heard.lock().unwrap().pop().unwrap().scans.len(), 1_000);
    }
    scans.push(json!({"scanId": "1000", "code": "x"}));
    let many = rig.http.post(PATH, &steward, request(&scans)).await;
    assert_eq!(many.problem(), (422, "REQUEST_INVALID".to_owned()));
    assert!(many.text.contains("scans has 1 to 1000 entries"), "{}", many.text);
    // A code that is no code may be as long as the bound allows, and no longer.
    for (bytes, status) in [(1_700_000, 200), (1_750_000, 413)] {
        let scan = json!({"scanId": "1", "code": "x".repeat(bytes)});
        let answer = rig.http.post(PATH, &steward, request(&[scan])).await;
        assert_eq!(answer.status, status, "{bytes}: {answer:?}");
        if status == 413 {
            assert_eq!(answer.problem(), (413, "BODY_TOO_LARGE".to_owned()));
        }
    }
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 1, "settlement hears of none that was refused");
    assert_eq!(heard[0].scans[0].code, "");
}

#[tokio::test]
async fn a_scan_is_known_again_by_its_id_and_the_login_that_has_made_it() {
    let rig = Rig::start().await;
    let operator = rig.login("operator", &[Role::Operator]).await;
    let steward = rig.login("steward", &[Role::Steward]).await;
    rig.event(&operator, "EVT100").await;
    let heard = settlement(rig.nats.clone()).await;
    let login = json!({"email": "steward@usher.test", "password": "usher-demo"});
    let later = rig.http.post("/api/auth/login", "", login).await.json()["token"].clone();
    for token in [&steward, &operator, later.as_str().unwrap()] {
        let scan = request(&[json!({"scanId": "1", "code": "x"})]);
        assert_eq!(rig.http.post(PATH, token, scan).await.status, 200);
    }
    let ids: Vec<[u8; 16]> = heard.lock().unwrap().iter().map(|one| one.scans[0].id).collect();
    assert_ne!(ids[0], ids[1], "two scanners, two scans");
    assert_eq!(ids[0], ids[2], "the same scanner, logged in again");
}
