//! A booking whose payment is open: found at once, waited for, and never called expired once money
//! was taken for it.

use ingress::Role;
use schema::limits::DECLINES_PROLONGED_MAX;
use schema::{
    AccountId, Command, CommandBody, CommandId, HoldId, OrderId, SYSTEM_ACCOUNT, Shards, TicketId,
    UnixMillis, Verdict, VerdictKind, codec, subject,
};
use serde_json::{Value, json};
use std::pin::pin;
use std::time::Duration;
use uuid::Uuid;

use crate::client::Answer;
use crate::owner;
use crate::rig::Rig;
use crate::store::{connections, signal};

/// A fan whose payment is open, as 202 says, and of which no order is stored yet.
async fn paying() -> (Rig, String, HoldId) {
    let rig = Rig::with(|config| config.confirm_wait_ms = 100).await;
    owner::start(rig.nats.clone());
    let operator = rig.login("operator", &[Role::Operator]).await;
    rig.event(&operator, "EVT100").await;
    let fan = rig.login("fan", &[Role::Fan]).await;
    let want = json!({"eventId": "EVT100", "seats": [{"seatId": "A-1-1"}]});
    let made = rig.http.post("/api/bookings/reserve", &fan, want).await.json();
    let hold: HoldId = made["reservationId"].as_str().unwrap().parse().unwrap();
    let answer = confirm(&rig, &fan, hold).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let body = answer.json();
    let order = OrderId::from(hold).to_string();
    assert_eq!((&body["status"], &body["pollAfterMs"]), (&json!("PENDING"), &json!(2_000)));
    assert_eq!(body["bookingId"], json!(order));
    (rig, fan, hold)
}

async fn confirm(rig: &Rig, fan: &str, hold: HoldId) -> Answer {
    let body = json!({"reservationId": hold.to_string(), "paymentMethod": "CREDIT_CARD"});
    rig.http.post("/api/bookings/confirm", fan, body).await
}

async fn show(rig: &Rig, fan: &str, hold: HoldId, query: &str) -> Answer {
    let order = OrderId::from(hold);
    rig.http.get(&format!("/api/bookings/{order}{query}"), fan).await
}

async fn account(rig: &Rig, token: &str) -> AccountId {
    let me = rig.http.get("/api/auth/me", token).await.json();
    me["accountId"].as_str().unwrap().parse().unwrap()
}

/// Tells the owner what came of a payment.
async fn tell(rig: &Rig, verdict: Verdict) {
    let command = Command {
        id: CommandId(Uuid::now_v7().as_u128()),
        fingerprint: 1,
        event: "EVT100".parse().unwrap(),
        account: SYSTEM_ACCOUNT,
        deadline: UnixMillis(u64::MAX / 2),
        reply_to: "nobody".into(),
        trace: None,
        body: CommandBody::RecordVerdict(verdict),
    };
    let shard = Shards::default().of(&command.event);
    let bytes = codec::encode(&command);
    rig.nats.jetstream.publish(subject::commands(shard), bytes.into()).await.unwrap();
}

/// Brings the stored booking to this state, with no tickets but those of a paid one.
async fn store(rig: &Rig, fan: &str, hold: HoldId, state: &str) {
    let made = rig.booked(account(rig, fan).await, 0, state).await;
    for query in [
        "UPDATE orders SET order_id = $2 WHERE order_id = $1",
        "UPDATE ticket SET order_id = $2 WHERE order_id = $1",
    ] {
        let query = sqlx::query(query).bind(Uuid::from_u128(made.0));
        query.bind(Uuid::from_u128(hold.0)).execute(&rig.postgres).await.unwrap();
    }
    if state != "paid" {
        run(rig, "DELETE FROM ticket").await;
        run(rig, "UPDATE orders SET sold_at = NULL, captured_at = NULL").await;
    }
}

async fn run(rig: &Rig, query: &'static str) {
    sqlx::query(query).execute(&rig.postgres).await.unwrap();
}

