//! Money that comes after its order was given up buys the same seats, others like them, or nothing.

use crate::auditor::postgres;
use crate::client::Call;
use crate::fan::{Booking, Fan, named, text};
use crate::process::Process;
use crate::seats::SeatMap;
use crate::up::{Reach, temporary_folder};
use crate::wait::until;
use schema::{AccountId, HoldId, OrderId};
use serde_json::Value;
use sqlx::types::Uuid;

const EVENT: &str = "EVT002";

pub async fn late_money_buys_seats_or_goes_back(reach: &Reach) {
    let map = SeatMap::of(&reach.client, EVENT).await;
    let row = map.rows.iter().find(|row| row.iter().all(|(_, status)| status == "free"));
    let row: Vec<String> = row.expect("a free row").iter().map(|(seat, _)| seat.clone()).collect();
    let wanted = &row[2..4];
    let numbers: Vec<i32> = wanted
        .iter()
        .map(|seat| map.seats().position(|(other, _)| other == seat).expect("it is in the map"))
        .map(|number| i32::try_from(number).unwrap())
        .collect();

    let mut outcomes = Vec::new();
    for name in ["late", "later", "latest"] {
        let fan = Fan::new(&reach.client, name).await;
        let free = if outcomes.is_empty() { wanted } else { &row[6..8] };
        let held = fan.reserve(&named(EVENT, free)).await.expect(201);
        let reservation = text(&held["reservationId"]);
        let path = format!("/api/bookings/reservations/{reservation}");
        fan.ask(Call::delete(&path)).await.expect(200);
        if name == "latest" {
            // Who has bought others meanwhile wants no more.
            fan.buy(&named(EVENT, &row[8..9])).await;
        }
        plant(reach, &fan, &held, &numbers).await;
        let booking = reservation.replacen("r-", "b-", 1);
        let shown = decided(reach, &fan, &booking).await;
        outcomes.push(text(&shown["latePayment"]["outcome"]));
        match name {
            "late" => {
                let bought = bought(&fan, &shown).await;
                assert_eq!(bought.places, wanted);
                let told = explain(reach, &wanted[0]).await;
                let says = format!("set aside for late money of {reservation}, ");
                assert!(told.contains(&says), "{told}");
            }
            "later" => {
                let bought = bought(&fan, &shown).await;
                assert!(bought.places.iter().all(|place| !wanted.contains(place)), "{bought:?}");
                let all = map.rows.iter().find(|row| row.iter().any(|s| s.0 == bought.places[0]));
                let at = all.unwrap().iter().position(|(seat, _)| *seat == bought.places[0]);
                assert_eq!(all.unwrap()[at.unwrap() + 1].0, bought.places[1], "side by side");
            }
            _ => {
                assert_eq!(shown["status"], "REFUNDED", "{shown}");
                assert_eq!(shown["latePayment"]["reason"], "LIMIT_EXCEEDED", "{shown}");
            }
        }
    }
    assert_eq!(outcomes, ["SAME_SEATS", "EQUAL_SEATS", "REFUNDED"]);
}

/// The booking that late money has bought, which its own and the one that was given up name.
async fn bought(fan: &Fan, given_up: &Value) -> Booking {
    assert_eq!(given_up["status"], "CANCELLED", "{given_up}");
    let id = text(&given_up["latePayment"]["bookingId"]);
    let shown = until("the booking to be confirmed", async || {
        let shown = fan.booking(&id).await;
        (shown["status"] == "CONFIRMED").then_some(shown)
    })
    .await;
    assert_eq!(shown["insteadOf"], given_up["bookingId"], "{shown}");
    Booking::read(&shown)
}

/// An order for these seats, as it is after its payment was waited for in vain, and the money that
/// has come for it since.
async fn plant(reach: &Reach, fan: &Fan, reserved: &Value, seats: &[i32]) {
    let hold: HoldId = text(&reserved["reservationId"]).parse().unwrap();
    let account: AccountId = fan.account.parse().unwrap();
    let total = reserved["total"]["amount"].as_i64().unwrap();
    let price = reserved["seats"][0]["price"]["amount"].as_i64().unwrap();
    let level = i32::try_from(reserved["seats"][0]["priceLevel"].as_i64().unwrap()).unwrap();
    assert_eq!(reserved["total"]["currency"], "EUR");
    let order = OrderId::from(hold);
    let payment = format!("pay_{order}/1/{total}EUR/tok_ok");
    let pool = postgres(reach).await;
    let query = "INSERT INTO orders (order_id, event_id, account_id, state, attempt, method, \
         token, amount, currency, line_seat, line_area, line_level, line_price, payment_deadline, \
         created_at, updated_at, todo, lease_until) \
         VALUES ($1, $2, $3, 'cancelled', 1, 'CREDIT_CARD', 'tok_ok', $4, 'EUR', $5, \
         array_fill(-1, ARRAY[2]), array_fill($6::INT, ARRAY[2]), \
         array_fill($7::BIGINT, ARRAY[2]), 1, 1, 1, false, 0)";
    let query = sqlx::query(query).bind(Uuid::from_u128(hold.0)).bind(EVENT);
    let query = query.bind(Uuid::from_u128(account.0)).bind(total).bind(seats).bind(level);
    query.bind(price).execute(&pool).await.unwrap();
    let query = "INSERT INTO sandbox.payment (payment_id, order_ref, amount, currency, state, \
         outcome, delay_ms, silent, verb, created_at, updated_at) \
         VALUES ($1, $2, $3, 'EUR', 'captured', 'authorised', 0, false, 'capture', 1, 1)";
    let query = sqlx::query(query).bind(&payment).bind(order.to_string()).bind(total);
    query.execute(&pool).await.unwrap();
    let query = "INSERT INTO payment_attempt VALUES ($1, 1, 'sandbox', $2, $3, 'EUR', 1)";
    let query = sqlx::query(query).bind(Uuid::from_u128(hold.0)).bind(&payment).bind(total);
    query.execute(&pool).await.unwrap();
}

/// The booking when its late money has come to rest.
async fn decided(reach: &Reach, fan: &Fan, booking: &str) -> Value {
    until("late money to come to rest", async || {
        run(reach, &["reconcile", "--once"], &[]).await;
        let shown = fan.booking(booking).await;
        let outcome = shown["latePayment"]["outcome"].as_str().unwrap_or("PENDING");
        (outcome != "PENDING").then_some(shown)
    })
    .await
}

async fn explain(reach: &Reach, seat: &str) -> String {
    run(reach, &["explain", "seat"], &[EVENT, seat]).await
}

/// Runs a command of `usher` beside the running system; returns what it printed.
async fn run(reach: &Reach, command: &[&str], asked: &[&str]) -> String {
    let folder = temporary_folder();
    let data = folder.path().display().to_string();
    let arguments = [command, &["--data", &data], asked].concat();
    let log = folder.path().join("command.log");
    Process::start(&arguments, &reach.variables, &log).ended().await.1
}
