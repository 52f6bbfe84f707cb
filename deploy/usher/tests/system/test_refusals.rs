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
use std::collections::BTreeSet;
use tempfile::TempDir;

const RESERVE: &str = "/api/bookings/reserve";

/// What may be the answer to a call.
struct Case {
    what: &'static str,
    call: Call,
    status: u16,
    code: &'static str,
    /// A part of the detail, where one code has several causes.
    detail: &'static str,
}

fn case(what: &'static str, call: Call, status: u16, code: &'static str) -> Case {
    Case { what, call, status, code, detail: "" }
}

impl Case {
    fn because(self, detail: &'static str) -> Self {
        Self { detail, ..self }
    }
}

/// Asks, and reports what is not as it should be.
async fn faults(client: &Client, cases: Vec<Case>) -> Vec<String> {
    let mut faults = Vec::new();
    for Case { what, call, status, code, detail } in cases {
        assert!(!code.is_empty(), "{what}: which code?");
        let answer = client.ask_patiently(call).await;
        let right = answer.status == status && answer.code() == code;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        if !right || !body.contains(detail) {
            let wanted = format!("{status} {code} {detail:?}");
            faults.push(format!("{what}: {wanted} expected, got {} {body}", answer.status));
        } else if let Some(fault) = problem_fault(&answer) {
            faults.push(format!("{what}: {fault}"));
        }
    }
    faults
}

/// Asks the router for the methods of every described path: a 405 names them in `Allow`.
async fn undescribed(client: &Client) -> Vec<String> {
    let document = client.get("/openapi.json").await;
    let paths = document["paths"].as_object().expect("a map of paths");
    assert!(paths.contains_key("/api/queue/{eventId}/join"), "the waiting room is described too");
    let mut found = Vec::new();
    for (path, item) in paths {
        let known = ["get", "put", "post", "delete", "patch"];
        let described = known.into_iter().filter(|method| item.get(method).is_some());
        let described: BTreeSet<String> = described.map(str::to_uppercase).collect();
        let concrete = path.replace("{eventId}", "EVT002").replace(['{', '}'], "");
        let nonsense = Method::from_bytes(b"USHER").expect("any token is a method");
        let answer = client.ask_patiently(Call::new(nonsense, &concrete)).await;
        let allowed = answer.header("allow").split(',').map(str::trim).filter(|one| *one != "HEAD");
        let allowed: BTreeSet<String> = allowed.map(str::to_owned).collect();
        if answer.status != 405 || allowed != described {
            found.push(format!("{path}: {described:?} are described, {answer:?}"));
        }
    }
    found
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
    let undescribed = undescribed(&up.reach().client).await;
    assert!(undescribed.is_empty(), "{}", undescribed.join("\n"));
}

