//! What people try who want more than their place: `waiting-room/SECURITY.md` says what each test
//! here answers.

use super::world::{Instance, World, event, soon};
use axum::body::Body;
use chassis::base64url;
use chassis::keys::sha256;
use futures_util::future::join_all;
use http::{Method, Request};
use schema::{RoomMode, UnixMillis};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use waiting_room_core::{PlaceKind, Token};

const ID: &str = "EVT001";

async fn held(world: &World) -> Instance {
    let room = world.instance("a").await;
    world.list(ID, 100_000).await;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    soon(async || (room.room_status(ID).await.body["limitedBy"] == "mode").then_some(())).await;
    room
}

async fn number(room: &Instance, token: &str) -> u64 {
    room.me(ID, token).await.body["number"].as_u64().unwrap()
}

/// Tokens that somebody may make of a genuine one.
fn forged(genuine: &str) -> Vec<String> {
    let bytes = base64url::decode(genuine).unwrap();
    let mut forged: Vec<Vec<u8>> = Vec::new();
    for idx in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[idx] ^= 1;
        forged.push(flipped);
        forged.push(bytes[..idx].to_vec());
    }
    // The next 50 numbers: they stand behind version, flags, key and epoch.
    for next in 1..=50_u64 {
        let mut guessed = bytes.clone();
        let own = u64::from_be_bytes(guessed[14..22].try_into().unwrap());
        guessed[14..22].copy_from_slice(&(own + next).to_be_bytes());
        forged.push(guessed);
    }
    forged.push([&bytes[..], &[0]].concat());
    forged.push(vec![0; 60_000]);
    let mut texts: Vec<String> = forged.iter().map(|bytes| base64url::encode(bytes)).collect();
    texts.extend(["", "AAAA", "a.b.c", "%00", "..."].map(str::to_owned));
    texts
}

#[tokio::test]
async fn forged_tokens_are_refused_alike_before_any_state_is_touched() {
    let world = World::new().await;
    let room = held(&world).await;
    let token = room.place(ID).await;
    let window = std::time::Duration::from_secs(4);
    let before = world.redis_calls().await;
    tokio::time::sleep(window).await;
    // The room's own ticks and pulses.
    let idle = world.redis_calls().await - before;
    let before = world.redis_calls().await;
    let started = std::time::Instant::now();
    let forged = forged(&token);
    for forged in &forged {
        for (method, path) in [
            (Method::GET, format!("{ID}/me")),
            (Method::DELETE, format!("{ID}/me")),
            (Method::GET, format!("{ID}/me/proof")),
            (Method::POST, format!("{ID}/claim")),
        ] {
            let headers = [("waiting-room-token", forged.as_str())];
            let answer = room.call(method.clone(), &path, &headers, Value::Null).await;
            assert_eq!(
                (answer.status, &answer.body["code"]),
                (401, &json!("TOKEN_INVALID")),
                "{method} {path} {forged}"
            );
        }
    }
    let asked = forged.len() as u64 * 4;
    tokio::time::sleep(window.saturating_sub(started.elapsed())).await;
    let calls = world.redis_calls().await - before;
    let windows = 1 + started.elapsed().as_secs() / window.as_secs();
    assert!(calls <= idle * windows + 100, "{calls} calls with {asked} requests, {idle} without");
    assert!(idle * windows + 100 < asked, "{asked} are too few to be seen");
    // The place's own polls were not counted: it has its burst of ten.
    for poll in 0..10 {
        assert_eq!(room.me(ID, &token).await.status, 200, "poll {poll}");
    }
    assert_eq!(room.me(ID, &token).await.status, 429);
}

#[tokio::test]
async fn a_token_counts_in_its_header_alone() {
    let world = World::new().await;
    let room = held(&world).await;
    let token = room.place(ID).await;
    let query = format!("{ID}/me?token={token}&waiting-room-token={token}");
    let cookie = format!("waiting-room-token={token}");
    for (path, headers) in [
        (query.as_str(), &[][..]),
        ("EVT001/me", &[("cookie", cookie.as_str())][..]),
        ("EVT001/me", &[("authorization", cookie.as_str())][..]),
    ] {
        let answer = room.call(Method::GET, path, headers, Value::Null).await;
        assert_eq!(answer.body["code"], "TOKEN_REQUIRED", "{path} {headers:?}");
    }
}

/// Joins that wait at once, and one batch that is being numbered besides.
const FLOOD_MAX: std::ops::RangeInclusive<u64> = 8_192..=8_192 + 512;

