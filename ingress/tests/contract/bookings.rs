//! Reserve, look, release, allocate: against an owner that the test plays.

use ingress::Role;
use schema::{Shards, UnixMillis};
use serde_json::{Value, json};

use crate::owner::{self, HOLD_MS};
use crate::rig::{Rig, event};

const RESERVE: &str = "/api/bookings/reserve";

async fn open() -> (Rig, String) {
    let rig = Rig::start().await;
    owner::start(rig.nats.clone());
    let operator = rig.login("operator", &[Role::Operator]).await;
    rig.event(&operator, "EVT100").await;
    let fan = rig.login("fan", &[Role::Fan]).await;
    (rig, fan)
}

fn seats(ids: &[&str]) -> Value {
    let seats: Vec<Value> = ids.iter().map(|id| json!({"seatId": id})).collect();
    json!({"eventId": "EVT100", "seats": seats})
}

async fn status_of(rig: &Rig, seat: &str) -> String {
    let map = rig.http.get("/api/events/EVT100/seats", "").await.json();
    let rows = map["sections"][0]["rows"].as_array().unwrap().iter();
    let found = rows
        .flat_map(|row| row["seats"].as_array().unwrap())
        .find(|found| found["seatId"] == seat)
        .unwrap();
    found["status"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_reservation_is_held_shown_and_released() {
    let (rig, fan) = open().await;
    let made = rig.http.post(RESERVE, &fan, seats(&["A-1-1", "A-1-2"])).await;
    assert_eq!(made.status, 201, "{made:?}");
    let body = made.json();
    assert_eq!(body["total"], json!({"amount": 8_000, "currency": "EUR"}));
    assert_eq!(body["seats"][1]["seat"], 2);
    assert_eq!(status_of(&rig, "A-1-2").await, "held");
    let path = format!("/api/bookings/reservations/{}", body["reservationId"].as_str().unwrap());
    assert_eq!(rig.http.get(&path, &fan).await.json()["status"], "HELD");
    let other = rig.login("other", &[Role::Fan]).await;
    assert_eq!(rig.http.get(&path, &other).await.problem().1, "RESERVATION_UNKNOWN");

    let taken = rig.http.post(RESERVE, &other, seats(&["A-1-2", "A-1-3"])).await;
    assert_eq!(taken.problem(), (409, "SEAT_TAKEN".to_owned()));
    assert_eq!(taken.json()["seatIds"], json!(["A-1-2"]));

    let bearer = format!("Bearer {fan}");
    let delete = async || rig.http.send("DELETE", &path, &[("authorization", &bearer)], "").await;
    assert_eq!(delete().await.json()["status"], "RELEASED");
    assert_eq!(delete().await.status, 200, "repeating it changes nothing");
    assert_eq!(status_of(&rig, "A-1-2").await, "free");
    assert_eq!(rig.http.get(&path, &fan).await.json()["status"], "RELEASED");
}

#[tokio::test]
async fn a_swap_changes_the_seats_of_a_reservation_or_nothing() {
    let (rig, fan) = open().await;
    let made = rig.http.post(RESERVE, &fan, seats(&["A-1-1", "A-1-2"])).await.json();
    let id = made["reservationId"].as_str().unwrap();
    let path = format!("/api/bookings/reservations/{id}/swap");
    let want = |ids: &[&str]| json!({"seats": seats(ids)["seats"]});
    let key = [("idempotency-key", "swap-1")];
    let swap =
        async || rig.http.json("POST", &path, &fan, &key, want(&["A-1-2", "A-1-3", "A-1-4"])).await;
    for replayed in ["", "true"] {
        let swapped = swap().await;
        assert_eq!((swapped.status, swapped.header("idempotency-replayed")), (200, replayed));
        let body = swapped.json();
        let named: Vec<_> =
            body["seats"].as_array().unwrap().iter().map(|s| &s["seatId"]).collect();
        assert_eq!(named, ["A-1-2", "A-1-3", "A-1-4"]);
        assert_eq!(
            (&body["reservationId"], &body["status"]),
            (&made["reservationId"], &json!("HELD"))
        );
        assert_eq!(body["total"]["amount"], 12_000);
    }
    let shown =
        async || rig.http.get(&format!("/api/bookings/reservations/{id}"), &fan).await.json();
    let after = shown().await;
    assert_eq!(after["seats"].as_array().unwrap().len(), 3);
    assert_eq!(status_of(&rig, "A-1-1").await, "free");
    assert_eq!(status_of(&rig, "A-1-3").await, "held");
    let same = rig.http.post(&path, &fan, want(&["A-1-2", "A-1-3", "A-1-4"])).await;
    assert_eq!((same.status, &same.json()["seats"]), (200, &after["seats"]));

    let other = rig.login("other", &[Role::Fan]).await;
    assert_eq!(rig.http.post(RESERVE, &other, seats(&["A-2-1"])).await.status, 201);
    let taken = rig.http.post(&path, &fan, want(&["A-1-2", "A-2-1"])).await;
    assert_eq!(taken.problem(), (409, "SEAT_TAKEN".to_owned()));
    assert_eq!(taken.json()["seatIds"], json!(["A-2-1"]));
    let foreign = rig.http.post(&path, &other, want(&["A-1-1"])).await;
    assert_eq!(foreign.problem(), (404, "RESERVATION_UNKNOWN".to_owned()));
    let nothing = rig.http.post(&path, &fan, json!({})).await;
    assert_eq!(nothing.problem(), (422, "REQUEST_INVALID".to_owned()));
    let unknown = rig.http.post(&path, &fan, want(&["B-1-1"])).await;
    assert_eq!(unknown.problem(), (422, "SEAT_UNKNOWN".to_owned()));
    assert_eq!(shown().await["seats"], after["seats"], "refusals change nothing");
}

#[tokio::test]
async fn the_same_key_hears_the_same_answer_and_another_body_is_refused() {
    let (rig, fan) = open().await;
    let ask = async |key: &str, body: Value| {
        rig.http.json("POST", RESERVE, &fan, &[("idempotency-key", key)], body).await
    };
    let first = ask("k1", seats(&["A-1-1"])).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, ""));
    let again = ask("\"k1\"", seats(&["A-1-1"])).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
    assert_eq!(again.json()["reservationId"], first.json()["reservationId"]);
    let other = ask("k1", seats(&["A-1-2"])).await;
    assert_eq!(other.problem(), (422, "IDEMPOTENCY_MISMATCH".to_owned()));
    let refused = ask("k2", seats(&["A-1-1"])).await;
    let repeated = ask("k2", seats(&["A-1-1"])).await;
    assert_eq!(
        (refused.problem(), repeated.header("idempotency-replayed")),
        (repeated.problem(), "true")
    );
    assert_eq!(ask("", seats(&["A-1-1"])).await.problem().1, "IDEMPOTENCY_KEY_INVALID");
}

