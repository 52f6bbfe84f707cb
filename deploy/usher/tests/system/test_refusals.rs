//! What must be refused is refused with its code, and changes nothing.

use crate::auditor::assert_clean;
use crate::client::{Answer, Call, Client};
use crate::fan::{Fan, best, confirm, fresh_key, named, reserve, standing, text};
use crate::room::Place;
use crate::seats::SeatMap;
use crate::system::System;
use crate::up::{Reach, Up};
use chassis::base64url;
use chassis::keys::{Ed25519Key, KeyFolder};
use hyper::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

const RESERVE: &str = "/api/bookings/reserve";

/// What may be the answer to a call.
struct Case {
    what: &'static str,
    call: Call,
    status: u16,
    code: &'static str,
}

fn case(what: &'static str, call: Call, status: u16, code: &'static str) -> Case {
    Case { what, call, status, code }
}

/// Asks, and reports what is not as it should be.
async fn faults(client: &Client, cases: Vec<Case>) -> Vec<String> {
    let mut faults = Vec::new();
    for Case { what, call, status, code } in cases {
        let answer = client.ask_patiently(call).await;
        let right = answer.status == status && (code.is_empty() || answer.code() == code);
        if !right {
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            faults.push(format!("{what}: {status} {code} expected, got {} {body}", answer.status));
        } else if let Some(fault) = problem_fault(&answer) {
            faults.push(format!("{what}: {fault}"));
        }
    }
    faults
}