#[tokio::test]
async fn of_a_flood_of_joins_those_beyond_a_bound_are_told_so_and_take_no_number() {
    let world = World::new().await;
    let room = held(&world).await;
    let first = number(&room, &room.place(ID).await).await;
    // All of them ask before the first is numbered: one thread does it all here.
    let answers = join_all((0..10_000).map(|_| room.join(ID))).await;
    let (given, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 201);
    for answer in &refused {
        assert_eq!((answer.status, &answer.body["code"]), (503, &json!("BUSY")), "{}", answer.body);
        assert_eq!(answer.headers["retry-after"], "1");
    }
    let count = given.len() as u64;
    assert!(FLOOD_MAX.contains(&count), "{count} of 10,000 got a place");
    let tokens: std::collections::HashSet<String> =
        given.iter().map(|answer| answer.body["token"].to_string()).collect();
    assert_eq!(tokens.len() as u64, count);
    let next = number(&room, &room.place(ID).await).await;
    assert_eq!(next, first + count + 1, "a number for each who has a place, and no other");
}

#[tokio::test]
async fn junk_joins_take_no_number() {
    let world = World::new().await;
    let room = held(&world).await;
    let first = number(&room, &room.place(ID).await).await;
    let json_type = ("content-type", "application/json");
    let (long, text) = ("k".repeat(256), ("content-type", "text/plain"));
    let junk: Vec<(Vec<(&str, &str)>, Body)> = vec![
        (vec![json_type], Body::from("{")),
        (vec![json_type], Body::from("[".repeat(60_000))),
        (vec![json_type], Body::from("[]")),
        (vec![json_type], Body::from(vec![0xFF, 0xFE])),
        (vec![json_type], Body::from(json!({"popHash": "zz"}).to_string())),
        (vec![json_type], Body::from(json!({"popHash": 7}).to_string())),
        (vec![json_type], Body::from("x".repeat(3_000_000))),
        (vec![text], Body::from("{}")),
        (vec![json_type, ("idempotency-key", "")], Body::from("{}")),
        (vec![json_type, ("idempotency-key", &long)], Body::from("{}")),
    ];
    for (case, (headers, body)) in junk.into_iter().enumerate() {
        let mut request = Request::builder().method(Method::POST);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.uri(format!("/api/queue/{ID}/join")).body(body).unwrap();
        let answer = room.ask_router(request).await;
        assert!((400..=422).contains(&answer.status), "{case}: {} {}", answer.status, answer.body);
    }
    for _ in 0..500 {
        let answer = room.call(Method::POST, &format!("{ID}/join"), &[], json!([])).await;
        assert_eq!(answer.status, 422);
    }
    let repeated = [("idempotency-key", "one")];
    let repeats = (0..200).map(|_| room.call(Method::POST, "EVT001/join", &repeated, json!({})));
    for answer in join_all(repeats).await {
        assert!([201, 409].contains(&answer.status), "{}", answer.body);
    }
    let next = number(&room, &room.place(ID).await).await;
    assert_eq!(next, first + 2, "one for the key, and the next one");
}

#[tokio::test]
async fn who_joins_a_thousand_times_passes_nobody() {
    let world = World::new().await;
    let room = held(&world).await;
    let early: Vec<String> = join_all((0..5).map(|_| room.place(ID))).await;
    let before = join_all(early.iter().map(|token| number(&room, token))).await;
    let many = join_all((0..1_000).map(|_| room.place(ID))).await;
    let last = room.place(ID).await;
    let after = join_all(early.iter().map(|token| number(&room, token))).await;
    assert_eq!(after, before);
    let most = *before.iter().max().unwrap();
    let of_many = join_all(many.iter().map(|token| number(&room, token))).await;
    assert!(of_many.iter().all(|&number| most < number), "they stand behind those before them");
    assert!(of_many.iter().all(|&number| number < most + 1_001), "and are 1,000 places, no more");
    assert_eq!(number(&room, &last).await, most + 1_001);
}

#[tokio::test]
async fn a_hundred_claims_of_one_place_at_two_processes_are_one_pass() {
    let world = World::new().await;
    let (one, two) = (world.instance("a").await, world.instance("b").await);
    world.list(ID, 100).await;
    let token = one.place(ID).await;
    for room in [&one, &two] {
        soon(async || (room.claim(ID, &token).await.status == 200).then_some(())).await;
    }
    let claims = (0..100).map(|turn| (if turn % 2 == 0 { &one } else { &two }).claim(ID, &token));
    let answers = join_all(claims).await;
    let (claimed, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|claim| claim.status == 200);
    assert!(refused.iter().all(|claim| claim.body["code"] == "POLL_TOO_SOON"));
    // A pass is signed for a place as often as it may poll, whoever has claimed it.
    assert!((2..40).contains(&claimed.len()), "{} claims", claimed.len());
    let passes: std::collections::HashSet<String> =
        claimed.iter().map(|claim| claim.body["pass"].to_string()).collect();
    assert_eq!(passes.len(), 1, "byte by byte");
    let active = async || {
        let mut ticks =
            world.nats.client.subscribe(schema::subject::ROOM_STATUS_ALL).await.unwrap();
        let tick = futures_util::StreamExt::next(&mut ticks).await.unwrap();
        schema::codec::decode::<schema::admission::RoomStatus>(&tick.payload).unwrap().active
    };
    assert_eq!(active().await, 1, "one slot");
}

