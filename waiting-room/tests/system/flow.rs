//! From joining to the pass, and everything that is refused on the way.

use super::world::{World, event, soon};
use chassis::base64url;
use chassis::keys::sha256;
use http::Method;
use schema::admission::{AdmissionRecord, PassClaims, RoomStatus};
use schema::{RoomMode, UnixMillis, codec, subject};
use serde_json::{Value, json};
use std::collections::HashSet;

const ID: &str = "EVT001";

#[tokio::test]
async fn a_fan_joins_waits_is_called_and_claims_one_pass_that_repeats_byte_by_byte() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 1_000).await;
    let secret = "a secret of mine";
    let pop_hash = base64url::encode(&sha256(&[secret.as_bytes()]));
    let headers = [("idempotency-key", "\"key-1\"")];
    let path = format!("{ID}/join");
    let joined = soon(async || {
        let body = json!({"popHash": pop_hash});
        let joined = room.call(Method::POST, &path, &headers, body).await;
        (joined.status == 201).then_some(joined)
    })
    .await;
    let token = joined.body["token"].as_str().unwrap();
    assert!(joined.body["pollAfterMs"].as_u64().unwrap() >= 2_000);
    let again = room.call(Method::POST, &path, &headers, json!({"popHash": pop_hash})).await;
    assert_eq!((again.status, again.body["token"].as_str()), (201, Some(token)));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let other = room.call(Method::POST, &path, &headers, json!({})).await;
    assert_eq!((other.status, &other.body["code"]), (422, &json!("IDEMPOTENCY_MISMATCH")));

    soon(async || (room.me(ID, token).await.body["state"] == "ready").then_some(())).await;
    let headers = [("waiting-room-token", token)];
    let claim = format!("{ID}/claim");
    let wrong = room.call(Method::POST, &claim, &headers, json!({"popSecret": "guess"})).await;
    assert_eq!((wrong.status, &wrong.body["code"]), (403, &json!("POP_INVALID")));
    let none = room.call(Method::POST, &claim, &headers, Value::Null).await;
    assert_eq!(none.status, 403);
    let body = json!({"popSecret": secret});
    let first = room.call(Method::POST, &claim, &headers, body.clone()).await;
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(first.body["seatsMax"], 6);
    let pass = first.body["pass"].as_str().unwrap();
    let second = room.call(Method::POST, &claim, &headers, body).await;
    assert_eq!(second.body["pass"], first.body["pass"]);
    soon(async || (room.me(ID, token).await.body["state"] == "admitted").then_some(())).await;

    let gate = |pass: &str, id: &str| {
        let (path, pass) = (format!("authz?eventId={id}"), pass.to_owned());
        let room = &room;
        async move {
            room.call(Method::GET, &path, &[("admission-pass", &pass)], Value::Null).await.status
        }
    };
    assert_eq!(gate(pass, ID).await, 204);
    assert_eq!(gate(pass, "EVT002").await, 401);
    assert_eq!(gate("x.y.z", ID).await, 401);
    let cookie = format!("theme=dark; admission_pass={pass}");
    let by_cookie = room.call(Method::GET, "authz", &[("cookie", &cookie)], Value::Null).await;
    assert_eq!(by_cookie.status, 204);
}

#[tokio::test]
async fn tokens_that_are_forged_foreign_or_missing_are_refused_with_their_codes() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 10).await;
    world.list("EVT002", 10).await;
    let token = room.place(ID).await;
    soon(async || (room.join("EVT002").await.status == 201).then_some(())).await;
    let foreign = room.me("EVT002", &token).await;
    assert_eq!((foreign.status, &foreign.body["code"]), (403, &json!("TOKEN_FOREIGN")));
    let forged = format!("B{}", &token[1..]);
    let forged = room.me(ID, &forged).await;
    assert_eq!((forged.status, &forged.body["code"]), (401, &json!("TOKEN_INVALID")));
    let missing = room.call(Method::GET, &format!("{ID}/me"), &[], Value::Null).await;
    assert_eq!((missing.status, &missing.body["code"]), (401, &json!("TOKEN_REQUIRED")));
    for (path, code) in [("NONE/join", "EVENT_UNKNOWN"), ("no%20event/join", "EVENT_UNKNOWN")] {
        let unknown = room.call(Method::POST, path, &[], Value::Null).await;
        assert_eq!((unknown.status, &unknown.body["code"]), (404, &json!(code)));
    }
    for path in ["%FF/join", "%FF/claim"] {
        let unknown = room.call(Method::POST, path, &[], Value::Null).await;
        assert_eq!((unknown.status, &unknown.body["code"]), (404, &json!("EVENT_UNKNOWN")));
    }
    let path = format!("{ID}/join");
    for body in [json!([]), json!(["x"]), json!("x"), json!(7)] {
        let bad = room.call(Method::POST, &path, &[], body).await;
        assert_eq!((bad.status, &bad.body["code"]), (422, &json!("REQUEST_INVALID")));
    }
    let text = [("content-type", "text/plain")];
    let bad = room.call(Method::POST, &path, &text, json!({})).await;
    assert_eq!((bad.status, &bad.body["code"]), (415, &json!("MEDIA_TYPE_UNSUPPORTED")));
    let bad = room.call(Method::POST, &path, &[], json!({"popHash": "zz"})).await;
    assert_eq!((bad.status, &bad.body["code"]), (422, &json!("REQUEST_INVALID")));
    let bad = room.call(Method::POST, &path, &[], json!({"popHash": 7})).await;
    assert_eq!(bad.status, 422);
}

