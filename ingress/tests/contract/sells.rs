//! What partners sell, against an owner that the test plays.

use ingress::Role;
use schema::AccountId;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::owner;
use crate::rig::Rig;

const PATH: &str = "/api/partners/allocations";

/// A partner, with the seats of row A-1 and A-2-5 set aside, whose sale never ends, and three
/// standing places.
async fn open() -> (Rig, String) {
    let rig = Rig::with(|config| config.confirm_wait_ms = 300).await;
    owner::start(rig.nats.clone());
    let operator = rig.login("operator", &[Role::Operator]).await;
    rig.event(&operator, "EVT100").await;
    let partner = rig.login("partner", &[Role::Partner]).await;
    let allocate = |reference: &str, places: Value| operation("allocate", reference, &places);
    let row = allocate("a1", json!({"section": "A", "row": "1"}));
    let never = allocate("a2", json!({"seats": ["A-2-5"]}));
    let standing = allocate("a3", json!({"areaId": "FLOOR", "quantity": 3}));
    let done = send(&rig, &partner, "", &[row, never, standing]).await;
    assert_eq!(done.text.matches("\"ok\"").count(), 3, "{done:?}");
    (rig, partner)
}

fn operation(op: &str, reference: &str, places: &Value) -> Value {
    let mut line = json!({"ref": reference, "op": op, "eventId": "EVT100"});
    line.as_object_mut().unwrap().extend(places.as_object().unwrap().clone());
    line
}

fn sell(reference: &str, places: &Value) -> Value {
    operation("sell", reference, places)
}

async fn send(rig: &Rig, partner: &str, query: &str, lines: &[Value]) -> Answer {
    let bearer = format!("Bearer {partner}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/x-ndjson")];
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    rig.http.send("POST", &format!("{PATH}{query}"), &headers, lines.join("\n")).await
}