#[tokio::test]
async fn a_pending_booking_is_found_before_it_is_stored_and_while_the_store_is_silent() {
    let (rig, fan, hold) = paying().await;
    let other = rig.login("other", &[Role::Fan]).await;
    let found = show(&rig, &fan, hold, "").await;
    assert_eq!(found.status, 200, "{found:?}");
    let body = found.json();
    assert_eq!((&body["status"], &body["pollAfterMs"]), (&json!("PENDING"), &json!(2_000)));
    assert_eq!((&body["tickets"], &body["declined"]), (&json!([]), &json!(false)));
    assert_eq!(body["total"], json!({"amount": 4_000, "currency": "EUR"}));
    let foreign = show(&rig, &other, hold, "").await;
    assert_eq!(foreign.problem(), (404, "BOOKING_UNKNOWN".to_owned()));
    let serving = connections(&rig).await;
    signal("STOP", &serving);
    let silent = show(&rig, &fan, hold, "").await;
    signal("CONT", &serving);
    assert_eq!((silent.status, &silent.json()["status"]), (200, &json!("PENDING")), "{silent:?}");
    let unpaid = rig
        .http
        .post(
            "/api/bookings/reserve",
            &fan,
            json!({"eventId": "EVT100", "seats": [{"seatId": "A-1-2"}]}),
        )
        .await
        .json();
    let unpaid: HoldId = unpaid["reservationId"].as_str().unwrap().parse().unwrap();
    let none = show(&rig, &fan, unpaid, "").await;
    assert_eq!(none.problem(), (404, "BOOKING_UNKNOWN".to_owned()), "nobody has paid");
}

#[tokio::test]
async fn a_look_waits_for_the_end_of_a_payment_and_no_longer_than_it_is_asked_to() {
    let (rig, fan, hold) = paying().await;
    let early = show(&rig, &fan, hold, "?waitMs=50").await.json();
    assert_eq!(early["status"], "PENDING");
    let long = show(&rig, &fan, hold, "?waitMs=25001").await;
    assert_eq!(long.problem(), (422, "REQUEST_INVALID".to_owned()));
    let mut waiting = pin!(show(&rig, &fan, hold, "?waitMs=25000"));
    tokio::select! {
        answer = &mut waiting => panic!("it has not ended: {answer:?}"),
        () = tokio::time::sleep(Duration::from_millis(300)) => {}
    }
    store(&rig, &fan, hold, "paid").await;
    tell(&rig, Verdict { hold, attempt: 1, kind: VerdictKind::Sold }).await;
    let waited = waiting.await;
    assert_eq!(waited.status, 200, "{waited:?}");
    let body = waited.json();
    assert_eq!((&body["status"], &body["pollAfterMs"]), (&json!("CONFIRMED"), &Value::Null));
    assert_eq!(body["tickets"].as_array().unwrap().len(), 1);
    // What has ended is not waited for.
    let known = show(&rig, &fan, hold, "?waitMs=25000").await.json();
    assert_eq!(known, body);
}