#[tokio::test]
async fn an_operators_change_is_live_within_a_second() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 100).await;
    room.place(ID).await;
    let mode = async |mode: RoomMode, code: &str| {
        world.set(ID, |settings| settings.mode = mode).await;
        let started = std::time::Instant::now();
        soon(async || (room.join(ID).await.body["code"] == code).then_some(())).await;
        assert!(started.elapsed().as_millis() < 1_000, "{mode:?}");
    };
    mode(RoomMode::Closed, "ROOM_CLOSED").await;
    mode(RoomMode::Off, "ROOM_OFF").await;
    mode(RoomMode::Drain, "ROOM_CLOSED").await;
    for rate in [7, 6_000] {
        world.set(ID, |settings| settings.admission_rate_per_minute = rate).await;
        let started = std::time::Instant::now();
        let shown = async || room.room_status(ID).await.body["admissionRatePerMinute"].clone();
        soon(async || (shown().await == rate).then_some(())).await;
        assert!(started.elapsed().as_millis() < 1_000, "a rate of {rate}");
    }
    let later = UnixMillis(chassis::clock::now().0 + 60_000);
    world
        .set(ID, |settings| (settings.mode, settings.opens_at) = (RoomMode::Closed, Some(later)))
        .await;
    let locked = soon(async || {
        let locked = room.join(ID).await;
        (locked.status == 423).then_some(locked)
    })
    .await;
    assert!(locked.headers.contains_key("retry-after"));
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    let token = room.place(ID).await;
    let status = soon(async || {
        let status = room.room_status(ID).await;
        (status.body["limitedBy"] == "mode").then_some(status)
    })
    .await;
    assert_eq!(status.headers["cache-control"], "public, max-age=1, stale-while-revalidate=5");
    let tag = status.headers["etag"].to_str().unwrap();
    let path = format!("{ID}/status");
    let same = room.call(Method::GET, &path, &[("if-none-match", tag)], Value::Null).await;
    assert_eq!(same.status, 304);
    assert_eq!(room.claim(ID, &token).await.body["code"], "NOT_CALLED");
    assert!(1 <= room.me(ID, &token).await.body["position"].as_u64().unwrap());
    world.set(ID, |settings| settings.mode = RoomMode::Open).await;
    assert_eq!(room.claimed(ID, &token).await.status, 200);
}

#[tokio::test]
async fn a_pre_queue_is_drawn_when_it_opens_and_every_place_gets_one_number() {
    let world = World::new().await;
    let room = world.instance("a").await;
    let gather = |settings: &mut schema::RoomSettings| settings.mode = RoomMode::PreQueue;
    world.set(ID, gather).await;
    world.list(ID, 100).await;
    let first = soon(async || {
        let joined = room.join(ID).await;
        (joined.body["state"] == "prequeued").then_some(joined)
    })
    .await;
    assert_eq!(first.body["number"], Value::Null);
    let mut tokens = vec![first.body["token"].as_str().unwrap().to_owned()];
    for _ in 1..30 {
        tokens.push(room.place(ID).await);
    }
    let opens_at = chassis::clock::now();
    let open = |settings: &mut schema::RoomSettings| {
        gather(settings);
        settings.opens_at = Some(opens_at);
    };
    world.set(ID, open).await;
    let mut numbers = HashSet::new();
    let mut in_order = true;
    let mut last = 0;
    for token in &tokens {
        let pass = room.claimed(ID, token).await;
        assert_eq!(pass.status, 200, "{}", pass.body);
        let number = room.me(ID, token).await.body["number"].as_u64().unwrap();
        in_order &= last < number;
        last = number;
        assert!(numbers.insert(number));
        let headers = [("waiting-room-token", token.as_str())];
        let proof = room.call(Method::GET, &format!("{ID}/me/proof"), &headers, Value::Null).await;
        assert_eq!(proof.body["number"], number);
    }
    assert!(!in_order, "30 places in their old order would be a chance of 1 in 10^32");
    let (low, high) = (numbers.iter().min().unwrap(), numbers.iter().max().unwrap());
    assert_eq!(high - low, 29);
    let fairness = room.call(Method::GET, &format!("{ID}/fairness"), &[], Value::Null).await;
    assert_eq!(fairness.body["n"], 30);
}