/// A limit that is named (decision 0035): to know more, each command would wait for a place that
/// all shards share.
#[tokio::test]
async fn a_key_and_a_ref_are_known_to_the_shard_of_their_event_and_to_no_other() {
    let (rig, fan) = open().await;
    let operator = rig.login("second", &[Role::Operator]).await;
    let partner = rig.login("partner", &[Role::Partner]).await;
    let shard = |event: &str| Shards::default().of(&event.parse().unwrap());
    let others: Vec<String> = (101..150).map(|number| format!("EVT{number}")).collect();
    let (beside, elsewhere): (Vec<&String>, Vec<&String>) =
        others.iter().partition(|event| shard(event) == shard("EVT100"));
    let (beside, elsewhere) = (beside[0].as_str(), elsewhere[0].as_str());
    for event in [beside, elsewhere] {
        rig.event(&operator, event).await;
    }
    let ask = async |event: &str| {
        let want = json!({"eventId": event, "seats": [{"seatId": "A-1-1"}]});
        rig.http.json("POST", RESERVE, &fan, &[("idempotency-key", "k")], want).await
    };
    let first = ask("EVT100").await;
    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(ask(beside).await.problem(), (422, "IDEMPOTENCY_MISMATCH".to_owned()));
    let second = ask(elsewhere).await;
    assert_eq!((second.status, second.header("idempotency-replayed")), (201, ""), "{second:?}");
    assert_ne!(second.json()["reservationId"], first.json()["reservationId"]);
    for (event, known) in [("EVT100", &first), (elsewhere, &second)] {
        let again = ask(event).await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
        assert_eq!(again.json()["reservationId"], known.json()["reservationId"]);
    }

    let bearer = format!("Bearer {partner}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/x-ndjson")];
    let lines = ["EVT100", beside, elsewhere].map(|event| {
        json!({"ref": "1", "op": "allocate", "eventId": event, "seats": ["A-2-1"]}).to_string()
    });
    let answer = rig.http.send("POST", "/api/partners/allocations", &headers, lines.join("\n"));
    let answer = answer.await;
    let results = answer.text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ok = json!({"ref": "1", "status": "ok", "seatIds": ["A-2-1"]});
    let mismatch = json!({"ref": "1", "status": "invalid", "code": "IDEMPOTENCY_MISMATCH"});
    assert_eq!(results.collect::<Vec<_>>(), [ok.clone(), mismatch, ok], "{answer:?}");
}