/// Asks for everything that nobody may have.
pub async fn every_wrong_request_is_refused(reach: &Reach) {
    let client = &reach.client;
    let fan = Fan::new(client, "hostile").await;
    let other = Fan::new(client, "victim").await;
    let held = other.reserve(&best("EVT002", 2)).await.expect(201);
    let reservation = text(&held["reservationId"]);
    let before = everything(client).await;
    let (arena, theatre) = (names(&before[0]), names(&before[1]));
    let mut found = faults(client, malformed(&fan)).await;
    found.extend(faults(client, wrong_types(&fan, &theatre[0])).await);
    found.extend(faults(client, impossible(&fan, &arena, &theatre)).await);
    found.extend(faults(client, not_yours(&fan, &reservation)).await);
    found.extend(faults(client, passes(reach, &fan, &other).await).await);
    found.extend(faults(client, rooms()).await);
    found.extend(giants(&fan, &arena));
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

/// The seats of an event, in the order of its plan.
fn names(map: &SeatMap) -> Vec<String> {
    map.seats().map(|(seat, _)| seat.clone()).collect()
}

fn malformed(fan: &Fan) -> Vec<Case> {
    let post = |kind: &str, body: &str| {
        fan.signed(Call::new(Method::POST, RESERVE).body(kind, body.to_owned()))
    };
    let json = |body: &str| post("application/json", body);
    let deep = "[".repeat(60_000);
    let (unreadable, media) = ("JSON_INVALID", "MEDIA_TYPE_UNSUPPORTED");
    let bare = fan.signed(Call::new(Method::POST, RESERVE));
    let long_key = fan.signed(reserve(&best("EVT002", 1), &"k".repeat(4_000)));
    let (nowhere, elsewhere) = ("/api/nothing", "/api/events/EVT002/x/y");
    vec![
        case("no JSON", json("{"), 400, unreadable),
        case("no UTF-8 text", fan.signed(binary()), 400, unreadable),
        case("deeply nested", json(&deep), 400, unreadable),
        case("an empty body", json(""), 400, unreadable),
        case("another media type", post("text/plain", "{}"), 415, media),
        case("no media type", bare, 415, media),
        case("a key that is too long", long_key, 400, "IDEMPOTENCY_KEY_INVALID"),
        case("an unknown path", Call::get(nowhere), 404, "NOT_FOUND"),
        case("an unknown path below a known one", Call::get(elsewhere), 404, "NOT_FOUND"),
        case("a wrong method", Call::delete("/api/events"), 405, "METHOD_NOT_ALLOWED"),
        case("another wrong method", Call::get(RESERVE), 405, "METHOD_NOT_ALLOWED"),
    ]
}

/// JSON that says something else than what the route takes. Each would be a good request if lists
/// were read as objects, numbers as text, or one of two fields of a name were ignored.
fn wrong_types(fan: &Fan, seat: &str) -> Vec<Case> {
    let text = |path: &str, body: &str| {
        fan.signed(Call::new(Method::POST, path).body("application/json", body.to_owned()))
    };
    let post = |body: &Value| fan.signed(reserve(body, &fresh_key()));
    let of_event = |name: &str, value: Value| post(&json!({"eventId": "EVT002", name: value}));
    let whole = json!(["EVT002", null, {"quantity": 1}, null]);
    let account = r#"["list@usher.test", "correct horse", "List"]"#;
    let payment = r#"["r-00000000000000000000000000000000", "CREDIT_CARD", null]"#;
    let twice = r#"{"eventId": "EVT002", "bestAvailable": {"quantity": 1, "quantity": 1}}"#;
    let invalid = |what, call| case(what, call, 422, "REQUEST_INVALID");
    vec![
        invalid("a number for a text", post(&json!({"eventId": 7}))),
        invalid("a list", post(&json!([]))),
        invalid("a list of all fields", post(&whole)),
        invalid("an object for a list", of_event("seats", json!({}))),
        invalid("a list for a seat", of_event("seats", json!([[seat]]))),
        invalid("a text for a seat", of_event("seats", json!([seat]))),
        invalid("a list for the best", of_event("bestAvailable", json!([1, null, null, false]))),
        invalid("a list for an area", of_event("areas", json!([["GA", 1]]))),
        invalid("a negative number", of_event("bestAvailable", json!({"quantity": -1}))),
        invalid("a list for an account", text("/api/auth/register", account)),
        invalid("a list for a payment", text("/api/bookings/confirm", payment)),
        invalid("a field twice", text(RESERVE, twice)).because("is named twice"),
    ]
}

/// Bodies that are refused before they have arrived.
///
/// 10,000 seats, however short their names are, take more than the 64 KiB of a body: no request can
/// name so many.
fn giants(fan: &Fan, arena: &[String]) -> Vec<String> {
    let seats = named("EVT001", &arena[..10_000]).to_string();
    let bare = 10_000 * r#"{"seatId":"A"},"#.len();
    assert!(64 * 1024 < bare && bare < seats.len());
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

fn impossible(fan: &Fan, arena: &[String], theatre: &[String]) -> Vec<Case> {
    let post = |body: &Value| fan.signed(reserve(body, &fresh_key()));
    let seats = |seats: &[String]| post(&named("EVT002", seats));
    let free = &theatre[theatre.len() - 11..];
    let nothing = json!({"eventId": "EVT002", "seats": []});
    let both = json!({"eventId": "EVT002", "bestAvailable": {"quantity": 1},
        "seats": [{"seatId": free[0]}]});
    let (invalid, unknown) = ("REQUEST_INVALID", "SEAT_UNKNOWN");
    let (few, twice) = ("is for 1 to 10 places", "a seat is named twice");
    let same = [free[0].clone(), free[1].clone(), free[0].clone()];
    let strange = |name: &str| seats(&[free[0].clone(), name.to_owned()]);
    let crowd = post(&named("EVT001", &arena[..1_500]));
    vec![
        case("1,500 seats", crowd, 422, invalid).because(few),
        case("eleven seats", seats(free), 422, invalid).because(few),
        case("a seat twice", seats(&same), 422, invalid).because(twice),
        case("an unknown seat", strange("X-1-1"), 422, unknown),
        case("a seat of another event", strange(&arena[0]), 422, unknown),
        case("no seat's name", strange("' OR 1=1"), 422, unknown),
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
        case("a page of no size", Call::get("/api/events?page=x"), 400, "QUERY_INVALID"),
    ]
}

fn not_yours(fan: &Fan, theirs: &str) -> Vec<Case> {
    let reservation = format!("/api/bookings/reservations/{theirs}");
    let booking = theirs.replacen("r-", "b-", 1);
    let admission = "/api/admin/events/EVT001/admission";
    let patch = || Call::new(Method::PATCH, admission).json(&json!({"mode": "off"}));
    let (unknown, role) = ("RESERVATION_UNKNOWN", "ROLE_REQUIRED");
    let partner = Call::new(Method::POST, "/api/partners/allocations");
    let partner = || partner.clone().body("application/x-ndjson", "{}\n".to_owned());
    let event = || Call::post("/api/admin/events", &json!({}));
    let forged = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhLTAifQ.";
    let alone = || reserve(&best("EVT002", 1), &fresh_key());
    vec![
        case("reserve without a login", alone(), 401, "LOGIN_REQUIRED"),
        case(
            "a token of algorithm none",
            alone().header("authorization", forged),
            401,
            "LOGIN_REQUIRED",
        ),
        case("bookings without a login", Call::get("/api/bookings"), 401, "LOGIN_REQUIRED"),
        case("confirm without a login", confirm(theirs, "tok_ok"), 401, "LOGIN_REQUIRED"),
        case("another's reservation", fan.signed(Call::get(&reservation)), 404, unknown),
        case("releasing another's", fan.signed(Call::delete(&reservation)), 404, unknown),
        case("paying for another", fan.signed(confirm(theirs, "tok_ok")), 404, unknown),
        case("no reservation's id", fan.signed(confirm("r-1", "tok_ok")), 404, unknown),
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
        case("admission by a fan", fan.signed(patch()), 403, role),
        case("a partner's route by nobody", partner(), 401, "LOGIN_REQUIRED"),
        case("a partner's route by a fan", fan.signed(partner()), 403, role),
        case("an operator's route by a fan", fan.signed(event()), 403, role),
        case("an operator's log by a fan", fan.signed(Call::get("/api/admin/audit")), 403, role),
    ]
}

fn rooms() -> Vec<Case> {
    let me = |token: &str| Call::get("/api/queue/EVT001/me").header("waiting-room-token", token);
    vec![
        case("a room of no event", Call::get("/api/queue/EVT999/status"), 404, "EVENT_UNKNOWN"),
        case("no token", Call::get("/api/queue/EVT001/me"), 401, "TOKEN_REQUIRED"),
        case("no token's text", me("forged"), 401, "TOKEN_INVALID"),
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
        case("an empty pass", with(""), 403, invalid),
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
