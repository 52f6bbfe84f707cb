//! A partner sells what is set aside for it: to the entrance, in its statement, and back.

use crate::auditor::{assert_clean, check_ledger, reconcile};
use crate::client::{Call, Client};
use crate::fan::{Fan, named, text};
use crate::process::Process;
use crate::seats::SeatMap;
use crate::system::System;
use crate::test_tickets::{results, scan};
use crate::up::{Reach, Up, temporary_folder};
use crate::wait::until;
use serde_json::{Value, json};

const EVENT: &str = "EVT002";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_sells_its_seats_owes_for_them_and_takes_some_back() {
    let up = Up::start().await;
    let reach = up.reach();
    let client = &reach.client;
    let partner = Fan::demo(client, "partner").await;
    let seats = SeatMap::of(client, EVENT).await.free_run(4);
    let allocated = send(&partner, &[operation("allocate", "a-1", &seats)]).await;
    assert_eq!(allocated[0]["status"], "ok", "{allocated:?}");
    let buyer = json!({"name": "Ana", "email": "ana@example.test"});
    let mut first = operation("sell", "s-1", &seats[..2]);
    first["buyer"] = buyer.clone();
    let second = operation("sell", "s-2", &seats[2..]);
    let sold = send(&partner, &[first, second.clone()]).await;
    for (line, seats) in sold.iter().zip([&seats[..2], &seats[2..]]) {
        assert_eq!((&line["status"], &line["seatIds"]), (&json!("ok"), &json!(seats)), "{line}");
    }
    assert_eq!(SeatMap::of(client, EVENT).await.status(&seats[0]), "sold");
    let [first, last] = [0, 1].map(|at: usize| text(&sold[at]["bookingId"]));
    let booking = partner.booking(&first).await;
    assert_eq!((&booking["status"], &booking["buyer"]), (&json!("CONFIRMED"), &buyer));
    let price = |booking: &Value| booking["total"]["amount"].as_i64().unwrap();
    let other = partner.booking(&last).await;
    assert_eq!(other["buyer"], Value::Null);
    assert_eq!(owed(&partner).await, -(price(&booking) + price(&other)));

    tickets_are_as_good_as_any(client, &partner, &booking).await;
    let spent = partner.cancel(&first).await;
    assert_eq!((spent.status, spent.code().as_str()), (409, "TICKET_USED"));

    let alone = text(&other["tickets"][0]["ticketId"]);
    partner.cancel_ticket(&last, &alone).await.expect(200);
    let left = price(&booking) + price(&other) / 2;
    assert_eq!(owed(&partner).await, -left, "one of two tickets of one price");
    let whole = partner.cancel(&last).await.expect(200);
    assert_eq!(whole["status"], "REFUNDED", "{whole}");
    assert_eq!(owed(&partner).await, -price(&booking));
    let again = send(&partner, std::slice::from_ref(&second)).await;
    assert_eq!(again[0], sold[1], "a repeated ref gives the same result");
    let fan = Fan::new(client, "partner-fan").await;
    assert_eq!(fan.buy(&named(EVENT, &seats[2..])).await.places, seats[2..]);
    what_can_be_asked_of_the_system_agrees(&reach, &seats[2]).await;
}

/// The first opens an entrance, the second is given away.
async fn tickets_are_as_good_as_any(client: &Client, partner: &Fan, booking: &Value) {
    let operator = Fan::demo(client, "operator").await;
    let tickets = booking["tickets"].as_array().unwrap();
    let code = text(&tickets[0]["code"]);
    let (_, answer) = scan(&operator, &[("p1", &code)]).await;
    assert_eq!(results(&answer), ["ADMITTED"], "{answer}");
    let friend = Fan::new(client, "partner-friend").await;
    let given = text(&tickets[1]["ticketId"]);
    let path = format!("/api/tickets/{given}/transfer");
    let to = json!({"toEmail": "partner-friend@example.test"});
    partner.ask(Call::post(&path, &to)).await.expect(200);
    let held = friend.get("/api/tickets").await;
    assert_eq!(held["tickets"][0]["ticketId"], given.as_str(), "{held}");
}

async fn what_can_be_asked_of_the_system_agrees(reach: &Reach, seat: &str) {
    until("the ledger and the provider's list to agree", async || {
        let (code, printed) = reconcile(&reach.variables).await;
        assert!(code < 2, "{printed}");
        (code == 0).then_some(())
    })
    .await;
    assert_clean(reach, &["--all"]).await;
    let (code, printed) = check_ledger(&reach.variables).await;
    assert_eq!(code, 0, "{printed}");
    let folder = temporary_folder();
    let data = folder.path().display().to_string();
    let arguments = ["explain", "seat", EVENT, seat, "--data", &data];
    let log = folder.path().join("explain.log");
    let (status, told, log) = Process::start(&arguments, &reach.variables, &log).ended().await;
    assert!(status.success(), "{told} {log}");
    let mut from = told.as_str();
    for part in ["allotted", "being sold by a partner", "sold", "it was refunded", "held until"] {
        let at = from.find(part).unwrap_or_else(|| panic!("{part:?} is not in its turn: {told}"));
        from = &from[at + part.len()..];
    }
}

pub fn operation(op: &str, reference: &str, seats: &[String]) -> Value {
    json!({"ref": reference, "op": op, "eventId": EVENT, "seats": seats})
}

pub fn allocations(lines: &[Value]) -> Call {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    let call = Call::new(hyper::Method::POST, "/api/partners/allocations");
    call.body("application/x-ndjson", lines.join("\n") + "\n")
}

pub async fn send(partner: &Fan, lines: &[Value]) -> Vec<Value> {
    let answer = partner.ask(allocations(lines)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What is owed to the partner for what it has sold, as its statement says; less than nothing is
/// owed by it.
async fn owed(partner: &Fan) -> i64 {
    let statement = partner.get("/api/partners/statements").await;
    let accounts = statement["accounts"].as_array().unwrap();
    let own = accounts.iter().find(|account| account["account"] == "partner_receivable");
    own.unwrap_or_else(|| panic!("{statement}"))["closing"]["amount"].as_i64().unwrap()
}
