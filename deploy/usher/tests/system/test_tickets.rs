//! Tickets in the hands of their holders, and at the entrances.

use crate::auditor::postgres;
use crate::client::{Call, Client};
use crate::fan::{Fan, PASSWORD, best, text};
use crate::up::Reach;
use chassis::base64url;
use chassis::keys::verify_ed25519;
use serde_json::{Value, json};

const EVENT: &str = "EVT002";

/// One ticket is checked in, one is given away, and both of a third booking are paid back.
pub async fn tickets_open_entrances_and_change_hands(reach: &Reach) {
    let client = &reach.client;
    let (owner, friend) = (Fan::new(client, "owner").await, Fan::new(client, "friend").await);
    let operator = Fan::demo(client, "operator").await;
    let booking = owner.buy(&best(EVENT, 2)).await;
    let [mine, theirs] = booking.tickets.as_slice() else { panic!("{booking:?}") };
    let held = held_by(&owner).await;
    assert_eq!(held.len(), 2, "{held:?}");
    let code = text(&find(&held, mine)["code"]);
    a_code_is_checked_without_a_network(client, &code).await;
    a_ticket_has_a_picture(&owner, &friend, mine).await;

    let fan = scan(&owner, &[("s1", &code)]).await;
    assert_eq!((fan.0, fan.1["code"].as_str()), (403, Some("ROLE_REQUIRED")));
    let (_, answer) = scan(&operator, &[("s1", &code), ("s2", "nonsense")]).await;
    assert_eq!(results(&answer), ["ADMITTED", "FORGED"], "{answer}");
    assert_eq!(answer["results"][0]["seatId"], booking.places[0].as_str());
    let (_, again) = scan(&operator, &[("s1", &code), ("s2", "nonsense")]).await;
    assert_eq!(again, answer, "a repetition");
    let (_, twice) = scan(&operator, &[("s3", &code)]).await;
    assert_eq!(results(&twice), ["DUPLICATE"]);
    assert!(twice["results"][0]["firstScanAt"].is_string(), "{twice}");
    who_counts_scans_alike_lets_in_nobody_twice(reach, &code, &twice["results"][0]).await;
    let cancelled = owner.cancel(&booking.id).await;
    assert_eq!((cancelled.status, cancelled.code().as_str()), (409, "TICKET_USED"));

    let old = text(&find(&held, theirs)["code"]);
    for (to, status, code) in [
        ("nobody@example.test", 422, "RECIPIENT_UNKNOWN"),
        ("owner@example.test", 422, "REQUEST_INVALID"),
        ("friend@example.test", 200, ""),
        ("friend@example.test", 200, ""),
        ("operator@usher.test", 404, "TICKET_UNKNOWN"),
    ] {
        let given = give(&owner, theirs, to).await;
        assert_eq!((given.status, given.code().as_str()), (status, code), "{to}: {given:?}");
    }
    let received = held_by(&friend).await;
    let new = text(&find(&received, theirs)["code"]);
    let shown = owner.booking(&booking.id).await;
    assert_eq!(shown["tickets"][1]["status"], "TRANSFERRED", "{shown}");
    assert_eq!(shown["tickets"][1]["code"], Value::Null);
    assert_eq!(held_by(&owner).await.len(), 1);
    let (_, answer) = scan(&operator, &[("s4", &old), ("s5", &new)]).await;
    assert_eq!(results(&answer), ["VOID", "ADMITTED"], "{answer}");
    let elsewhere = scan_at(&operator, "EVT003", &[("s6", &new)]).await;
    assert_eq!(results(&elsewhere.1), ["OTHER_EVENT"]);
    what_makes_no_sense_is_refused(&operator).await;
}

