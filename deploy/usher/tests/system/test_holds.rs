//! What may be done with places besides buying them: more time for a reservation, and places that
//! are not for sale.

use crate::client::{Call, Client};
use crate::fan::{Fan, fresh_key, named, text};
use crate::seats::SeatMap;
use serde_json::{Value, json};
use std::time::Duration;

const EVENT: &str = "EVT002";

/// A reservation lives longer when its owner asks, and nobody else does that.
pub async fn a_reservation_is_extended(client: &Client) {
    let seat = SeatMap::of(client, EVENT).await.free_run(1);
    let (fan, other) = (Fan::new(client, "patient").await, Fan::new(client, "hasty").await);
    let held = fan.reserve(&named(EVENT, &seat)).await.expect(201);
    let reservation = text(&held["reservationId"]);
    let path = format!("/api/bookings/reservations/{reservation}/extend");
    let key = fresh_key();
    let extend = || Call::post(&path, &json!({})).header("idempotency-key", &key);
    // Longer than what is told of the deadline may be off.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let longer = fan.ask(extend()).await.expect(200);
    assert!(text(&held["expiresAt"]) < text(&longer["expiresAt"]), "{held} {longer}");
    assert_eq!(longer["seats"], held["seats"]);
    let again = fan.ask(extend()).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.expect(200)["reservationId"], held["reservationId"]);
    let refused = async |who: &Fan| {
        let answer = who.ask(Call::post(&path, &json!({}))).await;
        (answer.status, answer.code())
    };
    assert_eq!(refused(&other).await, (404, "RESERVATION_UNKNOWN".to_owned()));
    fan.confirm(&reservation, "tok_ok").await.expect(200);
    assert_eq!(refused(&fan).await, (409, "ALREADY_CONFIRMED".to_owned()));
}

/// A reservation takes other seats and keeps its id; a refusal costs it none. What is paid for in
/// the end are the seats that it has then.
pub async fn a_reservation_swaps_its_seats(client: &Client) {
    let seats = SeatMap::of(client, EVENT).await.free_run(4);
    let (fan, other) = (Fan::new(client, "choosy").await, Fan::new(client, "beside").await);
    let held = fan.reserve(&named(EVENT, &seats[..2])).await.expect(201);
    let reservation = text(&held["reservationId"]);
    let path = format!("/api/bookings/reservations/{reservation}/swap");
    let want = |seats: &[String]| json!({"seats": named(EVENT, seats)["seats"]});
    other.reserve(&named(EVENT, &seats[3..])).await.expect(201);
    let refused = fan.ask(Call::post(&path, &want(&seats[1..]))).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "SEAT_TAKEN"));
    let declined = fan.confirm(&reservation, "tok_declined").await;
    assert_eq!(declined.code(), "PAYMENT_DECLINED");
    let before = fan.get(&format!("/api/bookings/reservations/{reservation}")).await;
    assert_eq!(before["seats"], held["seats"]);
    let swapped = fan.ask(Call::post(&path, &want(&seats[1..3]))).await.expect(200);
    assert_eq!(swapped["reservationId"], held["reservationId"]);
    assert_eq!(SeatMap::of(client, EVENT).await.status(&seats[0]), "free");
    let booking = fan.confirm(&reservation, "tok_ok").await.expect(200);
    let places =
        booking["tickets"].as_array().unwrap().iter().map(|ticket| text(&ticket["seatId"]));
    assert_eq!(places.collect::<Vec<_>>(), seats[1..3]);
    assert_eq!(booking["total"], swapped["total"]);
    assert_eq!(other.reserve(&named(EVENT, &seats[..1])).await.status, 201);
}

/// Operators take places out of the sale and put them back; their seats say so, with a reason.
pub async fn operators_kill_places(client: &Client) {
    let operator = Fan::demo(client, "operator").await;
    let seats = SeatMap::of(client, EVENT).await.free_run(2);
    let path = format!("/api/admin/events/{EVENT}/kills");
    let kill = json!({"reason": "CAMERA", "seats": seats});
    let killed = operator.ask(Call::post(&path, &kill)).await.expect(201);
    assert_eq!((&killed["reason"], &killed["seatIds"]), (&json!("CAMERA"), &json!(seats)));
    assert_eq!(SeatMap::of(client, EVENT).await.status(&seats[0]), "blocked");
    let fan = Fan::new(client, "before-the-camera").await;
    assert_eq!(fan.reserve(&named(EVENT, &seats)).await.code(), "SEAT_TAKEN");
    let refused = operator.ask(Call::post(&path, &kill)).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "SEAT_TAKEN"));
    assert_eq!(operator.get(&path).await["kills"], json!([killed]));
    let mut guarded = kill.clone();
    guarded["allowedPreviousStatuses"] = json!(["FREE", "KILLED"]);
    let unchanged = operator.ask(Call::post(&path, &guarded)).await.expect(200);
    assert_eq!(unchanged["status"], "UNCHANGED");
    assert_eq!(operator.get(&path).await["kills"], json!([killed]));
    let history = format!("/api/admin/events/{EVENT}/seats/{}/history", seats[0]);
    let turns = operator.get(&history).await["turns"].clone();
    let held = turns.as_array().unwrap().iter().find(|turn| turn["by"] == "kill").unwrap();
    assert_eq!(held["why"], "CAMERA", "{turns}");
    what_is_no_kill_is_refused(client, &operator, &path).await;

    let lift = format!("{path}/{}", text(&killed["killId"]));
    for _ in 0..2 {
        let lifted = operator.ask(Call::delete(&lift)).await.expect(200);
        assert_eq!(lifted["status"], "RELEASED");
    }
    assert_eq!(operator.get(&path).await["kills"], json!([]));
    assert_eq!(fan.buy(&named(EVENT, &seats)).await.places, seats);
}

async fn what_is_no_kill_is_refused(client: &Client, operator: &Fan, path: &str) {
    let fan = Fan::new(client, "no-operator").await;
    let ask = async |who: &Fan, body: Value| {
        let answer = who.ask(Call::post(path, &body)).await;
        (answer.status, answer.code())
    };
    let refused = |status, code: &str| (status, code.to_owned());
    let seat = json!({"reason": "HOUSE", "seats": ["Nowhere-1-1"]});
    assert_eq!(ask(&fan, seat.clone()).await, refused(403, "ROLE_REQUIRED"));
    assert_eq!(ask(operator, seat).await, refused(422, "SEAT_UNKNOWN"));
    let nothing = json!({"reason": "HOUSE"});
    assert_eq!(ask(operator, nothing).await, refused(422, "REQUEST_INVALID"));
    let whim = json!({"reason": "WHIM", "section": "Nowhere"});
    assert_eq!(ask(operator, whim).await, refused(422, "REQUEST_INVALID"));
    let unknown = operator.ask(Call::delete(&format!("{path}/r-{:032x}", 7))).await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "KILL_UNKNOWN"));
}
