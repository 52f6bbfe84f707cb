//! What became of a seat is told alike over HTTP and on the command line.

use crate::client::Call;
use crate::fan::{Fan, named, text};
use crate::journal::shard_of;
use crate::process::Process;
use crate::seats::SeatMap;
use crate::up::{Reach, temporary_folder};
use schema::history::SeatHistory;
use schema::{SeatIdx, codec};
use serde_json::{Value, json};

const EVENT: &str = "EVT002";

/// One fan lets a seat go, another one is declined, pays and cancels; a third one wants it twice.
pub async fn a_seat_is_explained(reach: &Reach) {
    let client = &reach.client;
    let map = SeatMap::of(client, EVENT).await;
    let seat = map.seats().last().expect("the theatre has seats").0.clone();
    let operator = Fan::demo(client, "operator").await;
    assert_eq!(turns(&history(&operator, &seat).await), [""; 0]);
    let (code, printed) = explain(reach, &[EVENT, &seat]).await;
    assert_eq!((code, printed), (0, format!("nobody ever had {seat} of {EVENT}")));

    let want = named(EVENT, std::slice::from_ref(&seat));
    let (first, second) = (Fan::new(client, "first").await, Fan::new(client, "second").await);
    let held = first.reserve(&want).await.expect(201);
    for _ in 0..2 {
        assert_eq!(second.reserve(&want).await.code(), "SEAT_TAKEN");
    }
    let path = format!("/api/bookings/reservations/{}", text(&held["reservationId"]));
    first.ask(Call::delete(&path)).await.expect(200);
    let held = second.reserve(&want).await.expect(201);
    let reservation = text(&held["reservationId"]);
    second.confirm(&reservation, "tok_declined").await.expect(402);
    let paid = second.confirm(&reservation, "tok_ok").await.expect(200);
    second.cancel(&text(&paid["bookingId"])).await.expect(200);

    let told = history(&operator, &seat).await;
    let expected = [
        "HELD",
        "REFUSED SEAT_TAKEN",
        "RELEASED BY_OWNER",
        "HELD",
        "PAYMENT_STARTED",
        "PAYMENT_DECLINED",
        "PAYMENT_STARTED",
        "SOLD",
        "RELEASED REFUNDED",
    ];
    assert_eq!(turns(&told), expected, "{told}");
    let turns = told["turns"].as_array().unwrap();
    assert_eq!(turns[1]["count"], 2);
    assert_eq!(turns[1]["refusedAccounts"], json!([second.account]), "once, though refused twice");
    let accounts = [&turns[0]["accountId"], &turns[3]["accountId"]];
    assert_eq!(accounts, [first.account.as_str(), second.account.as_str()]);
    assert_eq!(text(&turns[3]["reservationId"]), reservation);

    let (code, printed) = explain(reach, &[EVENT, &seat]).await;
    assert_eq!(code, 0);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{printed}");
    assert!(lines[1].contains(&second.account), "who was refused is told: {}", lines[1]);
    for (line, turn) in lines.iter().zip(turns) {
        assert!(line.starts_with(&text(&turn["at"])), "{line} is {turn}");
        assert!(line.contains(&text(&turn["reservationId"])), "{line} is {turn}");
    }
    the_rest_is_told_behind_a_bookmark(&operator, &map, &seat, &told).await;
    what_does_not_exist_is_not_explained(reach, &operator, &first).await;
}

/// A bookmark at the beginning has everything behind it, and is of no other seat.
async fn the_rest_is_told_behind_a_bookmark(
    operator: &Fan,
    map: &SeatMap,
    seat: &str,
    told: &Value,
) {
    assert_eq!(told.get("next"), None, "this journal is short");
    let at = map.seats().position(|(known, _)| known == seat).expect("the theatre has it");
    let (event, idx) = (EVENT.parse().unwrap(), SeatIdx(u32::try_from(at).unwrap()));
    let begun = SeatHistory::new(event, idx, shard_of(EVENT)).bookmark();
    let after = chassis::base64url::encode(&codec::encode_checked(&begun));
    let path = format!("/api/admin/events/{EVENT}/seats/{seat}/history?after={after}");
    let rest = operator.get(&path).await;
    assert_eq!(rest["turns"], told["turns"]);
    let other = &map.seats().next().expect("the theatre has seats").0;
    for (seat, after) in [(other.as_str(), after.as_str()), (seat, "AAAA")] {
        let path = format!("/api/admin/events/{EVENT}/seats/{seat}/history?after={after}");
        let answer = operator.ask(Call::get(&path)).await;
        assert_eq!((answer.status, answer.code()), (400, "AFTER_INVALID".to_owned()));
    }
}

async fn what_does_not_exist_is_not_explained(reach: &Reach, operator: &Fan, fan: &Fan) {
    let ask = async |who: &Fan, path: &str| {
        let answer = who.ask(Call::get(&format!("/api/admin/events/{path}/history"))).await;
        (answer.status, answer.code())
    };
    let seat = "EVT002/seats/Nowhere-1-1";
    assert_eq!(ask(operator, seat).await, (422, "SEAT_UNKNOWN".to_owned()));
    assert_eq!(ask(operator, "EVT/seats/A-1-1").await, (404, "EVENT_UNKNOWN".to_owned()));
    assert_eq!(ask(fan, seat).await, (403, "ROLE_REQUIRED".to_owned()));
    for unknown in [[EVENT, "Nowhere-1-1"], ["EVT", "A-1-1"]] {
        assert_eq!(explain(reach, &unknown).await, (1, String::new()));
    }
}

async fn history(operator: &Fan, seat: &str) -> Value {
    operator.get(&format!("/api/admin/events/{EVENT}/seats/{seat}/history")).await
}

/// What happened, with the reason where there is one.
fn turns(history: &Value) -> Vec<String> {
    let turn = |turn: &Value| match turn["why"].as_str() {
        Some(why) => format!("{} {why}", text(&turn["what"])),
        None => text(&turn["what"]),
    };
    history["turns"].as_array().unwrap().iter().map(turn).collect()
}

/// Runs `usher explain seat`; returns its exit code and what it printed.
async fn explain(reach: &Reach, asked: &[&str]) -> (i32, String) {
    let folder = temporary_folder();
    let data = folder.path().display().to_string();
    let arguments = [&["explain", "seat", "--data", &data], asked].concat();
    let log = folder.path().join("explain.log");
    let (status, printed, _) = Process::start(&arguments, &reach.variables, &log).ended().await;
    (status.code().expect("nobody killed it"), printed)
}
