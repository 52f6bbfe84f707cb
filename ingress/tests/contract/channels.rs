//! Seats for who knows a code, from the event's creation to the reservation.

use ingress::Role;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::owner;
use crate::rig::{Rig, event};

const RESERVE: &str = "/api/bookings/reserve";
const CODE: &str = "friends-2030";

fn friends(code: Option<&str>, places: &Value) -> Value {
    let mut channel = json!({"key": "FRIENDS", "name": "Friends", "places": places});
    if let Some(code) = code {
        channel["code"] = json!(code);
    }
    channel
}

fn with(channels: &[Value]) -> Value {
    let mut event = event("EVT200");
    event["channels"] = json!(channels);
    event
}

fn row_1() -> Value {
    json!([{"section": "A", "row": "1"}])
}

async fn open() -> (Rig, String) {
    let rig = Rig::start().await;
    owner::start(rig.nats.clone());
    let operator = rig.login("operator", &[Role::Operator]).await;
    let made = with(&[friends(Some(CODE), &row_1())]);
    let made = rig.http.post("/api/admin/events", &operator, made).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert!(!made.text.contains("hannel"), "{made:?}");
    (rig, operator)
}

async fn put(rig: &Rig, operator: &str, channels: &[Value]) -> Answer {
    rig.http.json("PUT", "/api/admin/events/EVT200", operator, &[], with(channels)).await
}

async fn reserve(rig: &Rig, fan: &str, seat: &str, code: Option<&str>, key: &str) -> Answer {
    let mut body = json!({"eventId": "EVT200", "seats": [{"seatId": seat}]});
    if let Some(code) = code {
        body["channelCode"] = json!(code);
    }
    let key = [("idempotency-key", key)];
    rig.http.json("POST", RESERVE, fan, if key[0].1.is_empty() { &[] } else { &key }, body).await
}

#[tokio::test]
async fn seats_of_a_channel_are_reserved_with_its_code_alone() {
    let (rig, _) = open().await;
    let fan = rig.login("fan", &[Role::Fan]).await;
    let without = reserve(&rig, &fan, "A-1-1", None, "").await;
    assert_eq!(without.problem(), (403, "CHANNEL_REQUIRED".to_owned()));
    assert_eq!(without.json()["seatIds"], json!(["A-1-1"]));
    let wrong = reserve(&rig, &fan, "A-1-1", Some("friends-2031"), "").await;
    assert_eq!(wrong.problem(), (403, "CHANNEL_CODE_INVALID".to_owned()));
    assert_eq!(reserve(&rig, &fan, "A-1-1", Some(CODE), "").await.status, 201);
    let best = json!({"eventId": "EVT200", "bestAvailable": {"quantity": 1}, "channelCode": CODE});
    assert_eq!(rig.http.post(RESERVE, &fan, best).await.problem().1, "SEAT_TAKEN", "it came with");
    let number = json!({"eventId": "EVT200", "seats": [{"seatId": "A-1-1"}], "channelCode": 7});
    let number = rig.http.post(RESERVE, &fan, number).await;
    assert_eq!(number.problem(), (422, "REQUEST_INVALID".to_owned()));
}

#[tokio::test]
async fn a_code_is_told_to_nobody_and_the_channel_is_shown_to_all() {
    let (rig, operator) = open().await;
    let seats = rig.http.get("/api/events/EVT200/seats", "").await;
    let shown = json!([{"key": "FRIENDS", "name": "Friends", "endsAt": null,
        "places": [{"section": "A", "row": "1", "from": 1, "to": 4}]}]);
    assert_eq!(seats.json()["channels"], shown);
    let changed = put(&rig, &operator, &[friends(Some("other-2030"), &row_1())]).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let audit = rig.http.get("/api/admin/audit", &operator).await;
    assert_eq!(audit.json()["entries"][1]["detail"]["channels"][0]["key"], "FRIENDS");
    let event = rig.http.get("/api/events/EVT200", "").await;
    for answer in [seats, changed, audit, event] {
        assert!(!answer.text.contains("2030\","), "{answer:?}");
        assert!(!answer.text.contains("friends-") && !answer.text.contains("other-"), "{answer:?}");
        assert!(!answer.text.to_lowercase().contains("hash"), "{answer:?}");
    }
}

