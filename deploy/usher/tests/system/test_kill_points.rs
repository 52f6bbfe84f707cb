//! Gateways that die by SIGKILL at any call of the flow of money, and what becomes of the requests
//! that they die over: nothing is lost, and nothing is done twice.
//!
//! Each death has a gateway of its own. Who asked it hears nothing, and asks the same under the
//! same key at a gateway that lives.

use crate::auditor::{assert_clean, assert_sold, check_ledger, postgres};
use crate::client::{Answer, Call};
use crate::fan::{Booking, Fan, best, cancel, cancel_ticket, confirm, fresh_key, reserve, text};
use crate::names::assert_all_are_known;
use crate::promises::assert_repeats;
use crate::seats::SeatMap;
use crate::split::Split;
use crate::system::System;
use crate::test_partners::{allocations, operation, send};
use crate::test_tickets::{check_in, results, transfer};
use crate::up::Reach;
use chassis::Death;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::slice;

const EVENT: &str = "EVT002";

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
const SOLD_BY_PARTNER: &str = "see a partner's sale";
const GIVEN: [&str; 3] = ["take a key", "look up an address", "ask settlement"];
const NOT_GIVEN: &str = "forget a key";
const SCANNED: &str = "ask settlement";

/// Calls at which no gateway is killed, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("list bookings", "reads"),
    ("list tickets", "reads"),
    ("read a ticket", "reads"),
    ("forget old keys", "of a day ago, which nobody asks for"),
    ("begin an effect", "of accounts and endpoints: no money"),
    ("commit an answer with its effect", "of accounts and endpoints: no money"),
    ("add an account", "of accounts: no money"),
    ("grant roles", "of accounts: no money"),
    ("read an account", "reads"),
    ("open a login", "of accounts: no money"),
    ("renew a login", "of accounts: no money"),
    ("end a login", "of accounts: no money"),
    ("add an API key", "of accounts: no money"),
    ("look up an API key", "reads"),
    ("begin a crowd", "of accounts, for measurements"),
    ("add a crowd", "of accounts, for measurements"),
    ("take a crowd back", "of accounts, for measurements"),
    ("commit a crowd", "of accounts, for measurements"),
    ("add an endpoint", "of endpoints: no money"),
    ("list endpoints", "reads"),
    ("change an endpoint", "of endpoints: no money"),
    ("give an endpoint a secret", "of endpoints: no money"),
    ("delete an endpoint", "of endpoints: no money"),
    ("look for an endpoint", "reads"),
    ("list messages", "reads"),
    ("replay messages", "of endpoints: no money"),
    ("note a deed", "comes before the deed, by an operator"),
    ("list deeds", "reads, for an operator"),
];

#[test]
fn a_gateway_is_killed_at_every_call_of_the_flow_of_money() {
    let alone = [PAID_BEFORE, UNANSWERED, SOLD_BY_PARTNER, NOT_GIVEN, SCANNED];
    let killed: [&[&str]; 5] = [&HELD, &PAID, &PAID_BACK, &GIVEN, &alone];
    let sources = ["ingress/src", "deploy/chassis/src/lane.rs"];
    assert_all_are_known(&sources, &killed, ELSEWHERE);
}

/// The call, under a key that nobody used before.
fn keyed(call: Call) -> Call {
    call.header("idempotency-key", &fresh_key())
}

/// Asks a gateway of one's own, which dies over it.
async fn is_cut_off(split: &mut Split, death: Death, who: &Fan, call: &Call) {
    let client = split.open_doomed_gateway(death).await;
    hears_nothing(split, death, &Fan { client, ..who.clone() }, call).await;
}

async fn hears_nothing(split: &mut Split, death: Death, who: &Fan, call: &Call) {
    let heard = who.send(call.clone()).await;
    // What a lane has sent may be answered before the lane hears that it was taken.
    assert!(heard.is_err() || death.what == "publish on a lane", "{}: {heard:?}", death.name());
    split.dies(&death.name()).await;
}

/// What is heard by who asks again under the same keys, and again once more.
///
/// All ask at once: a key that a gateway had taken when it died is free in half a minute.
async fn repeated(who: &Fan, calls: &[Call]) -> Vec<Answer> {
    let asked = calls.iter().map(|call| async move {
        let answer = who.ask_until_final(call.clone()).await;
        let again = who.ask_until_final(call.clone()).await;
        if answer.status == 200 {
            assert_repeats(&again, &answer);
        }
        answer
    });
    join_all(asked).await
}

/// Everything that says who has which seat agrees, and so do the books.
async fn assert_agrees(reach: &Reach) {
    assert_clean(reach, &["--all"]).await;
    let (code, printed) = check_ledger(&reach.variables).await;
    assert_eq!(code, 0, "{printed}");
}

async fn count(reach: &Reach, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(&postgres(reach).await).await.unwrap()
}

async fn sold_seats(reach: &Reach) -> usize {
    SeatMap::of(&reach.client, EVENT).await.count("sold")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_is_held_and_paid_once_whatever_a_gateway_dies_over() {
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
    let charged = "SELECT count(*) FROM sandbox.payment";
    assert_eq!(count(&reach, charged).await, i64::try_from(bookings.len()).unwrap());
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
    let deaths = Death::all(&[SOLD_BY_PARTNER]);
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