#[tokio::test]
async fn a_repeated_refusal_to_release_says_that_it_is_repeated() {
    let (rig, fan) = open().await;
    let made = rig.http.post(RESERVE, &fan, seats(&["A-2-5"])).await.json();
    let id = made["reservationId"].as_str().unwrap();
    let path = format!("/api/bookings/reservations/{id}");
    let bearer = format!("Bearer {fan}");
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "give-up")];
    for (nth, replayed) in ["", "true"].into_iter().enumerate() {
        let answer = rig.http.send("DELETE", &path, &headers, "").await;
        assert_eq!(answer.problem(), (409, "PAYMENT_IN_PROGRESS".to_owned()), "{nth}");
        assert_eq!(answer.header("idempotency-replayed"), replayed, "{nth}");
    }
}

#[tokio::test]
async fn a_deadline_is_told_in_the_callers_time_however_far_the_journal_is_behind() {
    let (mut rig, fan) = open().await;
    let made = rig.http.post(RESERVE, &fan, seats(&["A-1-1"])).await.json();
    let path = format!("/api/bookings/reservations/{}", made["reservationId"].as_str().unwrap());
    let shown = rig.http.get(&path, &fan).await.json();
    // A gateway that starts later reads the same from the journal's past.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let later = rig.another().await.get(&path, &fan).await.json();
    for (what, body) in [("reserve", made), ("get", shown), ("later", later)] {
        let now = chassis::clock::now();
        let expires_at = UnixMillis::parse_rfc3339(body["expiresAt"].as_str().unwrap()).unwrap();
        let left = body["expiresInMs"].as_u64().unwrap();
        assert!(left <= HOLD_MS && HOLD_MS < left + 15_000, "{what}: {left}");
        let apart = expires_at.0.abs_diff(now.0 + HOLD_MS);
        assert!(apart < 15_000, "{what}: {expires_at} is {apart} ms off");
    }
}

