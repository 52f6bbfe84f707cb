//! Gateways that die by SIGKILL at any call of the flow of money, and what becomes of the requests
//! that they die over: nothing is lost, and nothing is done twice.
//!
//! Each death has a gateway of its own. Who asked it hears nothing, and asks the same under the
//! same key at a gateway that lives.

use crate::auditor::{assert_clean, assert_sold, check_ledger};
use crate::client::Call;
use crate::doomed::{count, hears_nothing, is_cut_off, keyed, repeated};
use crate::fan::{
    Booking, Fan, best, cancel, cancel_ticket, confirm, fresh_key, release, reserve, text,
};
use crate::names::assert_all_are_known;
use crate::promises::assert_repeats;
use crate::seats::SeatMap;
use crate::split::Split;
use crate::system::System;
use crate::test_kill_effects::{ADDED, API_KEY_ADDED, SECRET_GIVEN};
use crate::test_partners::{allocations, operation, send};
use crate::test_tickets::{check_in, results, transfer};
use crate::up::Reach;
use chassis::Death;
use serde_json::{Value, json};
use std::slice;

const EVENT: &str = "EVT002";

/// Of a hold, and of its release.
const HELD: [&str; 3] = ["send a command", "publish on a lane", "hear an owner"];
const PAID: [&str; 6] = [
    "ask where a journal ends",
    "send a command",
    "publish on a lane",
    "hear an owner",
    "see a verdict",
    "read bookings",
];
const PAID_BEFORE: &str = "see an earlier payment";
const PAID_BACK: [&str; 5] =
    ["take a key", "ask settlement", "see a refund", "read bookings", "keep an answer"];
const UNANSWERED: &str = "leave a key";
const SOLD_BY_PARTNER: [&str; 4] =
    ["send a command", "publish on a lane", "hear an owner", "see a partner's sale"];
const GIVEN: [&str; 3] = ["take a key", "look up an address", "ask settlement"];
const NOT_GIVEN: &str = "forget a key";
const SCANNED: &str = "ask settlement";

/// Calls at which no gateway is killed, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("list bookings", "reads"),
    ("list tickets", "reads"),
    ("read a ticket", "reads"),
    ("forget old keys", "of a day ago; what is left is for the next time"),
    ("add an account", "is committed with its answer, as an endpoint is"),
    ("grant roles", "of `usher account`; done again it changes nothing"),
    ("read an account", "reads"),
    ("open a login", "a fan who hears nothing logs in again"),
    ("renew a login", "its answer lost, the old token ends the login, and the fan logs in again"),
    ("end a login", "done again it changes nothing"),
    ("look up an API key", "reads"),
    ("begin a crowd", "of accounts, for measurements"),
    ("add a crowd", "of accounts, for measurements"),
    ("take a crowd back", "of accounts, for measurements"),
    ("commit a crowd", "of accounts, for measurements"),
    ("list endpoints", "reads"),
    ("change an endpoint", "done again it changes nothing"),
    ("delete an endpoint", "done again it finds none: 404"),
    ("look for an endpoint", "reads"),
    ("list messages", "reads"),
    ("replay messages", "is committed with its answer, as an endpoint is"),
    ("note a deed", "comes before the deed, once for each attempt"),
    ("list deeds", "reads, for an operator"),
];

#[test]
fn a_gateway_is_killed_at_every_call_of_the_flow_of_money() {
    let alone = [PAID_BEFORE, UNANSWERED, NOT_GIVEN, SCANNED, SECRET_GIVEN, API_KEY_ADDED];
    let killed: [&[&str]; 7] = [&HELD, &PAID, &PAID_BACK, &SOLD_BY_PARTNER, &GIVEN, &ADDED, &alone];
    let sources = ["ingress/src", "deploy/chassis/src/lane.rs"];
    assert_all_are_known(&sources, &killed, ELSEWHERE);
}

/// Everything that says who has which seat agrees, and so do the books.
async fn assert_agrees(reach: &Reach) {
    assert_clean(reach, &["--all"]).await;
    let (code, printed) = check_ledger(&reach.variables).await;
    assert_eq!(code, 0, "{printed}");
}