#[tokio::test]
async fn what_ended_without_a_sale_says_whether_money_was_taken_and_confirm_never_denies_it() {
    let (rig, fan, hold) = paying().await;
    store(&rig, &fan, hold, "paying").await;
    run(&rig, "UPDATE orders SET state = 'review_needed', reason = 'x', todo = true").await;
    let status = async |hold| show(&rig, &fan, hold, "").await.json()["status"].clone();
    assert_eq!(status(hold).await, "PENDING", "its money is looked after");
    assert_eq!(confirm(&rig, &fan, hold).await.status, 202);
    run(&rig, "UPDATE orders SET todo = false").await;
    assert_eq!(status(hold).await, "CANCELLED", "nothing was taken");
    tell(&rig, Verdict { hold, attempt: 1, kind: VerdictKind::Cancelled }).await;
    let ended = format!("/api/bookings/reservations/{hold}");
    while rig.http.get(&ended, &fan).await.json()["status"] != "RELEASED" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let denied = confirm(&rig, &fan, hold).await;
    assert_eq!(denied.problem(), (410, "RESERVATION_EXPIRED".to_owned()));
    run(&rig, "UPDATE orders SET captured_at = 1").await;
    assert_eq!(status(hold).await, "REFUNDED");
    let told = confirm(&rig, &fan, hold).await;
    assert_eq!((told.status, &told.json()["status"]), (200, &json!("REFUNDED")));

    // Money that came when the order was given up, and its hold forgotten.
    let hold = HoldId::from(rig.booked(account(&rig, &fan).await, 1, "cancelled").await);
    run(&rig, "DELETE FROM ticket").await;
    run(&rig, "UPDATE orders SET sold_at = NULL, captured_at = NULL").await;
    assert_eq!(status(hold).await, "CANCELLED");
    let denied = confirm(&rig, &fan, hold).await;
    assert_eq!(denied.problem(), (404, "RESERVATION_UNKNOWN".to_owned()));
    let found = "INSERT INTO found_money (provider, provider_id, order_id, amount, currency, why,
            taken, found_at)
        SELECT 'sandbox', 'p', order_id, amount, currency, 'late', true, 1 FROM orders
        WHERE state = 'cancelled'";
    run(&rig, found).await;
    assert_eq!(status(hold).await, "PENDING", "it is on its way back");
    let told = confirm(&rig, &fan, hold).await;
    assert_eq!((told.status, &told.json()["status"]), (202, &json!("PENDING")));
    run(&rig, "UPDATE found_money SET outcome = 'refunded', settled_at = 2").await;
    assert_eq!(status(hold).await, "REFUNDED");
    let told = confirm(&rig, &fan, hold).await;
    assert_eq!((told.status, &told.json()["status"]), (200, &json!("REFUNDED")));
}

#[tokio::test]
async fn who_is_declined_hears_whether_the_reservation_takes_another_card() {
    let rig = Rig::start().await;
    owner::start(rig.nats.clone());
    let operator = rig.login("operator", &[Role::Operator]).await;
    rig.event(&operator, "EVT100").await;
    let fan = rig.login("fan", &[Role::Fan]).await;
    let last = DECLINES_PROLONGED_MAX + 1;
    let (lives, ends) = ("lives on until its deadline", "takes no other card");
    for (seat, attempt, is_left, words) in
        [("A-1-1", last - 1, true, lives), ("A-1-2", last, false, ends)]
    {
        let want = json!({"eventId": "EVT100", "seats": [{"seatId": seat}]});
        let made = rig.http.post("/api/bookings/reserve", &fan, want).await.json();
        let hold: HoldId = made["reservationId"].as_str().unwrap().parse().unwrap();
        let path = format!("/api/bookings/reservations/{hold}");
        let declined = async {
            while rig.http.get(&path, &fan).await.json()["status"] != "PAYING" {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            tell(&rig, Verdict { hold, attempt, kind: VerdictKind::Declined }).await;
        };
        let (answer, ()) = tokio::join!(confirm(&rig, &fan, hold), declined);
        assert_eq!(answer.problem(), (402, "PAYMENT_DECLINED".to_owned()), "{answer:?}");
        let body = answer.json();
        assert_eq!(body["retryable"], is_left, "{body}");
        assert!(body["detail"].as_str().unwrap().contains(words), "{body}");
    }
}

#[tokio::test]
async fn who_confirms_what_was_given_up_hears_of_the_booking_that_its_late_money_has_bought() {
    let rig = Rig::start().await;
    let fan = rig.login("fan", &[Role::Fan]).await;
    let account = account(&rig, &fan).await;
    let hold = HoldId::from(rig.booked(account, 1, "cancelled").await);
    run(&rig, "DELETE FROM ticket").await;
    run(&rig, "UPDATE orders SET sold_at = NULL, captured_at = NULL").await;
    let bought = rig.booked(account, 2, "paid").await;
    let found = "INSERT INTO found_money (provider, provider_id, order_id, amount, currency, why,
            taken, found_at, outcome, settled_at)
        SELECT 'sandbox', 'p', order_id, amount, currency, 'late', true, 1, 'reseated', 2
        FROM orders WHERE state = 'cancelled'";
    run(&rig, found).await;
    let reseat = "INSERT INTO reseat (order_id, provider, provider_id, hold_id, command_id,
            asked_at, send_at, rung, answered_at)
        SELECT gone.order_id, 'sandbox', 'p', paid.order_id, gen_random_uuid(), 1, 1, 'same_seats',
            2 FROM orders gone, orders paid WHERE gone.state = 'cancelled' AND paid.state = 'paid'";
    run(&rig, reseat).await;
    let told = confirm(&rig, &fan, hold).await;
    assert_eq!((told.status, &told.json()["status"]), (200, &json!("CANCELLED")), "{told:?}");
    assert_eq!(told.json()["latePayment"]["bookingId"], json!(bought.to_string()), "{told:?}");
    assert_eq!(told.json(), show(&rig, &fan, hold, "").await.json());
}