/// Every error is a problem document (RFC 9457) with a code and a word on retries.
fn problem_fault(answer: &Answer) -> Option<String> {
    let kind = answer.header("content-type");
    if !kind.starts_with("application/problem+json") {
        return Some(format!("content type {kind:?}"));
    }
    let body = answer.json();
    let complete = body["type"].is_string()
        && body["title"].is_string()
        && body["status"] == answer.status
        && body["code"].is_string()
        && body["detail"].is_string()
        && body["retryable"].is_boolean();
    (!complete).then(|| format!("incomplete problem {body}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_be_refused_is_refused_and_changes_nothing() {
    let up = Up::start().await;
    Box::pin(every_wrong_request_is_refused(&up.reach())).await;
}

/// Asks for everything that nobody may have.
pub async fn every_wrong_request_is_refused(reach: &Reach) {
    let client = &reach.client;
    let fan = Fan::new(client, "hostile").await;
    let other = Fan::new(client, "victim").await;
    let held = other.reserve(&best("EVT002", 2)).await.expect(201);
    let reservation = text(&held["reservationId"]);
    let before = everything(client).await;
    let mut found = faults(client, malformed(&fan)).await;
    found.extend(faults(client, impossible(&fan)).await);
    found.extend(faults(client, not_yours(&fan, &reservation)).await);
    found.extend(faults(client, passes(reach, &fan, &other).await).await);
    found.extend(faults(client, rooms()).await);
    found.extend(giants(&fan));
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(everything(client).await, before, "a refused request changed something");
    assert_eq!(other.reservation_status(&reservation).await, "HELD");
    assert_clean(reach, &["--all"]).await;
}

async fn everything(client: &Client) -> Vec<SeatMap> {
    let mut seen = Vec::new();
    for event in ["EVT001", "EVT002", "EVT003"] {
        seen.push(SeatMap::of(client, event).await.without_version());
    }
    seen
}

fn malformed(fan: &Fan) -> Vec<Case> {
    let post = |kind: &str, body: &str| {
        fan.signed(Call::new(Method::POST, RESERVE).body(kind, body.to_owned()))
    };
    let json_post = |body: &Value| fan.signed(reserve(body, &fresh_key()));
    let deep = "[".repeat(60_000);
    vec![
        case("no JSON", post("application/json", "{"), 400, ""),
        case("no UTF-8 text", fan.signed(binary()), 400, ""),
        case("deeply nested", post("application/json", &deep), 400, ""),
        case("an empty body", post("application/json", ""), 400, ""),
        case("another media type", post("text/plain", "{}"), 415, ""),
        case("no media type", fan.signed(Call::new(Method::POST, RESERVE)), 415, ""),
        case("a number for a text", json_post(&json!({"eventId": 7})), 422, "REQUEST_INVALID"),
        case("a list", json_post(&json!([])), 422, "REQUEST_INVALID"),
        case(
            "an object for a list",
            json_post(&json!({"eventId": "EVT002", "seats": {}})),
            422,
            "",
        ),
        case(
            "a negative number",
            json_post(&json!({"eventId": "EVT002", "bestAvailable": {"quantity": -1}})),
            422,
            "REQUEST_INVALID",
        ),
        case(
            "a key that is too long",
            fan.signed(reserve(&best("EVT002", 1), &"k".repeat(4_000))),
            400,
            "IDEMPOTENCY_KEY_INVALID",
        ),
        case("an unknown path", Call::get("/api/nothing"), 404, ""),
        case("an unknown path below a known one", Call::get("/api/events/EVT002/x/y"), 404, ""),
        case("a wrong method", Call::delete("/api/events"), 405, ""),
        case("another wrong method", Call::get(RESERVE), 405, ""),
    ]
}

/// Bodies that are refused before they have arrived.
fn giants(fan: &Fan) -> Vec<String> {
    let seats: Vec<String> = (0..10_000).map(|number| format!("FRONT-A-{number}")).collect();
    let seats = named("EVT002", &seats).to_string();
    let text = format!("{{\"eventId\":\"{}\"}}", "x".repeat(8 * 1024 * 1024));
    let mut found = Vec::new();
    for (what, body) in [("10,000 seats", seats), ("a giant body", text)] {
        let answer = fan.client.send_all_then_read(&fan.token, RESERVE, body.as_bytes());
        if !answer.starts_with("HTTP/1.1 413 ") || !answer.contains("\"BODY_TOO_LARGE\"") {
            found.push(format!("{what}: 413 BODY_TOO_LARGE expected, got {answer}"));
        }
    }
    found
}

fn binary() -> Call {
    Call::new(Method::POST, RESERVE).body("application/json", vec![0x7B, 0xFF, 0xFE, 0x7D])
}

fn impossible(fan: &Fan) -> Vec<Case> {
    let post = |body: &Value| fan.signed(reserve(body, &fresh_key()));
    let seat = |count: usize| vec!["FRONT-A-1".to_owned(); count];
    let many: Vec<String> = (0..1_500).map(|number| format!("FRONT-A-{number}")).collect();
    let nothing = json!({"eventId": "EVT002", "seats": []});
    let both = json!({"eventId": "EVT002", "bestAvailable": {"quantity": 1},
        "seats": [{"seatId": "FRONT-A-1"}]});
    let invalid = "REQUEST_INVALID";
    vec![
        case("1,500 seats", post(&named("EVT002", &many)), 422, invalid),
        case("eleven seats", post(&named("EVT002", &many[..11])), 422, invalid),
        case("an unknown seat", post(&named("EVT002", &["X-1-1".to_owned()])), 422, "SEAT_UNKNOWN"),
        case(
            "no seat's name",
            post(&named("EVT002", &["' OR 1=1".to_owned()])),
            422,
            "SEAT_UNKNOWN",
        ),
        case("a seat twice", post(&named("EVT002", &seat(2))), 422, ""),
        case("no seat", post(&nothing), 422, invalid),
        case("nothing at all", post(&json!({"eventId": "EVT002"})), 422, invalid),
        case("two wishes", post(&both), 422, invalid),
        case("zero of the best", post(&best("EVT002", 0)), 422, invalid),
        case("eleven of the best", post(&best("EVT002", 11)), 422, invalid),
        case("zero standing places", post(&standing("EVT003", "GA", 0)), 422, invalid),
        case("too many standing places", post(&standing("EVT003", "GA", 4_000_000)), 422, invalid),
        case("an unknown area", post(&standing("EVT003", "XX", 1)), 422, "SEAT_UNKNOWN"),
        case("an unknown event", post(&best("EVT999", 1)), 404, "EVENT_UNKNOWN"),
        case("no event's name", post(&best("../../etc", 1)), 404, "EVENT_UNKNOWN"),
        case("a sale that has not begun", post(&best("EVT004", 1)), 403, "PASS_REQUIRED"),
        case("seats of no event", Call::get("/api/events/EVT999/seats"), 404, "EVENT_UNKNOWN"),
        case("a page of no size", Call::get("/api/events?page=x"), 400, ""),
    ]
}

fn not_yours(fan: &Fan, theirs: &str) -> Vec<Case> {
    let reservation = format!("/api/bookings/reservations/{theirs}");
    let booking = theirs.replacen("r-", "b-", 1);
    let admission = "/api/admin/events/EVT001/admission";
    let patch = || Call::new(Method::PATCH, admission).json(&json!({"mode": "off"}));
    let unknown = "RESERVATION_UNKNOWN";
    let partner = Call::new(Method::POST, "/api/partners/allocations");
    let partner = || partner.clone().body("application/x-ndjson", "{}\n".to_owned());
    let event = || Call::post("/api/admin/events", &json!({}));
    let forged = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhLTAifQ.";
    let alone = || reserve(&best("EVT002", 1), &fresh_key());
    vec![
        case("reserve without a login", alone(), 401, "LOGIN_REQUIRED"),
        case("a token of algorithm none", alone().header("authorization", forged), 401, ""),
        case("bookings without a login", Call::get("/api/bookings"), 401, "LOGIN_REQUIRED"),
        case("confirm without a login", confirm(theirs, "tok_ok"), 401, "LOGIN_REQUIRED"),
        case("another's reservation", fan.signed(Call::get(&reservation)), 404, unknown),
        case("releasing another's", fan.signed(Call::delete(&reservation)), 404, unknown),
        case("paying for another", fan.signed(confirm(theirs, "tok_ok")), 404, unknown),
        case("no reservation's id", fan.signed(confirm("r-1", "tok_ok")), 404, ""),
        case(
            "another's booking",
            fan.signed(Call::get(&format!("/api/bookings/{booking}"))),
            404,
            "BOOKING_UNKNOWN",
        ),
        case(
            "cancelling what is not a booking",
            fan.signed(Call::post(&format!("/api/bookings/{booking}/cancel"), &json!({}))),
            404,
            "BOOKING_UNKNOWN",
        ),
        case("admission without a login", patch(), 401, "LOGIN_REQUIRED"),
        case("admission by a fan", fan.signed(patch()), 403, ""),
        case("a partner's route by nobody", partner(), 401, "LOGIN_REQUIRED"),
        case("a partner's route by a fan", fan.signed(partner()), 403, ""),
        case("an operator's route by a fan", fan.signed(event()), 403, ""),
        case("an operator's log by a fan", fan.signed(Call::get("/api/admin/audit")), 403, ""),
    ]
}

fn rooms() -> Vec<Case> {
    let me = |token: &str| Call::get("/api/queue/EVT001/me").header("waiting-room-token", token);
    vec![
        case("a room of no event", Call::get("/api/queue/EVT999/status"), 404, ""),
        case("no token", Call::get("/api/queue/EVT001/me"), 401, ""),
        case("no token's text", me("forged"), 401, ""),
    ]
}

async fn passes(reach: &Reach, fan: &Fan, other: &Fan) -> Vec<Case> {
    let (_, genuine) = Place::pass(&fan.client, "EVT001").await;
    let claims = claims_of(&genuine);
    let real = KeyFolder::open(&reach.keys).unwrap().ed25519("pass").unwrap();
    let folder = TempDir::new().unwrap();
    let forger = KeyFolder::open(folder.path()).unwrap().ed25519("pass").unwrap();
    let with = |pass: &str| {
        fan.signed(reserve(&best("EVT001", 1), &fresh_key())).header("admission-pass", pass)
    };
    let mut later = claims.clone();
    later["exp"] = json!(later["exp"].as_u64().unwrap() + 3_600);
    later["pass_until"] = json!(later["pass_until"].as_u64().unwrap() + 3_600_000);
    let mut ended = claims.clone();
    ended["exp"] = json!(1_700_000_000_u64);
    ended["pass_until"] = json!(1_700_000_000_000_u64);
    let mut elsewhere = claims.clone();
    elsewhere["event"] = json!("EVT004");
    let mut theirs = claims.clone();
    theirs["sub"] = json!(other.account);
    let resealed = |claims: &Value| {
        let (rest, signature) = genuine.rsplit_once('.').unwrap();
        let (header, _) = rest.split_once('.').unwrap();
        format!("{header}.{}.{signature}", base64url::encode(claims.to_string().as_bytes()))
    };
    let none = format!("{}.", sign(&real, &claims, "none").rsplit_once('.').unwrap().0);
    let invalid = "PASS_INVALID";
    let in_path = |event: &str, pass: &str| {
        fan.signed(reserve(&best(event, 1), &fresh_key())).header("admission-pass", pass)
    };
    vec![
        case(
            "no pass",
            fan.signed(reserve(&best("EVT001", 1), &fresh_key())),
            403,
            "PASS_REQUIRED",
        ),
        case("no pass's text", with("forged"), 403, invalid),
        case("an empty pass", with(""), 403, ""),
        case("another's signature", with(&sign_as(&forger, &real.kid, &claims)), 403, invalid),
        case("an unknown key", with(&sign(&forger, &claims, "EdDSA")), 403, invalid),
        case("no algorithm", with(&none), 403, invalid),
        case("a later deadline", with(&resealed(&later)), 403, invalid),
        case("the fan's own token", with(&fan.token), 403, invalid),
        case(
            "a deadline that has passed",
            with(&sign(&real, &ended, "EdDSA")),
            403,
            "PASS_EXPIRED",
        ),
        case(
            "a pass for another event",
            with(&sign(&real, &elsewhere, "EdDSA")),
            403,
            "PASS_FOREIGN",
        ),
        case("the pass at another event", in_path("EVT004", &genuine), 403, "PASS_FOREIGN"),
        case("another's pass", with(&sign(&real, &theirs, "EdDSA")), 403, "PASS_FOREIGN"),
    ]
}

fn claims_of(pass: &str) -> Value {
    let claims = pass.split('.').nth(1).expect("a pass has three parts");
    serde_json::from_slice(&base64url::decode(claims).unwrap()).unwrap()
}

fn sign(key: &Ed25519Key, claims: &Value, algorithm: &str) -> String {
    seal(key, &json!({"typ": "JWT", "alg": algorithm, "kid": key.kid}), claims)
}

/// Signs with one key under the name of another.
fn sign_as(key: &Ed25519Key, kid: &str, claims: &Value) -> String {
    seal(key, &json!({"typ": "JWT", "alg": "EdDSA", "kid": kid}), claims)
}

fn seal(key: &Ed25519Key, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = base64url::encode(&key.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}