#[tokio::test]
async fn a_ticket_that_was_paid_back_is_void_and_has_no_code() {
    let (rig, fan) = open().await;
    let account = rig.http.get("/api/auth/me", &fan).await.json();
    let account: schema::AccountId = account["accountId"].as_str().unwrap().parse().unwrap();
    let (paid, refunded) =
        (rig.booked(account, 0, "paid").await, rig.booked(account, 1, "refunded").await);
    let shown = async |id: schema::OrderId| {
        let booking = rig.http.get(&format!("/api/bookings/{id}"), &fan).await.json();
        let ticket = &booking["tickets"][0];
        (ticket["status"].clone(), ticket["code"].clone())
    };
    assert_eq!(shown(paid).await, (json!("VALID"), json!("code 0")));
    assert_eq!(shown(refunded).await, (json!("VOID"), Value::Null));
    let all = rig.http.get("/api/bookings", &fan).await.json();
    let codes = all["bookings"].as_array().unwrap().iter().map(|b| &b["tickets"][0]["code"]);
    assert_eq!(codes.filter(|code| code.is_null()).count(), 1);
    // Confirm repeated long after: the hold has been forgotten, the booking has not.
    let hold = schema::HoldId::from(refunded).to_string();
    let again = json!({"reservationId": hold, "paymentMethod": "CREDIT_CARD"});
    let again = rig.http.post("/api/bookings/confirm", &fan, again).await;
    assert_eq!((again.status, &again.json()["tickets"][0]["code"]), (200, &Value::Null));
}

#[tokio::test]
async fn a_booking_whose_payment_was_declined_says_that_it_waits_for_nothing() {
    let (rig, fan) = open().await;
    let account = rig.http.get("/api/auth/me", &fan).await.json();
    let account: schema::AccountId = account["accountId"].as_str().unwrap().parse().unwrap();
    rig.booked(account, 0, "declined").await;
    rig.booked(account, 1, "paying").await;
    // Neither was ever sold.
    for query in ["DELETE FROM ticket", "UPDATE orders SET sold_at = NULL"] {
        sqlx::query(query).execute(&rig.postgres).await.unwrap();
    }
    let all = rig.http.get("/api/bookings", &fan).await.json();
    let all = all["bookings"].as_array().unwrap();
    assert!(all.iter().all(|booking| booking["status"] == "PENDING"), "{all:?}");
    let mut declined: Vec<_> = all.iter().map(|booking| booking["declined"] == true).collect();
    declined.sort_unstable();
    assert_eq!(declined, [false, true]);
}

#[tokio::test]
async fn a_seat_map_that_has_not_changed_is_not_sent_again() {
    let (rig, fan) = open().await;
    let path = "/api/events/EVT100/seats";
    let compact = ("accept", "application/octet-stream");
    let first = rig.http.get(path, "").await;
    let small = rig.http.send("GET", path, &[compact], "").await;
    assert_ne!(first.header("etag"), small.header("etag"), "one name for each form");
    let known = ("if-none-match", first.header("etag"));
    let again = rig.http.send("GET", path, &[known], "").await;
    assert_eq!((again.status, again.header("etag")), (304, first.header("etag")));
    assert_eq!(again.text, "");
    assert_eq!(rig.http.send("GET", path, &[known, compact], "").await.status, 200);
    assert_eq!(rig.http.post(RESERVE, &fan, seats(&["A-1-1"])).await.status, 201);
    let changed = rig.http.send("GET", path, &[known], "").await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), first.header("etag"));
}

#[tokio::test]
async fn without_an_owner_nothing_is_promised_and_the_request_may_be_repeated() {
    let rig = Rig::start().await;
    let operator = rig.login("operator", &[Role::Operator]).await;
    rig.event(&operator, "EVT100").await;
    let fan = rig.login("fan", &[Role::Fan]).await;
    let waiting =
        rig.http.json("POST", RESERVE, &fan, &[("idempotency-key", "k")], seats(&["A-1-1"]));
    let second = async {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        rig.http.json("POST", RESERVE, &fan, &[("idempotency-key", "k")], seats(&["A-1-1"])).await
    };
    let (waited, second) = tokio::join!(waiting, second);
    assert_eq!(second.problem(), (409, "IDEMPOTENCY_IN_FLIGHT".to_owned()));
    assert_eq!(waited.problem(), (503, "NO_ANSWER".to_owned()));
    assert_eq!(waited.header("retry-after"), "1");
    let fresh = rig.http.post(RESERVE, &fan, seats(&["A-1-2"])).await;
    let key = fresh.json()["commandId"].as_str().unwrap().to_owned();
    owner::start(rig.nats.clone());
    let again = [("idempotency-key", key.as_str())];
    let answer = rig.http.json("POST", RESERVE, &fan, &again, seats(&["A-1-2"])).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test]
