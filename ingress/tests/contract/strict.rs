//! A list is no object, whatever its length, and a field is named once.

use ingress::Role;
use serde_json::{Value, json};

use crate::owner;
use crate::rig::{Rig, event};

const HOLD: &str = "r-00000000000000000000000000000000";

#[tokio::test]
async fn a_list_of_all_its_fields_is_no_object() {
    let rig = Rig::start().await;
    owner::start(rig.nats.clone());
    let all = rig.login("all", &[Role::Fan, Role::Partner, Role::Operator]).await;
    rig.event(&all, "EVT100").await;
    let (price, rows) = (json!([4_000, "EUR"]), json!([["1", 4, 1, 0, [], 0, 0, 0, 0]]));
    let with = |name: &str, value: Value| {
        let mut body = event("EVT200");
        body[name] = value;
        body
    };
    let reserve = |name: &str, value: Value| json!({"eventId": "EVT100", name: value});
    let admission = json!(["open", 60, 10, 60, 60, false, null]);
    for (method, path, body) in [
        ("POST", "/api/auth/register", json!(["arr@b.cc", "correct horse", "Arr"])),
        ("POST", "/api/auth/login", json!(["all@usher.test", "usher-demo"])),
        ("POST", "/api/auth/refresh", json!(["x.y"])),
        ("POST", "/api/auth/logout", json!(["x.y"])),
        ("POST", "/api/bookings/confirm", json!([HOLD, "CREDIT_CARD", null])),
        ("POST", "/api/bookings/reserve", json!(["EVT100", null, [1, null, null, false], null])),
        ("POST", "/api/bookings/reserve", reserve("bestAvailable", json!([1, null, null, false]))),
        ("POST", "/api/bookings/reserve", reserve("seats", json!([["A-1-1"]]))),
        ("POST", "/api/bookings/reserve", reserve("areas", json!([["FLOOR", 1]]))),
        ("POST", "/api/partners/keys", json!(["box office"])),
        ("PATCH", "/api/admin/events/EVT100/admission", admission),
        ("PATCH", "/api/admin/events/EVT100/admission", json!({"mode": {"open": null}})),
        ("POST", "/api/admin/events/import", json!([[event("EVT200")]])),
        ("POST", "/api/admin/events", with("priceLevels", json!([["All", price]]))),
        ("POST", "/api/admin/events", with("plan", json!([[["A", rows]], [], 0, 0]))),
        ("PUT", "/api/admin/events/EVT100", with("plan", json!({"sections": [["A", rows]]}))),
    ] {
        let headers = [("if-match", "*")];
        let answer = rig.http.json(method, path, &all, &headers, body.clone()).await;
        assert_eq!(answer.problem(), (422, "REQUEST_INVALID".to_owned()), "{path} {body}");
    }
    let line = json!(["r1", "allocate", "EVT100", ["A-1-1"], null, null, null, null, null, null]);
    let lines = format!("{line}\n{}\n", r#"{"ref":"r2","ref":"r3","op":"allocate"}"#);
    let bearer = format!("Bearer {all}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/x-ndjson")];
    let results = rig.http.send("POST", "/api/partners/allocations", &headers, lines).await;
    for result in results.text.lines() {
        let result: Value = serde_json::from_str(result).unwrap();
        assert_eq!(result["status"], "invalid", "{result}");
        assert_eq!(result["code"], "REQUEST_INVALID", "{result}");
    }
    assert_eq!(results.text.lines().count(), 2, "{results:?}");
}

#[tokio::test]
async fn a_field_named_twice_is_refused_wherever_it_is() {
    let rig = Rig::start().await;
    let fan = rig.login("fan", &[Role::Fan]).await;
    let bearer = format!("Bearer {fan}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    for body in [
        r#"{"eventId": "EVT1", "eventId": "EVT2", "bestAvailable": {"quantity": 1}}"#,
        r#"{"eventId": "EVT1", "bestAvailable": {"quantity": 1, "quantity": 2}}"#,
        r#"{"eventId": "EVT1", "seats": [{"seatId": "A-1-1", "seatId": "A-1-2"}]}"#,
        r#"{"eventId": "EVT1", "unknown": {"a": 1, "a": 1}, "bestAvailable": {"quantity": 1}}"#,
    ] {
        let answer = rig.http.send("POST", "/api/bookings/reserve", &headers, body).await;
        assert_eq!(answer.problem(), (422, "REQUEST_INVALID".to_owned()), "{body}");
        assert!(answer.text.contains("is named twice"), "{answer:?}");
    }
}