#[tokio::test]
async fn two_instances_have_one_leader_and_the_second_takes_over() {
    let world = World::new().await;
    let one = world.instance("a").await;
    world.list(ID, 1_000).await;
    let early = one.place(ID).await;
    let two = world.instance("b").await;
    let called = one.claimed(ID, &early).await;
    // Either instance answers for the other's places, with the same bytes.
    let same = soon(async || {
        let same = two.claim(ID, &early).await;
        (same.status == 200).then_some(same)
    })
    .await;
    assert_eq!(called.body["pass"], same.body["pass"]);
    let mut ticks = world.nats.client.subscribe(schema::subject::ROOM_STATUS_ALL).await.unwrap();
    drop(one);
    let token = two.place(ID).await;
    assert_eq!(two.claimed(ID, &token).await.status, 200);
    let tick = futures_util::StreamExt::next(&mut ticks).await.unwrap();
    let status: RoomStatus = codec::decode(&tick.payload).unwrap();
    assert_eq!((status.event, status.epoch), (event(ID), 1), "no epoch of numbers was needed");
}

#[tokio::test]
async fn a_pass_is_an_eddsa_jwt_that_the_public_key_checks() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 10).await;
    let token = room.place(ID).await;
    let pass = room.claimed(ID, &token).await.body["pass"].as_str().unwrap().to_owned();
    let key = world.key_folder().ed25519("pass").unwrap();
    let header = jsonwebtoken::decode_header(&pass).unwrap();
    assert_eq!(header.kid.as_deref(), Some(key.kid.as_str()));
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    validation.set_audience(&["usher-pass"]);
    let decoding = jsonwebtoken::DecodingKey::from_ed_der(&key.public);
    let claims = jsonwebtoken::decode::<PassClaims>(&pass, &decoding, &validation).unwrap().claims;
    assert_eq!((claims.event, claims.epoch, claims.sub), (event(ID), 1, None));
}

/// The releases of a room: from behind which number to which.
async fn releases(world: &World) -> Vec<(u64, u64)> {
    let stream = subject::admission_stream(&event(ID));
    let all = subject::admission_all(&event(ID));
    let patience = std::time::Duration::from_secs(5);
    let mut stored = chassis::Stored::open(&world.nats, &stream, &all, patience).await.unwrap();
    let mut releases = Vec::new();
    while let Some(message) = stored.next().await.unwrap() {
        if message.subject == subject::admission(&event(ID))
            && let AdmissionRecord::Released(release) = codec::decode(&message.payload).unwrap()
        {
            releases.push((release.cursor_before, release.cursor));
        }
    }
    releases
}

#[tokio::test]
async fn who_joined_first_at_whichever_instance_is_called_first() {
    let world = World::new().await;
    let rooms = [world.instance("a").await, world.instance("b").await];
    world.set(ID, |settings| settings.admission_rate_per_minute = 600).await;
    world.list(ID, 100).await;
    let mut numbers = Vec::new();
    let mut last = String::new();
    for turn in 0..60 {
        let room = &rooms[turn % 2];
        last = room.place(ID).await;
        numbers.push(room.me(ID, &last).await.body["number"].as_u64().unwrap());
    }
    soon(async || (rooms[0].me(ID, &last).await.body["state"] == "ready").then_some(())).await;
    let releases = releases(&world).await;
    let called = |number: &u64| {
        let is_of = |&(before, cursor): &(u64, u64)| before < *number && *number <= cursor;
        releases.iter().position(is_of).unwrap()
    };
    let turns: Vec<(usize, u64)> = numbers.iter().map(|number| (called(number), *number)).collect();
    assert!(turns.is_sorted(), "in the order of joins: {turns:?}");
    assert!(5 < releases.len(), "called in {} releases", releases.len());
}