#[tokio::test]
async fn a_booking_on_its_way_back_shows_no_code_that_opens_no_door() {
    let rig = Rig::start().await;
    let fan = rig.login("fan", &[Role::Fan]).await;
    let order = rig.booked(account(&rig, &fan).await, 2, "paid").await;
    run(&rig, "UPDATE orders SET state = 'refunding', todo = true").await;
    let booking = rig.http.get(&format!("/api/bookings/{order}"), &fan).await.json();
    assert_eq!(booking["status"], "CONFIRMED", "until the money is back");
    for ticket in booking["tickets"].as_array().unwrap() {
        assert_eq!((&ticket["status"], &ticket["code"]), (&json!("REFUNDING"), &Value::Null));
    }
}

#[tokio::test]
async fn a_ticket_on_its_way_back_alone_shows_no_code_and_then_what_it_has_cost() {
    let rig = Rig::start().await;
    let fan = rig.login("fan", &[Role::Fan]).await;
    let order = rig.booked(account(&rig, &fan).await, 1, "paid").await;
    let shown = async || {
        let booking = rig.http.get(&format!("/api/bookings/{order}"), &fan).await.json();
        let ticket = &booking["tickets"][0];
        let status = ticket["status"].as_str().unwrap().to_owned();
        (status, ticket["code"].is_null(), booking["refunded"]["amount"].as_i64())
    };
    assert_eq!(shown().await, ("VALID".to_owned(), false, None));
    run(&rig, "UPDATE ticket SET state = 'refunding'").await;
    assert_eq!(shown().await, ("REFUNDING".to_owned(), true, None));
    run(&rig, "UPDATE ticket SET state = 'void', voided_at = 2").await;
    assert_eq!(shown().await, ("VOID".to_owned(), true, Some(4_000)));
    let ticket = rig.http.get("/api/tickets", &fan).await.json()["tickets"][0].clone();
    assert_eq!((&ticket["status"], &ticket["code"]), (&json!("VOID"), &Value::Null));
    let path = format!("/api/bookings/{order}/tickets");
    for (path, code) in [
        (format!("{path}/nonsense/cancel"), "TICKET_UNKNOWN"),
        (format!("{path}/{}/cancel", TicketId { order: OrderId(7), line: 0 }), "TICKET_UNKNOWN"),
        (path.replace(&order.to_string(), "nonsense") + "/t/cancel", "BOOKING_UNKNOWN"),
    ] {
        let answer = rig.http.post(&path, &fan, json!({})).await;
        assert_eq!(answer.problem(), (404, code.to_owned()), "{path}");
    }
}