async fn sold_seats(reach: &Reach) -> usize {
    SeatMap::of(&reach.client, EVENT).await.count("sold")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_is_held_paid_and_given_up_once_whatever_a_gateway_dies_over() {
    let mut split = Split::start().await;
    let reach = split.reach();
    let fan = Fan::new(&reach.client, "holder").await;
    let mut held = hold_while_killed(&mut split, &fan).await;
    let map = SeatMap::of(&reach.client, EVENT).await;
    assert_eq!(map.count("held"), held.len(), "a hold for each key");
    let deaths = Death::all(&PAID);
    while held.len() < deaths.len() {
        let more = fan.reserve(&best(EVENT, 1)).await.expect(201);
        held.push(text(&more["reservationId"]));
    }
    let mut bookings = Vec::new();
    for (reservation, death) in held.iter().zip(deaths) {
        let call = keyed(confirm(reservation, "tok_ok"));
        is_cut_off(&mut split, death, &fan, &call).await;
        let paid = Booking::read(&fan.ask_until_final(call).await.expect(200));
        assert_eq!(paid.reservation, *reservation);
        bookings.push(paid);
    }
    for (booking, death) in bookings.iter().zip(Death::all(&[PAID_BEFORE])) {
        let call = keyed(confirm(&booking.reservation, "tok_ok"));
        is_cut_off(&mut split, death, &fan, &call).await;
        let again = fan.ask_until_final(call).await.expect(200);
        assert_eq!(Booking::read(&again), *booking, "it was paid before");
    }
    release_while_killed(&mut split, &fan).await;
    let booked = i64::try_from(bookings.len()).unwrap();
    assert_eq!(count(&reach, "SELECT count(*) FROM sandbox.payment").await, booked);
    assert_eq!(count(&reach, "SELECT count(*) FROM orders").await, booked, "of no other hold");
    // The journal is read there: a hold that ends twice fails it.
    assert_sold(&reach, EVENT, &bookings).await;
    assert_agrees(&reach).await;
}

/// Holds seats, and returns the reservations.
async fn hold_while_killed(split: &mut Split, fan: &Fan) -> Vec<String> {
    let mut held = Vec::new();
    for death in Death::all(&HELD) {
        let call = reserve(&best(EVENT, 1), &fresh_key());
        is_cut_off(split, death, fan, &call).await;
        let answer = fan.ask(call.clone()).await;
        assert_repeats(&fan.ask(call).await, &answer);
        held.push(text(&answer.expect(201)["reservationId"]));
    }
    held
}

/// Holds seats, and gives them up.
async fn release_while_killed(split: &mut Split, fan: &Fan) {
    for death in Death::all(&HELD) {
        let held = fan.reserve(&best(EVENT, 1)).await.expect(201);
        let reservation = text(&held["reservationId"]);
        let seat = text(&held["seats"][0]["seatId"]);
        let call = keyed(release(&reservation));
        is_cut_off(split, death, fan, &call).await;
        for answer in repeated(fan, slice::from_ref(&call)).await {
            assert_eq!(answer.expect(200)["status"], "RELEASED", "{}", death.name());
        }
        assert_eq!(fan.reservation_status(&reservation).await, "RELEASED");
        assert_eq!(SeatMap::of(&fan.client, EVENT).await.status(&seat), "free");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_is_paid_back_and_a_partner_sells_once_whatever_a_gateway_dies_over() {
    let mut split = Split::start().await;
    let reach = split.reach();
    let fan = Fan::new(&reach.client, "canceller").await;
    let mut calls = Vec::new();
    for death in Death::all(&PAID_BACK) {
        let booking = fan.buy(&best(EVENT, 1)).await;
        let call = keyed(cancel(&booking.id));
        is_cut_off(&mut split, death, &fan, &call).await;
        calls.push(call);
    }
    calls.extend(cancel_while_nobody_settles(&mut split, &fan).await);
    let sold = sell_for_partner_while_killed(&mut split, &reach).await;
    for answer in repeated(&fan, &calls).await {
        let shown = answer.expect(200);
        assert_eq!((&shown["status"], &shown["refunded"]), (&json!("REFUNDED"), &shown["total"]));
    }
    assert_eq!(sold_seats(&reach).await, sold);
    let back = "SELECT count(*) FROM sandbox.payment WHERE state = 'refunded' AND back = amount";
    assert_eq!(count(&reach, back).await, i64::try_from(calls.len()).unwrap());
    assert_agrees(&reach).await;
}

/// Gateways that hear of no settlement leave the keys to whoever comes next, and die over that.
async fn cancel_while_nobody_settles(split: &mut Split, fan: &Fan) -> Vec<Call> {
    let mut doomed = Vec::new();
    for death in Death::all(&[UNANSWERED]) {
        let booking = fan.buy(&best(EVENT, 1)).await;
        let client = split.open_doomed_gateway(death).await;
        doomed.push((death, Fan { client, ..fan.clone() }, keyed(cancel(&booking.id))));
    }
    split.stage("settlement").kill();
    let mut calls = Vec::new();
    for (death, who, call) in doomed {
        hears_nothing(split, death, &who, &call).await;
        calls.push(call);
    }
    split.start_alone("settlement").await;
    calls
}

/// Returns how many seats a partner has sold, one by one.
async fn sell_for_partner_while_killed(split: &mut Split, reach: &Reach) -> usize {
    let partner = Fan::demo(&reach.client, "partner").await;
    let deaths = Death::all(&SOLD_BY_PARTNER);
    let count = deaths.len();
    for (number, death) in deaths.into_iter().enumerate() {
        let seat = SeatMap::of(&reach.client, EVENT).await.free_run(1);
        let set_aside = operation("allocate", &format!("a-{number}"), &seat);
        let set_aside = send(&partner, &[set_aside]).await;
        assert_eq!(set_aside[0]["status"], "ok", "{set_aside:?}");
        let sale = operation("sell", &format!("s-{number}"), &seat);
        let sale = slice::from_ref(&sale);
        is_cut_off(split, death, &partner, &allocations(sale)).await;
        let sold = send(&partner, sale).await;
        assert_eq!(sold[0]["status"], "ok", "{sold:?}");
        assert_eq!(send(&partner, sale).await, sold, "a repeated ref gives the same result");
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_goes_back_goes_on_and_lets_in_once_whatever_a_gateway_dies_over() {
    let mut split = Split::start().await;
    let reach = split.reach();
    let fan = Fan::new(&reach.client, "giver").await;
    let friend = Fan::new(&reach.client, "taker").await;
    let (mut parts, mut given, mut not_given) = (Vec::new(), Vec::new(), Vec::new());
    for death in Death::all(&PAID_BACK) {
        let booking = fan.buy(&best(EVENT, 2)).await;
        let call = keyed(cancel_ticket(&booking.id, &booking.tickets[1]));
        is_cut_off(&mut split, death, &fan, &call).await;
        parts.push(call);
    }
    for (table, email, calls) in [
        (&GIVEN[..], "taker@example.test", &mut given),
        (&[NOT_GIVEN][..], "nobody@example.test", &mut not_given),
    ] {
        for death in Death::all(table) {
            let booking = fan.buy(&best(EVENT, 1)).await;
            let call = keyed(transfer(&booking.tickets[0], email));
            is_cut_off(&mut split, death, &fan, &call).await;
            calls.push(call);
        }
    }
    let scanned = let_in_while_killed(&mut split, &reach, &fan).await;
    for answer in repeated(&fan, &parts).await {
        assert_part_is_back(&answer.expect(200));
    }
    for answer in repeated(&fan, &given).await {
        assert_eq!(answer.expect(200)["status"], "TRANSFERRED");
    }
    for answer in repeated(&fan, &not_given).await {
        assert_eq!((answer.status, answer.code().as_str()), (422, "RECIPIENT_UNKNOWN"));
    }
    let held = friend.get("/api/tickets").await["tickets"].as_array().unwrap().len();
    assert_eq!(held, given.len());
    let [parts, given] = [parts.len(), given.len()].map(|count| i64::try_from(count).unwrap());
    let moves = "SELECT count(*) FROM ticket_transfer";
    assert_eq!(count(&reach, moves).await, given);
    let half =
        "SELECT count(*) FROM sandbox.payment WHERE state = 'captured' AND amount = 2 * back";
    assert_eq!(count(&reach, half).await, parts);
    let booked = "SELECT count(*) FROM orders WHERE state = 'paid'";
    let booked = usize::try_from(count(&reach, booked).await).unwrap();
    assert_eq!(sold_seats(&reach).await, booked, "a seat for each booking is left");
    assert_eq!(count(&reach, "SELECT count(*) FROM checkin").await, scanned);
    assert_agrees(&reach).await;
}

/// One ticket of two has gone back.
fn assert_part_is_back(shown: &Value) {
    let [stays, gone] = shown["tickets"].as_array().unwrap().as_slice() else { panic!("{shown}") };
    let statuses = [&shown["status"], &stays["status"], &gone["status"]];
    assert_eq!(statuses, ["CONFIRMED", "VALID", "VOID"], "{shown}");
    assert_eq!(shown["refunded"], gone["price"], "{shown}");
}

/// Scans tickets at an entrance, and returns how many of them were let in.
async fn let_in_while_killed(split: &mut Split, reach: &Reach, fan: &Fan) -> i64 {
    let operator = Fan::demo(&reach.client, "operator").await;
    let mut scanned = 0;
    for death in Death::all(&[SCANNED]) {
        scanned += 1;
        let booking = fan.buy(&best(EVENT, 1)).await;
        let code = text(&fan.booking(&booking.id).await["tickets"][0]["code"]);
        let scan = |id: String| check_in(EVENT, &[(id.as_str(), code.as_str())]);
        let first = scan(format!("first {scanned}"));
        is_cut_off(split, death, &operator, &first).await;
        for _ in 0..2 {
            let found = operator.ask(first.clone()).await.expect(200);
            assert_eq!(results(&found), ["ADMITTED"], "the same scan, heard again");
        }
        let found = operator.ask(scan(format!("second {scanned}"))).await.expect(200);
        assert_eq!(results(&found), ["DUPLICATE"], "{found}");
    }
    scanned
}