fn results(answer: &Answer) -> Vec<Value> {
    answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn map(rig: &Rig) -> String {
    let map = rig.http.get("/api/events/EVT100/seats", "").await.json();
    let rows = map["sections"][0]["rows"].as_array().unwrap().clone();
    let seats = rows.iter().flat_map(|row| row["seats"].as_array().unwrap());
    seats.map(|seat| seat["status"].as_str().unwrap()[..1].to_owned()).collect()
}

#[tokio::test]
async fn what_a_partner_sells_is_ok_when_it_is_sold_and_a_repeated_ref_gives_the_same() {
    let (rig, partner) = open().await;
    let two = json!({"seats": ["A-1-2", "A-1-1"], "buyer": {"name": "Ana", "email": "a@b.test"}});
    let other = json!({"seats": ["A-1-2", "A-1-1"], "buyer": {"name": "Bob"}});
    let lines = [
        sell("s1", &two),
        sell("s1", &two),
        sell("s1", &other),
        sell("s2", &json!({"seats": ["A-1-2", "A-1-3"]})),
        sell("s3", &json!({"seats": ["A-2-1"]})),
        sell("s4", &json!({"areaId": "FLOOR", "quantity": 2})),
        sell("s5", &json!({"areaId": "FLOOR", "quantity": 2})),
        sell("s6", &json!({"seats": ["A-1-3"], "buyer": {"name": "A\u{1}"}})),
        operation("release", "s7", &json!({"seats": ["A-1-3"], "buyer": {"name": "Ana"}})),
        sell("s8", &json!({"seats": ["A-2-5"]})),
    ];
    let answer = send(&rig, &partner, "", &lines).await;
    let found = results(&answer);
    let (first, fourth) = (found[0]["bookingId"].clone(), found[5]["bookingId"].clone());
    assert!(first.is_string() && fourth.is_string() && first != fourth, "{answer:?}");
    let ok = json!({"ref": "s1", "status": "ok", "seatIds": ["A-1-1", "A-1-2"],
        "bookingId": first});
    let refused =
        |reference| json!({"ref": reference, "status": "refused", "code": "NOT_ALLOTTED"});
    let invalid = |reference, code| json!({"ref": reference, "status": "invalid", "code": code});
    let wanted = [
        ok.clone(),
        ok.clone(),
        invalid("s1", "IDEMPOTENCY_MISMATCH"),
        refused("s2"),
        refused("s3"),
        json!({"ref": "s4", "status": "ok", "bookingId": fourth}),
        refused("s5"),
        invalid("s6", "REQUEST_INVALID"),
        invalid("s7", "REQUEST_INVALID"),
        json!({"ref": "s8", "status": "refused", "code": "SALE_PENDING", "retryable": true}),
    ];
    assert_eq!(found, wanted, "{answer:?}");
    assert_eq!(results(&send(&rig, &partner, "", &lines[..1]).await), [ok]);
    assert_eq!(map(&rig).await, "ssbbffffh");
    let own = rig.http.get("/api/partners/allotments?eventId=EVT100", &partner).await.json();
    // Both were made in one moment, so either may come first.
    let mut left: Vec<(&Value, &Value)> = own["allotments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["seatIds"], &one["areas"][0]["quantity"]))
        .collect();
    left.sort_by_key(|(seats, _)| seats.as_array().map_or(0, Vec::len));
    let seats = json!(["A-1-3", "A-1-4"]);
    assert_eq!(left, [(&json!([]), &json!(1)), (&seats, &Value::Null)], "{own}");
}

#[tokio::test]
async fn operations_that_sell_all_or_nothing_are_one_booking_of_one_buyer() {
    let (rig, partner) = open().await;
    let named = |reference: &str, seat: &str, buyer: Value| {
        sell(reference, &json!({"seats": [seat], "buyer": buyer}))
    };
    let ana = json!({"name": "Ana"});
    let mixed = [
        vec![named("1", "A-1-1", ana.clone()), named("2", "A-1-2", json!({"name": "Bob"}))],
        vec![named("1", "A-1-1", ana.clone()), operation("release", "2", &json!({"seats": []}))],
    ];
    for lines in mixed {
        let answer = send(&rig, &partner, "?atomic=true", &lines).await;
        assert_eq!(answer.problem(), (422, "ATOMIC_REFUSED".to_owned()));
    }
    let missing = [named("1", "A-1-1", ana.clone()), named("2", "A-2-1", ana.clone())];
    let answer = send(&rig, &partner, "?atomic=true", &missing).await;
    assert_eq!(answer.text.matches("NOT_ALLOTTED").count(), 2, "{answer:?}");
    assert_eq!(map(&rig).await, "bbbbffffb");
    let standing = sell("5", &json!({"areaId": "FLOOR", "quantity": 1}));
    let lines = [named("3", "A-1-1", ana.clone()), named("4", "A-1-2", ana), standing];
    for replayed in ["", "true"] {
        let answer = send(&rig, &partner, "?atomic=true", &lines).await;
        let found = results(&answer);
        let booking = found[0]["bookingId"].clone();
        assert!(booking.is_string(), "{answer:?}");
        let wanted = [
            json!({"ref": "3", "status": "ok", "seatIds": ["A-1-1"], "bookingId": booking}),
            json!({"ref": "4", "status": "ok", "seatIds": ["A-1-2"], "bookingId": booking}),
            json!({"ref": "5", "status": "ok", "bookingId": booking}),
        ];
        assert_eq!(found, wanted);
        assert_eq!(answer.header("idempotency-replayed"), replayed);
    }
    assert_eq!(map(&rig).await, "ssbbffffb");
}

#[tokio::test]
async fn a_booking_shows_its_partner_the_buyer_and_nobody_what_a_fan_paid_with() {
    let (rig, partner) = open().await;
    let me = rig.http.get("/api/auth/me", &partner).await.json();
    let account: AccountId = me["accountId"].as_str().unwrap().parse().unwrap();
    let order = rig.booked(account, 1, "paid").await;
    let path = format!("/api/bookings/{order}");
    let booking = rig.http.get(&path, &partner).await.json();
    assert_eq!((&booking["status"], &booking["buyer"]), (&json!("CONFIRMED"), &Value::Null));
    let sold = "UPDATE orders SET method = 'PARTNER', token = '{\"name\":\"Ana\"}'";
    sqlx::query(sold).execute(&rig.postgres).await.unwrap();
    assert_eq!(rig.http.get(&path, &partner).await.json()["buyer"], json!({"name": "Ana"}));
    let listed = rig.http.get("/api/bookings", &partner).await.json();
    assert_eq!(listed["bookings"][0]["buyer"], json!({"name": "Ana"}));
    let fan = rig.login("fan", &[Role::Fan]).await;
    assert_eq!(rig.http.get(&path, &fan).await.problem().1, "BOOKING_UNKNOWN");
}
