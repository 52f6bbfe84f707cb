//! Events and rooms, as operators change them.

use chassis::base64url;
use ingress::Role;
use schema::admission::{AdmissionRecord, Draw};
use schema::{codec, subject};
use serde_json::{Value, json};

use crate::rig::{Rig, event};

#[tokio::test]
async fn an_imported_event_is_there_at_once_and_its_plan_stays() {
    let rig = Rig::start().await;
    let operator = rig.login("operator", &[Role::Operator]).await;
    let http = &rig.http;
    rig.event(&operator, "EVT100").await;
    let shown = http.get("/api/events/EVT100", "").await.json();
    assert_eq!((&shown["seatsTotal"], &shown["seatsFree"]), (&json!(29), &json!(29)));
    assert_eq!(http.get("/api/events", "").await.json()["total"], 1);
    let seats = http.get("/api/events/EVT100/seats", "").await.json();
    assert_eq!(seats["sections"][0]["rows"][1]["seats"][4]["seatId"], "A-2-5");

    let again = http.post("/api/admin/events", &operator, event("EVT100")).await;
    assert_eq!(again.problem(), (409, "EVENT_EXISTS".to_owned()));
    let put = async |body: serde_json::Value| {
        http.json("PUT", "/api/admin/events/EVT100", &operator, &[], body).await
    };
    let mut renamed = event("EVT100");
    renamed["name"] = json!("Closing night");
    assert_eq!(put(renamed).await.status, 200);
    assert_eq!(http.get("/api/events/EVT100", "").await.json()["name"], "Closing night");
    let mut rebuilt = event("EVT100");
    rebuilt["plan"]["sections"][0]["rows"][0]["seats"] = json!(5);
    assert_eq!(put(rebuilt).await.problem(), (409, "PLAN_FIXED".to_owned()));

    let audit = http.get("/api/admin/audit", &operator).await.json();
    let actions: Vec<_> =
        audit["entries"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(actions, ["event.replace", "event.import"]);
}

#[tokio::test]
async fn a_fee_that_the_buyer_pays_is_charged_and_shown_and_other_terms_are_not() {
    let rig = Rig::start().await;
    let operator = rig.login("operator", &[Role::Operator]).await;
    let partner = rig.login("partner", &[Role::Partner]).await;
    let partner = rig.http.get("/api/auth/me", &partner).await.json()["accountId"].clone();
    let put = async |terms: Option<serde_json::Value>| {
        let mut event = event("EVT100");
        if let Some(terms) = terms {
            event["terms"] = terms;
        }
        rig.http.json("PUT", "/api/admin/events/EVT100", &operator, &[], event).await
    };
    let terms = json!({"feeFixed": 100, "feeMilliPercent": 2_500, "feePaidBy": "BUYER",
        "promoterId": partner, "taxMilliPercent": [19_000]});
    let shown = json!([{"priceLevel": 0, "name": "All",
        "price": {"amount": 4_200, "currency": "EUR"}, "fee": {"amount": 200, "currency": "EUR"}}]);
    assert_eq!(put(Some(terms)).await.json()["priceLevels"], shown);
    assert_eq!(put(None).await.json()["priceLevels"], shown, "the terms stay");
    let page = rig.http.get("/api/events/EVT100", "").await.json();
    assert_eq!(page["priceLevels"], shown);
    assert!(!page.to_string().contains("19000"), "{page}");
    let kept = put(Some(json!({"feeFixed": 100}))).await.json();
    let plain = json!([{"priceLevel": 0, "name": "All",
        "price": {"amount": 4_000, "currency": "EUR"}}]);
    assert_eq!(kept["priceLevels"], plain, "a seller's fee is nothing that buyers see");
    for faulty in [
        json!({"feeFixed": -1}),
        json!({"taxMilliPercent": [1, 2]}),
        json!({"promoterId": schema::AccountId(7).to_string()}),
        json!({"promoterId": "somebody"}),
        json!({"feePaidBy": "NOBODY"}),
    ] {
        let answer = put(Some(faulty.clone())).await;
        assert_eq!(answer.problem(), (422, "REQUEST_INVALID".to_owned()), "{faulty}");
    }
}

#[tokio::test]
async fn an_event_that_is_changed_keeps_its_waiting_room_unless_it_is_told_to_have_none() {
    let rig = Rig::start().await;
    let operator = rig.login("operator", &[Role::Operator]).await;
    let has_room = async |said: Value| {
        let mut event = event("EVT100");
        event["waitingRoom"] = said;
        let path = "/api/admin/events/EVT100";
        let put = rig.http.json("PUT", path, &operator, &[], event).await;
        assert!(matches!(put.status, 200 | 201), "{put:?}");
        rig.http.get("/api/events/EVT100", "").await.json()["waitingRoom"].clone()
    };
    assert_eq!(has_room(Value::Null).await, false, "a new one has none");
    assert_eq!(has_room(json!(true)).await, true);
    assert_eq!(has_room(Value::Null).await, true, "as it was");
    assert_eq!(has_room(json!(false)).await, false);
    assert_eq!(has_room(Value::Null).await, false);
}

#[tokio::test]
async fn a_room_is_changed_only_by_who_has_seen_its_latest_settings() {
    let rig = Rig::start().await;
    let operator = rig.login("operator", &[Role::Operator]).await;
    rig.event(&operator, "EVT100").await;
    let path = "/api/admin/events/EVT100/admission";
    let read = rig.http.get(path, &operator).await;
    assert_eq!(read.json()["mode"], "off");
    let change = async |etag: &[(&str, &str)], body: serde_json::Value| {
        rig.http.json("PATCH", path, &operator, etag, body).await
    };
    let open = json!({"mode": "open", "admissionRatePerMinute": 60});
    assert_eq!(change(&[], open.clone()).await.problem(), (428, "IF_MATCH_REQUIRED".to_owned()));
    let first = change(&[("if-match", read.header("etag"))], open.clone()).await;
    assert_eq!((first.status, &first.json()["mode"]), (200, &json!("open")), "{first:?}");
    let stale = change(&[("if-match", read.header("etag"))], open).await;
    assert_eq!(stale.problem(), (412, "SETTINGS_CHANGED".to_owned()));
    let second = change(&[("if-match", first.header("etag"))], json!({"mode": "hold"})).await;
    assert_eq!(second.json()["admissionRatePerMinute"], 60, "the rest stays");
    assert_eq!(rig.http.get(path, &operator).await.header("etag"), second.header("etag"));
    let event = rig.http.get("/api/events/EVT100", "").await.json();
    assert_eq!(event["waitingRoom"], true);

    let seen = [("if-match", second.header("etag"))];
    for nothing in [json!({}), json!({"unknown": 1}), json!({"mode": null})] {
        let same = change(&seen, nothing).await;
        assert_eq!((same.status, same.header("etag")), (200, second.header("etag")));
    }
    let nobody = change(&seen, json!({"activeMax": 0})).await;
    assert_eq!(nobody.problem(), (422, "REQUEST_INVALID".to_owned()));
    let unclear = change(&seen, json!({"adaptive": "somewhat"})).await;
    assert_eq!(unclear.status, 422);
    let adaptive = change(&seen, json!({"adaptive": true})).await;
    assert_eq!((adaptive.status, adaptive.json()["adaptive"].as_bool()), (200, Some(true)));
    let audit = rig.http.get("/api/admin/audit", &operator).await.json();
    assert_eq!(audit["entries"].as_array().unwrap().len(), 4, "{audit}");
}

#[tokio::test]
async fn a_draw_is_begun_in_a_pre_queue_only_and_takes_what_was_promised_for_each_root() {
    let rig = Rig::start().await;
    let operator = rig.login("operator", &[Role::Operator]).await;
    rig.event(&operator, "EVT100").await;
    let draw = async |body: serde_json::Value| {
        rig.http.post("/api/admin/events/EVT100/draw", &operator, body).await
    };
    assert_eq!(draw(json!({})).await.problem(), (409, "NOT_PRE_QUEUE".to_owned()));
    let root = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
    let beacon = json!({"beacon": "round 7", "root": root});
    let unasked = draw(beacon.clone()).await;
    assert_eq!(unasked.problem(), (409, "BEACON_NOT_REQUIRED".to_owned()));
    let required = draw(json!({"beaconRequired": true})).await;
    assert_eq!((required.status, &required.json()["beaconRequired"]), (202, &json!(true)));
    assert_eq!(draw(beacon.clone()).await.status, 202);
    // Whatever is said in between, what was given for a root is not replaced.
    let other = json!({"beacon": "round 8", "root": "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI"});
    for between in [json!({"beaconRequired": false}), json!({"beaconRequired": true}), other] {
        assert_eq!(draw(between).await.status, 202);
    }
    for again in [beacon, json!({"beacon": "round 9", "root": root})] {
        assert_eq!(draw(again).await.problem(), (409, "BEACON_GIVEN".to_owned()));
    }
    assert_eq!(draw(json!({"beacon": "x"})).await.problem(), (422, "REQUEST_INVALID".to_owned()));
    // The first is the commitment to 32 bytes that are 1.
    let commitments = ["Tcm2ts7pzq3SnXLXZyvYR5bd0uzVWRnCpDnMPahOfIw", root];
    let revealed = json!({"secrets": [root], "root": root});
    let unasked = draw(revealed.clone()).await;
    assert_eq!(unasked.problem(), (409, "NOT_COMMITTED".to_owned()));
    let named = draw(json!({"witnesses": commitments})).await;
    assert_eq!((named.status, &named.json()["witnesses"]), (202, &json!(commitments)));
    let revealed = draw(revealed).await;
    assert_eq!((revealed.status, &revealed.json()["secretsRevealed"]), (202, &json!(1)));
    assert_eq!(revealed.json()["beaconRequired"], true, "the beacon is not touched");
    let same = draw(json!({"witnesses": commitments})).await.json();
    assert_eq!(same["secretsRevealed"], 1, "who is named again has revealed what it has");

    let path = "/api/admin/events/EVT100/admission";
    let pre_queue = json!({"mode": "pre-queue", "opensAt": "2100-01-01T00:00:00Z",
        "prequeue_start_time": "2099-12-31T00:00:00Z"});
    let set = rig.http.json("PATCH", path, &operator, &[("if-match", "*")], pre_queue).await;
    assert_eq!(set.status, 200, "{set:?}");
    assert_eq!(draw(json!({})).await.status, 202);
    let drawn = rig.http.get(path, &operator).await.json();
    assert!(drawn["opensAt"].as_str().unwrap() < "2100", "{drawn}");
    assert_eq!(drawn["prequeue_start_time"], Value::Null, "it is over before it has begun");
    let rate = json!({"admissionRatePerMinute": 60});
    let set = rig.http.json("PATCH", path, &operator, &[("if-match", "*")], rate).await;
    assert_eq!(set.status, 200, "{set:?}");
}

#[tokio::test]
async fn the_witnesses_of_a_pre_queue_that_waits_for_its_draw_are_no_others() {
    let rig = Rig::start().await;
    let operator = rig.login("operator", &[Role::Operator]).await;
    rig.event(&operator, "EVT100").await;
    // The first is the commitment to 32 bytes that are 1.
    let first = "Tcm2ts7pzq3SnXLXZyvYR5bd0uzVWRnCpDnMPahOfIw";
    let root = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
    let draw = async |body: serde_json::Value| {
        rig.http.post("/api/admin/events/EVT100/draw", &operator, body).await
    };
    let named = async |all: &[&str]| draw(json!({"witnesses": all})).await;
    let fixed = (409, "WITNESSES_FIXED".to_owned());
    let event = "EVT100".parse().unwrap();
    let spec = chassis::stream_config(&schema::stream::admission(&event), 1);
    rig.nats.ensure_stream(&spec).await.unwrap();
    assert_eq!(named(&[root]).await.status, 202, "the room has no record yet");
    let say = async |record: AdmissionRecord| {
        let payload = codec::encode(&record).into();
        let records = subject::admission(&event);
        rig.nats.jetstream.publish(records, payload).await.unwrap().await.unwrap();
    };
    assert_eq!(named(&[first]).await.status, 202, "no pre-queue has begun");
    say(AdmissionRecord::GatherStarted { given_to: 0, base: 0 }).await;
    assert_eq!(named(&[]).await.problem(), fixed, "it commits to them in a moment");
    let witness: [u8; 32] = base64url::decode(first).unwrap().try_into().unwrap();
    say(AdmissionRecord::Committed {
        base: 0,
        nonce: [0; 32],
        commitment: [1; 32],
        needs_beacon: false,
        witnesses: vec![witness],
    })
    .await;
    for others in [&[][..], &[root], &[root, first], &[first, root]] {
        assert_eq!(named(others).await.problem(), fixed, "{others:?}");
    }
    say(AdmissionRecord::CohortClosed { base: 0, last: 0 }).await;
    say(AdmissionRecord::Rooted { base: 0, root: [1; 32] }).await;
    let revealed = draw(json!({"secrets": [root], "root": root})).await;
    assert_eq!(revealed.json()["secretsRevealed"], 1, "{revealed:?}");
    assert_eq!(named(&[root]).await.problem(), fixed);
    assert_eq!(named(&[first]).await.json()["secretsRevealed"], 1, "its own may be named");
    let (seed, at, made_of) = ([2; 32], schema::UnixMillis(0), None);
    say(AdmissionRecord::Drawn(Draw { base: 0, last: 0, seed, at, made_of })).await;
    assert_eq!(named(&[root]).await.status, 202, "the next draw's");
}