async fn a_request_that_makes_no_sense_reaches_no_owner() {
    let (rig, fan) = open().await;
    let ask = async |body: Value| rig.http.post(RESERVE, &fan, body).await.problem();
    let many: Vec<String> = (0..10_000).map(|seat| format!("A-1-{seat}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(ask(seats(&many)).await.0, 413);
    assert_eq!(ask(seats(&many[..500])).await, (422, "REQUEST_INVALID".to_owned()));
    assert_eq!(ask(seats(&["B-1-1"])).await, (422, "SEAT_UNKNOWN".to_owned()));
    assert_eq!(ask(json!({"eventId": "EVT404", "seats": []})).await.1, "EVENT_UNKNOWN");
    assert_eq!(ask(json!({"seats": []})).await, (422, "REQUEST_INVALID".to_owned()));
    let confirm = json!({"reservationId": "r-1", "paymentMethod": "CREDIT_CARD"});
    let answer = rig.http.post("/api/bookings/confirm", &fan, confirm).await;
    assert_eq!(answer.problem().1, "RESERVATION_UNKNOWN");
    assert_eq!(status_of(&rig, "A-1-1").await, "free");
}

async fn open_the_room(rig: &Rig) {
    let operator = rig.login("second", &[Role::Operator]).await;
    let path = "/api/admin/events/EVT100/admission";
    let on = [("if-match", "*")];
    let answer = rig.http.json("PATCH", path, &operator, &on, json!({"mode": "open"})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn where_a_room_is_on_reserve_needs_a_genuine_pass() {
    let (rig, fan) = open().await;
    open_the_room(&rig).await;
    let ask = async |pass: &[(&str, &str)]| {
        rig.http.json("POST", RESERVE, &fan, pass, seats(&["A-1-1"])).await
    };
    assert_eq!(ask(&[]).await.problem(), (403, "PASS_REQUIRED".to_owned()));
    let forged = [("admission-pass", "a.b.c")];
    assert_eq!(ask(&forged).await.problem(), (403, "PASS_INVALID".to_owned()));
}

#[tokio::test]
async fn what_was_answered_before_a_room_opened_is_answered_again_and_nothing_else_is_decided() {
    let (rig, fan) = open().await;
    let ask = async |key: &str, more: &[(&str, &str)], seat: &str| {
        let headers = [&[("idempotency-key", key)], more].concat();
        rig.http.json("POST", RESERVE, &fan, &headers, seats(&[seat])).await
    };
    let (held, refused) = (ask("k1", &[], "A-1-1").await, ask("k2", &[], "A-1-1").await);
    assert_eq!((held.status, refused.problem().1.as_str()), (201, "SEAT_TAKEN"));
    open_the_room(&rig).await;
    for pass in [&[][..], &[("admission-pass", "a.b.c")]] {
        let again = ask("k1", pass, "A-1-1").await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
        assert_eq!(again.json()["reservationId"], held.json()["reservationId"]);
        let again = ask("k2", pass, "A-1-1").await;
        assert_eq!(again.header("idempotency-replayed"), "true", "{again:?}");
        assert_eq!(again.json(), refused.json());
        let other = ask("k1", pass, "A-1-2").await;
        assert_eq!(other.problem(), (422, "IDEMPOTENCY_MISMATCH".to_owned()));
    }
    // Twice, because the first of them must not be remembered.
    for _ in 0..2 {
        assert_eq!(ask("k3", &[], "A-1-3").await.problem(), (403, "PASS_REQUIRED".to_owned()));
    }
    assert_eq!(status_of(&rig, "A-1-3").await, "free");
}

#[tokio::test]
async fn what_was_answered_before_fewer_places_were_allowed_is_answered_again() {
    let (rig, fan) = open().await;
    let operator = rig.login("second", &[Role::Operator]).await;
    let ask = async |key: &str, wanted: &[&str]| {
        let key = [("idempotency-key", key)];
        rig.http.json("POST", RESERVE, &fan, &key, seats(wanted)).await
    };
    let held = ask("k1", &["A-1-1", "A-1-2"]).await;
    assert_eq!(held.status, 201, "{held:?}");
    let mut smaller = event("EVT100");
    smaller["requestPlacesMax"] = json!(1);
    let put = rig.http.json("PUT", "/api/admin/events/EVT100", &operator, &[], smaller).await;
    assert_eq!(put.status, 200, "{put:?}");
    let again = ask("k1", &["A-1-1", "A-1-2"]).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
    assert_eq!(again.json()["reservationId"], held.json()["reservationId"]);
    let fresh = ask("k2", &["A-1-3", "A-1-4"]).await;
    assert_eq!(fresh.problem(), (422, "REQUEST_INVALID".to_owned()));
    assert!(fresh.text.contains("for 1 to 1 places"), "{}", fresh.text);
    assert_eq!(status_of(&rig, "A-1-3").await, "free");
    assert_eq!(ask("k2", &["A-1-3"]).await.status, 201);
    let body = held.json();
    let id = body["reservationId"].as_str().unwrap();
    let path = format!("/api/bookings/reservations/{id}/swap");
    let swap = rig.http.post(&path, &fan, json!({"areas": [{"areaId": "FLOOR", "quantity": 2}]}));
    assert_eq!(swap.await.problem(), (422, "REQUEST_INVALID".to_owned()));
}

#[tokio::test]
async fn a_partner_allocates_in_a_stream_and_a_repeated_ref_gives_the_same_result() {
    let (rig, fan) = open().await;
    let partner = rig.login("partner", &[Role::Partner]).await;
    let bearer = format!("Bearer {partner}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/x-ndjson")];
    let lines = concat!(
        r#"{"ref":"1","op":"allocate","eventId":"EVT100","seats":["A-1-1","A-1-2"]}"#,
        "\n",
        r#"{"ref":"2","op":"allocate","eventId":"EVT100","section":"A","row":"1","from":2,"to":3}"#,
        "\n",
        "broken\n",
        r#"{"ref":"3","op":"allocate","eventId":"EVT404","seats":["A-1-1"]}"#,
        "\n",
        r#"{"ref":"1","op":"allocate","eventId":"EVT100","seats":["A-1-1","A-1-2"]}"#,
        "\n",
    );
    let answer = rig.http.send("POST", "/api/partners/allocations", &headers, lines).await;
    let results: Vec<Value> =
        answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let wanted = [
        json!({"ref": "1", "status": "ok", "seatIds": ["A-1-1", "A-1-2"]}),
        json!({"ref": "2", "status": "refused", "code": "SEAT_TAKEN", "seatIds": ["A-1-2"]}),
        json!({"ref": null, "status": "invalid", "code": "JSON_INVALID"}),
        json!({"ref": "3", "status": "invalid", "code": "EVENT_UNKNOWN"}),
        json!({"ref": "1", "status": "ok", "seatIds": ["A-1-1", "A-1-2"]}),
    ];
    assert_eq!(results, wanted, "{answer:?}");
    let own = rig.http.get("/api/partners/allotments?eventId=EVT100", &partner).await.json();
    assert_eq!(own["allotments"][0]["seatIds"], json!(["A-1-1", "A-1-2"]));
    assert_eq!(status_of(&rig, "A-1-1").await, "blocked");
    let atomic =
        rig.http.send("POST", "/api/partners/allocations?atomic=true", &headers, lines).await;
    assert_eq!(atomic.problem(), (422, "ATOMIC_REFUSED".to_owned()));
    let whole = r#"{"ref":"4","op":"allocate","eventId":"EVT100","seats":["A-2-1"]}"#;
    for replayed in ["", "true"] {
        let path = "/api/partners/allocations?atomic=true";
        let answer = rig.http.send("POST", path, &headers, whole).await;
        assert_eq!(answer.json(), json!({"ref": "4", "status": "ok", "seatIds": ["A-2-1"]}));
        assert_eq!(answer.header("idempotency-replayed"), replayed);
    }
    let taken = rig.http.post(RESERVE, &fan, seats(&["A-1-1"])).await;
    assert_eq!(taken.problem().1, "SEAT_TAKEN");
}

#[tokio::test]
async fn a_guarded_allocation_keeps_own_seats_and_takes_the_others() {
    let (rig, fan) = open().await;
    let partner = rig.login("partner", &[Role::Partner]).await;
    assert_eq!(rig.http.post(RESERVE, &fan, seats(&["A-2-1"])).await.status, 201);
    let bearer = format!("Bearer {partner}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/x-ndjson")];
    let line = |reference: &str, places: Value, statuses: Value| {
        let mut line = json!({"ref": reference, "op": "allocate", "eventId": "EVT100",
            "allowedPreviousStatuses": statuses});
        line.as_object_mut().unwrap().extend(places.as_object().unwrap().clone());
        line.to_string()
    };
    let both = json!(["FREE", "ALLOTTED"]);
    let named = |ids: &[&str]| json!({"seats": ids});
    let lines = [
        line("1", named(&["A-1-1"]), json!(["FREE"])),
        line("2", named(&["A-1-1", "A-1-2"]), json!(["FREE"])),
        line("3", named(&["A-1-1", "A-1-2"]), both.clone()),
        line("4", named(&["A-1-1", "A-1-2"]), both.clone()),
        line("5", named(&["A-1-3", "A-2-1"]), both.clone()),
        line("6", json!({"areaId": "FLOOR", "quantity": 1}), both.clone()),
        line("7", named(&["A-1-3"]), json!([])),
        line("3", named(&["A-1-1", "A-1-2"]), json!(["FREE"])),
    ];
    let path = "/api/partners/allocations";
    let answer = rig.http.send("POST", path, &headers, lines.join("\n")).await;
    let results: Vec<Value> =
        answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let invalid = |reference, code| json!({"ref": reference, "status": "invalid", "code": code});
    let wanted = [
        json!({"ref": "1", "status": "ok", "seatIds": ["A-1-1"]}),
        json!({"ref": "2", "status": "refused", "code": "SEAT_TAKEN", "seatIds": ["A-1-1"]}),
        json!({"ref": "3", "status": "ok", "seatIds": ["A-1-1", "A-1-2"]}),
        json!({"ref": "4", "status": "ok", "seatIds": ["A-1-1", "A-1-2"]}),
        json!({"ref": "5", "status": "refused", "code": "SEAT_TAKEN", "seatIds": ["A-2-1"]}),
        invalid("6", "REQUEST_INVALID"),
        invalid("7", "REQUEST_INVALID"),
        invalid("3", "IDEMPOTENCY_MISMATCH"),
    ];
    assert_eq!(results, wanted, "{answer:?}");
    let one = |reference, seat, statuses| line(reference, named(&[seat]), statuses);
    let atomic = async |lines: [String; 2]| {
        let path = "/api/partners/allocations?atomic=true";
        rig.http.send("POST", path, &headers, lines.join("\n")).await
    };
    let mixed = [one("8", "A-1-1", both.clone()), one("9", "A-1-3", json!(["FREE"]))];
    assert_eq!(atomic(mixed).await.problem(), (422, "ATOMIC_REFUSED".to_owned()));
    let same = [one("8", "A-1-1", both.clone()), one("9", "A-1-3", both)];
    assert_eq!(atomic(same).await.text.matches("\"ok\"").count(), 2);
    assert_eq!(status_of(&rig, "A-1-3").await, "blocked");
}