#[tokio::test]
async fn channels_change_while_the_event_is_on_sale_and_keep_their_codes() {
    let (rig, operator) = open().await;
    let fan = rig.login("fan", &[Role::Fan]).await;
    let path = "/api/events/EVT200/seats";
    let compact = ("accept", "application/octet-stream");
    let before = rig.http.get(path, "").await;
    let small = rig.http.send("GET", path, &[compact], "").await;
    let moved = friends(None, &json!([{"seats": ["A-1-1"]}]));
    assert_eq!(put(&rig, &operator, std::slice::from_ref(&moved)).await.status, 200);
    let known = ("if-none-match", before.header("etag"));
    let after = rig.http.send("GET", path, &[known], "").await;
    assert_eq!(after.status, 200);
    assert_ne!(after.header("etag"), before.header("etag"));
    let known = ("if-none-match", small.header("etag"));
    let same = rig.http.send("GET", path, &[known, compact], "").await;
    assert_eq!(same.status, 304, "the compact form shows no channels");
    assert_eq!(reserve(&rig, &fan, "A-1-1", Some(CODE), "k").await.status, 201);

    // Without a word of channels those that the event has stay.
    let event = event("EVT200");
    let silent = rig.http.json("PUT", "/api/admin/events/EVT200", &operator, &[], event).await;
    assert_eq!(silent.status, 200, "{silent:?}");
    let places = &rig.http.get(path, "").await.json()["channels"][0]["places"];
    assert_eq!(*places, json!([{"section": "A", "row": "1", "from": 1, "to": 1}]));

    let fresh = json!({"key": "CARD", "name": "Card", "places": [{"seats": ["A-2-1"]}]});
    let lack = put(&rig, &operator, &[moved.clone(), fresh]).await;
    assert_eq!(lack.problem(), (422, "REQUEST_INVALID".to_owned()));
    let both = json!({"key": "CARD", "name": "Card", "code": "card", "places": row_1()});
    let overlap = put(&rig, &operator, &[moved, both]).await;
    assert_eq!(overlap.problem(), (422, "CHANNEL_OVERLAP".to_owned()));
    let area = friends(None, &json!([{"areaId": "FLOOR", "quantity": 2}]));
    let area = put(&rig, &operator, &[area]).await;
    assert_eq!(area.problem(), (422, "CHANNEL_AREA_UNSUPPORTED".to_owned()));
    assert_eq!(put(&rig, &operator, &[]).await.status, 200);
    let bare = rig.http.get(path, "").await;
    assert!(bare.json().get("channels").is_none());
    let late = reserve(&rig, &fan, "A-1-1", Some(CODE), "").await;
    assert_eq!(late.problem().1, "CHANNEL_CODE_INVALID");
    let again = reserve(&rig, &fan, "A-1-1", Some(CODE), "k").await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
}

#[tokio::test]
async fn who_guesses_codes_waits_and_everybody_else_does_not() {
    let (rig, _) = open().await;
    let guesser = rig.login("guesser", &[Role::Fan]).await;
    let fan = rig.login("fan", &[Role::Fan]).await;
    for guess in 0..10 {
        let wrong = reserve(&rig, &guesser, "A-1-1", Some(&format!("guess-{guess}")), "").await;
        assert_eq!(wrong.problem().1, "CHANNEL_CODE_INVALID");
    }
    let throttled = reserve(&rig, &guesser, "A-1-1", Some(CODE), "").await;
    assert_eq!(throttled.problem(), (429, "CHANNEL_CODE_THROTTLED".to_owned()));
    assert_ne!(throttled.header("retry-after"), "");
    assert_eq!(reserve(&rig, &guesser, "A-1-2", None, "").await.status, 201, "without a code");
    assert_eq!(reserve(&rig, &fan, "A-1-1", Some(CODE), "").await.status, 201);
}