/// Another scanner at the same entrance has numbered its scans from 1 too; `first` is what a scan
/// of the ticket finds that was not the first.
async fn who_counts_scans_alike_lets_in_nobody_twice(reach: &Reach, code: &str, first: &Value) {
    let client = &reach.client;
    Fan::new(client, "steward").await;
    let role = "UPDATE account SET roles = 8 WHERE email = 'steward@example.test'";
    sqlx::query(role).execute(&postgres(reach).await).await.unwrap();
    let steward = Fan::login(client, "steward@example.test", PASSWORD).await;
    for _ in 0..2 {
        let (_, other) = scan(&steward, &[("s1", code)]).await;
        assert_eq!(results(&other), ["DUPLICATE"], "{other}");
        let found = &other["results"][0];
        assert_eq!(found["firstScanAt"], first["firstScanAt"], "{other}");
        assert_eq!(found["firstEntrance"], "North", "{other}");
    }
    // Who logs in again after a lost answer is the same scanner.
    let again = Fan::demo(client, "operator").await;
    assert_eq!(results(&scan(&again, &[("s1", code)]).await.1), ["ADMITTED"]);
}

async fn what_makes_no_sense_is_refused(operator: &Fan) {
    let (status, _) = scan(operator, &[]).await;
    assert_eq!(status, 422);
    let (status, _) = scan_at(operator, "EVT", &[("s1", "x")]).await;
    assert_eq!(status, 404);
    for path in ["/api/tickets/t-1", "/api/tickets/x.svg"] {
        let unknown = operator.ask(Call::get(path)).await;
        assert_eq!((unknown.status, unknown.code().as_str()), (404, "TICKET_UNKNOWN"));
    }
}

/// As the format is described: the signature is over the domain, the event and the id.
async fn a_code_is_checked_without_a_network(client: &Client, code: &str) {
    let keys = client.get("/.well-known/jwks.json").await;
    let keys = keys["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["purpose"] == "ticket").expect("it is published");
    let public = base64url::decode(&text(&key["x"])).unwrap().try_into().unwrap();
    let bytes = base64url::decode(code).unwrap();
    let (id, signature) = bytes.split_at(19);
    let signed = |event: &str| {
        let length = [u8::try_from(event.len()).unwrap()];
        let message = [b"usher ticket 1".as_slice(), &length, event.as_bytes(), id].concat();
        verify_ed25519(&public, &message, signature)
    };
    assert!(signed(EVENT) && !signed("EVT003"));
}

async fn a_ticket_has_a_picture(owner: &Fan, friend: &Fan, ticket: &str) {
    let path = format!("/api/tickets/{ticket}.svg");
    let picture = owner.ask(Call::get(&path)).await;
    assert_eq!((picture.status, picture.header("content-type")), (200, "image/svg+xml"));
    let body = String::from_utf8(picture.body.to_vec()).unwrap();
    assert!(body.contains("<svg") && body.ends_with("</svg>"), "{body}");
    let foreign = friend.ask(Call::get(&path)).await;
    assert_eq!((foreign.status, foreign.code().as_str()), (404, "TICKET_UNKNOWN"));
}

async fn held_by(fan: &Fan) -> Vec<Value> {
    fan.get("/api/tickets").await["tickets"].as_array().unwrap().clone()
}

fn find<'a>(tickets: &'a [Value], id: &str) -> &'a Value {
    tickets.iter().find(|ticket| ticket["ticketId"] == id).expect("the holder has it")
}

async fn give(owner: &Fan, ticket: &str, to: &str) -> crate::client::Answer {
    owner.ask(transfer(ticket, to)).await
}

pub fn transfer(ticket: &str, to: &str) -> Call {
    Call::post(&format!("/api/tickets/{ticket}/transfer"), &json!({"toEmail": to}))
}

pub async fn scan(who: &Fan, codes: &[(&str, &str)]) -> (u16, Value) {
    scan_at(who, EVENT, codes).await
}

async fn scan_at(who: &Fan, event: &str, codes: &[(&str, &str)]) -> (u16, Value) {
    let answer = who.ask(check_in(event, codes)).await;
    (answer.status, answer.json())
}

pub fn check_in(event: &str, codes: &[(&str, &str)]) -> Call {
    let scan = |(id, code): &(&str, &str)| json!({"scanId": id, "code": code});
    let scans: Vec<Value> = codes.iter().map(scan).collect();
    let body = json!({"eventId": event, "entrance": "North", "scans": scans});
    Call::post("/api/checkin", &body)
}

pub fn results(answer: &Value) -> Vec<&str> {
    let results = answer["results"].as_array().unwrap_or_else(|| panic!("{answer}"));
    results.iter().map(|result| result["result"].as_str().unwrap()).collect()
}