#[tokio::test]
async fn one_place_that_claims_or_leaves_all_the_time_asks_redis_no_more_than_it_may_poll() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 100).await;
    world.set(ID, |settings| settings.claim_window_seconds = 1).await;
    soon(async || {
        let token = room.place(ID).await;
        let ready =
            soon(async || Some(room.me(ID, &token).await).filter(|me| me.body["state"] == "ready"));
        (ready.await.body["claimWithinMs"].as_u64().unwrap() <= 1_000).then_some(())
    })
    .await;
    let token = room.place(ID).await;
    soon(async || (room.me(ID, &token).await.body["state"] == "expired").then_some(())).await;
    let claims = join_all((0..60).map(|_| room.claim(ID, &token))).await;
    let headers = [("waiting-room-token", token.as_str())];
    let leave = || room.call(Method::DELETE, "EVT001/me", &headers, Value::Null);
    let leaves = join_all((0..60).map(|_| leave())).await;
    for (answers, served) in [(claims, 410), (leaves, 204)] {
        let refused = answers.iter().filter(|answer| answer.status == 429);
        assert!(20 < refused.clone().count());
        for refused in refused {
            assert_eq!(refused.body["code"], "POLL_TOO_SOON");
            assert!(refused.headers.contains_key("retry-after"));
        }
        assert!(answers.iter().all(|answer| [served, 429].contains(&answer.status)));
    }
}

#[tokio::test]
async fn a_stolen_token_is_worth_nothing_without_the_secret_of_its_place() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 100).await;
    let secret = "only in the fan's own browser";
    let pop_hash = base64url::encode(&sha256(&[secret.as_bytes()]));
    let joined = soon(async || {
        let body = json!({"popHash": pop_hash});
        let joined = room.call(Method::POST, &format!("{ID}/join"), &[], body).await;
        (joined.status == 201).then_some(joined)
    })
    .await;
    let token = joined.body["token"].as_str().unwrap();
    soon(async || (room.me(ID, token).await.body["state"] == "ready").then_some(())).await;
    let headers = [("waiting-room-token", token)];
    let claim =
        async |body: Value| room.call(Method::POST, &format!("{ID}/claim"), &headers, body).await;
    // The hash is in the token: who stole that knows it, and it is not the secret.
    for guess in ["", &pop_hash, "only in the fan's own browseR", &secret[1..]] {
        let refused = claim(json!({"popSecret": guess})).await;
        assert_eq!((refused.status, &refused.body["code"]), (403, &json!("POP_INVALID")));
    }
    let long = claim(json!({"popSecret": "x".repeat(257)})).await;
    assert_eq!(long.body["code"], "REQUEST_INVALID");
    assert_eq!(claim(json!({"popSecret": secret})).await.status, 200);
}

#[tokio::test]
async fn the_gate_and_claims_ask_redis_nothing_about_passes_and_tokens_that_are_forged() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 100).await;
    let token = room.place(ID).await;
    let pass = room.claimed(ID, &token).await.body["pass"].as_str().unwrap().to_owned();
    let forged = format!("{}AAAA", &pass[..pass.len() - 4]);
    let gate = async |pass: &str| {
        let headers = [("admission-pass", pass)];
        let path = format!("authz?eventId={ID}");
        let answer = room.call(Method::GET, &path, &headers, Value::Null).await;
        assert_eq!(answer.headers["cache-control"], "no-store");
        answer.status
    };
    world.servers.kill(chassis::Which::Redis).await;
    world.servers.kill(chassis::Which::Nats).await;
    assert_eq!(gate(&pass).await, 204, "a pass is good without any server");
    assert_eq!(gate(&forged).await, 401);
    for method in [Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let headers = [("admission-pass", pass.as_str())];
        let path = format!("authz?eventId={ID}");
        let answer = room.call(method.clone(), &path, &headers, Value::Null).await;
        assert_eq!(answer.status, 204, "{method}");
        assert_eq!(answer.headers["admission-place"], "EVT001 1-1");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    let twice = format!("authz?eventId={ID}&eventId=EVT002");
    let headers = [("admission-pass", pass.as_str())];
    let answer = room.call(Method::GET, &twice, &headers, Value::Null).await;
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!("QUERY_INVALID")));
    assert_eq!(answer.headers["cache-control"], "no-store");
    let refused = room.call(Method::GET, &format!("authz?eventId={ID}"), &[], Value::Null).await;
    assert_eq!(refused.headers["waiting-room"], "/api/queue/EVT001");
    assert_eq!(
        (&refused.body["code"], &refused.body["room"]),
        (&json!("PASS_REQUIRED"), &json!("/api/queue/EVT001"))
    );
}

