//! A room that adapts, while payments take long.

use crate::client::Call;
use crate::fan::{Fan, best, text};
use crate::room::{Place, shown_to_operators};
use crate::system::System;
use crate::up::Up;
use futures_util::future::join_all;
use hyper::Method;
use serde_json::{Value, json};

/// The event with the room, and one without in which payments take long.
const ROOM: &str = "EVT001";
const SHOP: &str = "EVT002";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_orders_lower_the_pace_of_a_room_that_adapts_and_it_recovers() {
    let mut up = Up::prepare();
    // More than half of what a settlement can work on is too much.
    up.variables.push(("USHER__SETTLEMENT__ORDERS_MAX".to_owned(), "4".to_owned()));
    up.start_again().await;
    let client = up.reach().client;
    let operator = Fan::demo(&client, "operator").await;
    let path = format!("/api/admin/events/{ROOM}/admission");
    let change = json!({"adaptive": true, "admissionRatePerMinute": 300});
    let change = Call::new(Method::PATCH, &path).json(&change).header("if-match", "*");
    assert_eq!(operator.ask(change).await.expect(200)["adaptive"], true);
    join_all((0..500).map(|_| Place::join(&client, ROOM))).await;
    let before = shown_to_operators(&operator, ROOM, |room| room["limitedBy"] == "rate").await;
    assert_eq!(before["allowedPerMinute"], 300);

    let fan = Fan::new(&client, "slow").await;
    let mut reservations = Vec::new();
    for _ in 0..4 {
        let held = fan.reserve(&best(SHOP, 1)).await.expect(201);
        reservations.push(text(&held["reservationId"]));
    }
    let paying = join_all(reservations.iter().map(|held| fan.confirm(held, "tok_unknown")));
    let slowed = shown_to_operators(&operator, ROOM, |room| room["limitedBy"] == "settlement");
    let (paid, slowed) = tokio::join!(paying, slowed);
    assert!(paid.iter().all(|paid| paid.status == 200), "{paid:?}");
    let lowered = slowed["allowedPerMinute"].as_u64().unwrap();
    assert!((210..=215).contains(&lowered), "one decrease, and a look a second: {slowed}");
    let allowed = |room: &Value| room["allowedPerMinute"].as_u64().unwrap();
    let risen = shown_to_operators(&operator, ROOM, |room| lowered + 5 <= allowed(room)).await;
    assert!(allowed(&risen) < 300, "by small steps: {risen}");
}