/// Sends bytes to the stage's own listener and returns what comes until it hangs up.
async fn raw(address: std::net::SocketAddr, request: &[u8]) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    // A server that has heard enough may hang up before all is sent.
    stream.write_all(request).await.unwrap_or_default();
    let mut answer = Vec::new();
    let read =
        tokio::time::timeout(std::time::Duration::from_secs(20), stream.read_to_end(&mut answer));
    read.await.expect("it hangs up").map_or_else(drop, drop);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn huge_and_slow_requests_of_the_queue_are_cut() {
    let world = World::new().await;
    let mut config = waiting_room::Config { listen: "127.0.0.1:0".into(), ..Default::default() };
    config.http.head_ms = schema::DurationMs(300);
    config.http.request_ms = schema::DurationMs(600);
    let room = world.instance_with("a", config).await;
    world.list(ID, 100).await;
    room.place(ID).await;
    let address = room.stage.address.unwrap();
    let head = |length: usize| {
        format!(
            "POST /api/queue/{ID}/join HTTP/1.1\r\nhost: usher\r\n\
             content-type: application/json\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n"
        )
    };
    let huge = [head(100_000).as_bytes(), &vec![b'x'; 100_000]].concat();
    let answer = raw(address, &huge).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("BODY_TOO_LARGE"), "{answer}");
    let slow_body = raw(address, &[head(10).as_bytes(), b"{"].concat()).await;
    assert!(slow_body.starts_with("HTTP/1.1 503 "), "{slow_body}");
    let half = format!("GET /api/queue/{ID}/status HTTP/1.1\r\nhost: u");
    let slow_head = raw(address, half.as_bytes()).await;
    assert_eq!(slow_head, "", "cut off");
    let token = "A".repeat(70_000);
    let large = format!(
        "GET /api/queue/{ID}/me HTTP/1.1\r\nhost: u\r\nwaiting-room-token: {token}\r\n\r\n"
    );
    let large = raw(address, large.as_bytes()).await;
    assert!(large.is_empty() || large.starts_with("HTTP/1.1 431 "), "{large}");
}

#[tokio::test]
async fn settings_that_an_operator_made_hold_from_the_first_answer_of_a_new_process() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 100).await;
    room.place(ID).await;
    for other in 0..200 {
        world.set(&format!("OTHER{other}"), |settings| settings.mode = RoomMode::Hold).await;
    }
    world.set(ID, |settings| settings.mode = RoomMode::Closed).await;
    drop(room);
    for name in ["b", "c", "d"] {
        let room = world.instance(name).await;
        assert_eq!(
            room.join(ID).await.body["code"],
            "ROOM_CLOSED",
            "before the first look at them"
        );
    }
}

/// A token of ours from so many days ago.
fn aged(world: &World, kind: PlaceKind, number: u64, days: u64) -> String {
    let key = world.key_folder().hmac("token").unwrap();
    let token = Token {
        kid: base64url::decode(&key.kid).unwrap().try_into().unwrap(),
        kind,
        event: event(ID),
        epoch: 1,
        number,
        issued_at: UnixMillis(chassis::clock::now().0 - days * 86_400_000),
        pop_hash: None,
        owner: None,
    };
    let mut bytes = token.body();
    bytes.extend(key.mac(&[Token::DOMAIN, &bytes]));
    base64url::encode(&bytes)
}

#[tokio::test]
async fn a_place_in_line_is_good_for_a_week_and_one_in_a_pre_queue_until_the_draw_at_least() {
    let world = World::new().await;
    let room = held(&world).await;
    room.place(ID).await;
    let told = async |kind, days| {
        let me = room.me(ID, &aged(&world, kind, 1, days)).await;
        (me.status, me.body["code"].clone())
    };
    assert_eq!(told(PlaceKind::Line, 6).await, (200, Value::Null));
    assert_eq!(told(PlaceKind::Line, 8).await, (401, json!("TOKEN_EXPIRED")));
    assert_eq!(told(PlaceKind::PreQueue, 30).await, (200, Value::Null), "it is not drawn yet");
}
