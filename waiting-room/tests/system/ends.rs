//! How places end: bought, expired, left, sold out; and who claims them.

use super::world::{World, event, soon};
use chassis::base64url;
use http::Method;
use schema::admission::{HoldReason, RoomStatus};
use schema::{
    AccountId, Asked, Batch, CommandId, Currency, DurationMs, Held, HeldSeat, HoldId, Outcome,
    OutcomeBody, OwnerKind, PassPlace, SeatIdx, Shards, UnixMillis, codec, subject,
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ID: &str = "EVT001";
const FAN: AccountId = AccountId(77);

/// Writes what the owner of the event's shard would.
pub async fn journal(world: &World, number: u64, outcomes: Vec<(u32, OutcomeBody)>) {
    let shard = Shards::default().of(&event(ID));
    let asked = Asked { command: CommandId(number.into()), fingerprint: 0, account: FAN };
    let outcomes = outcomes.into_iter().map(|(free_after, body)| Outcome {
        asked: Some(asked),
        event: event(ID),
        free_after,
        body,
    });
    let (time, outcomes) = (UnixMillis(number), outcomes.collect());
    let batch = Batch { epoch: 1, number, time, outcomes, previous: 0 };
    let payload = codec::encode_checked(&batch).into();
    let sent = world.nats.jetstream.publish(subject::journal(shard), payload).await.unwrap();
    sent.await.unwrap();
}

pub fn held(hold: HoldId, seat: u32, pass: Option<PassPlace>) -> OutcomeBody {
    OutcomeBody::SeatsHeld(Held {
        hold,
        account: FAN,
        owner: OwnerKind::Fan,
        seats: vec![HeldSeat { seat: SeatIdx(seat), generation: 1, price_level: 0, price: 1 }],
        areas: Vec::new(),
        currency: Currency::EUR,
        deadline: Some(UnixMillis(1)),
        pass,
    })
}

#[tokio::test]
async fn a_place_that_bought_is_completed_and_a_sold_out_room_says_so() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 2).await;
    let change = |settings: &mut schema::RoomSettings| settings.active_max = 1;
    world.set(ID, change).await;
    let first = room.place(ID).await;
    let second = room.place(ID).await;
    assert_eq!(room.claimed(ID, &first).await.status, 200);
    let place = PassPlace { epoch: 1, number: 1 };
    let (one, two) = (HoldId(1), HoldId(2));
    journal(&world, 1, vec![(1, held(one, 0, Some(place)))]).await;
    assert_eq!(room.claim(ID, &second).await.body["code"], "NOT_CALLED", "one is inside");
    let sold = OutcomeBody::SeatsSold { hold: one, pass: Some(place) };
    journal(&world, 2, vec![(1, sold)]).await;
    soon(async || (room.me(ID, &first).await.body["state"] == "completed").then_some(())).await;
    assert_eq!(room.claimed(ID, &second).await.status, 200, "who bought makes room");
    let band = async || room.room_status(ID).await.body["seatsRemainingBand"].clone();
    journal(&world, 3, vec![(0, held(two, 1, None))]).await;
    soon(async || (band().await == "none").then_some(())).await;
    assert_eq!(room.join(ID).await.status, 201, "a hold may come back");
    let sold = OutcomeBody::SeatsSold { hold: two, pass: None };
    journal(&world, 4, vec![(0, sold)]).await;
    soon(async || (room.join(ID).await.body["code"] == "SOLD_OUT").then_some(())).await;
}

#[tokio::test]
async fn a_room_that_is_opened_in_mid_sale_knows_what_was_sold_before() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list_with(ID, 2, |listing| listing.waiting_room = false).await;
    let (one, two) = (HoldId(1), HoldId(2));
    let sold = |hold| OutcomeBody::SeatsSold { hold, pass: None };
    journal(&world, 1, vec![(1, held(one, 0, None)), (0, held(two, 1, None))]).await;
    journal(&world, 2, vec![(0, sold(one))]).await;
    // What was journaled has come by the time the room opens.
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.set(ID, |_| {}).await;
    soon(async || {
        let status = room.room_status(ID).await.body;
        (status["seatsRemainingBand"] == "none").then_some(())
    })
    .await;
    assert_eq!(room.join(ID).await.status, 201, "a hold may come back");
    journal(&world, 3, vec![(0, sold(two))]).await;
    soon(async || (room.join(ID).await.body["code"] == "SOLD_OUT").then_some(())).await;
}

#[tokio::test]
async fn a_claim_is_good_in_its_window_and_its_repeat_also_after_it() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 100).await;
    world.set(ID, |settings| settings.claim_window_seconds = 1).await;
    let ready = async || {
        let token = room.place(ID).await;
        let me = soon(async || {
            let me = room.me(ID, &token).await;
            (me.body["state"] == "ready").then_some(me)
        });
        (token.clone(), me.await.body["claimWithinMs"].as_u64().unwrap())
    };
    let (prompt, _) =
        soon(async || Some(ready().await).filter(|(_, within)| *within <= 1_000)).await;
    let pass = room.claimed(ID, &prompt).await.body["pass"].clone();
    let (slow, _) = ready().await;
    soon(async || (room.me(ID, &slow).await.body["state"] == "expired").then_some(())).await;
    let late = room.claim(ID, &slow).await;
    assert_eq!((late.status, &late.body["code"]), (410, &json!("CLAIM_EXPIRED")));
    assert_eq!(room.claim(ID, &prompt).await.body["pass"], pass);
    let other = world.instance("b").await;
    let again = soon(async || {
        let again = other.claim(ID, &prompt).await;
        (again.status == 200).then_some(again)
    })
    .await;
    assert_eq!(again.body["pass"], pass, "another process knows it too");
    assert_eq!(other.claim(ID, &slow).await.status, 410);
}

#[tokio::test]
async fn a_pass_claimed_with_a_login_is_that_accounts() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 100).await;
    let token = room.place(ID).await;
    soon(async || (room.me(ID, &token).await.body["state"] == "ready").then_some(())).await;
    let key = world.key_folder().ed25519("account").unwrap();
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
    header.kid = Some(key.kid.clone());
    let exp = chassis::clock::now().0 / 1_000 + 60;
    let claims = json!({"iss": "usher", "aud": "usher-account", "sub": FAN, "exp": exp});
    let encoding = jsonwebtoken::EncodingKey::from_ed_der(&key.pkcs8);
    let login = jsonwebtoken::encode(&header, &claims, &encoding).unwrap();
    let claim = async |login: &str| {
        let bearer = format!("Bearer {login}");
        let headers = [("waiting-room-token", token.as_str()), ("authorization", &bearer)];
        room.call(Method::POST, &format!("{ID}/claim"), &headers, Value::Null).await
    };
    let pass = claim(&login).await.body["pass"].as_str().unwrap().to_owned();
    let payload = base64url::decode(pass.split('.').nth(1).unwrap()).unwrap();
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(payload["sub"], json!(FAN));
    assert_eq!(claim("no.such.login").await.status, 401);
}

#[tokio::test]
async fn who_left_is_passed_and_who_comes_back_is_called_from_the_late_lane() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 100).await;
    world.set(ID, |settings| settings.mode = schema::RoomMode::Hold).await;
    soon(async || (room.room_status(ID).await.body["mode"] == "hold").then_some(())).await;
    let (left, stayed) = (room.place(ID).await, room.place(ID).await);
    let headers = [("waiting-room-token", left.as_str())];
    let path = format!("{ID}/me");
    let gone = room.call(Method::DELETE, &path, &headers, Value::Null).await;
    assert_eq!(gone.status, 204);
    let position = async || room.me(ID, &stayed).await.body["position"].clone();
    soon(async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        (position().await == 1).then_some(())
    })
    .await;
    world.set(ID, |settings| settings.mode = schema::RoomMode::Open).await;
    assert_eq!(room.claimed(ID, &stayed).await.status, 200);
    let skipped = room.claim(ID, &left).await;
    assert_eq!(skipped.body["code"], "NOT_CALLED", "passed without being called");
    assert_eq!(room.claimed(ID, &left).await.status, 200, "and called after coming back");
}

#[tokio::test]
async fn a_stage_of_its_own_serves_its_routes_and_is_found_by_name() {
    let world = World::new().await;
    world.nats.ensure_stream(&chassis::stream_config(&schema::stream::catalog(), 1)).await.unwrap();
    world.list(ID, 100).await;
    let config = waiting_room::Config { listen: "127.0.0.1:0".into(), ..Default::default() };
    let room = world.instance_with("a", config).await;
    let address = room.stage.address.unwrap();
    let name = subject::SERVICE_WAITING_ROOM;
    let found = soon(async || {
        let found = chassis::discover(&world.nats, name, Duration::from_secs(1)).await.unwrap();
        Some(found).filter(|found| !found.is_empty())
    })
    .await;
    assert_eq!(found[0].metadata["http"], format!("http://{address}"));
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET /api/queue/{ID}/status HTTP/1.1\r\nhost: usher\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"cursor\":0"), "{answer}");
    let paths = waiting_room::openapi().paths.paths;
    assert!(paths.contains_key("/api/queue/{eventId}/join"));
    assert_eq!(paths.len(), 9);
}

#[tokio::test]
async fn an_instance_whose_clock_is_behind_the_leaders_signs_no_claim_that_came_too_late() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 1_000).await;
    let mut called = Vec::new();
    for _ in 0..10 {
        called.push(room.place(ID).await);
    }
    soon(async || {
        let me = room.me(ID, called.last().unwrap()).await.body;
        (me["state"] == "ready").then_some(())
    })
    .await;
    let mut ticks = world.nats.client.subscribe(subject::room_status(&event(ID))).await.unwrap();
    let tick = futures_util::StreamExt::next(&mut ticks).await.unwrap();
    let mut status: RoomStatus = codec::decode(&tick.payload).unwrap();
    status.life.hold = Some(HoldReason::SalesUnknown);
    let mut late = 0;
    for token in &called {
        // As a leader says it whose clock is two minutes ahead of this one.
        status.at = chassis::clock::now() + DurationMs(125_000);
        let subject = subject::room_status(&event(ID));
        world.nats.client.publish(subject, codec::encode(&status).into()).await.unwrap();
        soon(async || {
            let said = &room.room_status(ID).await.body["holdReason"];
            (said == "sales-unknown").then_some(())
        })
        .await;
        let claimed = room.claim(ID, token).await;
        late += u32::from(claimed.body["code"] == "CLAIM_EXPIRED");
    }
    // The real leader's word may come between the two.
    assert!(5 < late, "{late} of 10 were too late");
}

#[tokio::test]
async fn redis_refuses_who_did_not_claim_before_the_slot_is_anothers() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 100).await;
    let one_at_a_time = |mode| {
        move |settings: &mut schema::RoomSettings| {
            (settings.mode, settings.active_max, settings.claim_window_seconds) = (mode, 1, 1);
        }
    };
    world.set(ID, one_at_a_time(schema::RoomMode::Hold)).await;
    soon(async || (room.room_status(ID).await.body["mode"] == "hold").then_some(())).await;
    let mut places = Vec::new();
    for _ in 0..3 {
        let token = room.place(ID).await;
        let number = room.me(ID, &token).await.body["number"].as_u64().unwrap();
        places.push((token, number));
    }
    world.set(ID, one_at_a_time(schema::RoomMode::Open)).await;
    let redis = world.servers.redis().await;
    for pair in places.windows(2) {
        let [(_, number), (next, _)] = pair else { unreachable!("two") };
        soon(async || {
            let state = room.me(ID, next).await.body["state"].clone();
            (state == "ready" || state == "expired").then_some(())
        })
        .await;
        let closed = format!("wr:{{{ID}}}:closed");
        let mut read = redis::cmd("GETBIT");
        assert!(redis.query::<bool>(read.arg(closed).arg(number)).await.unwrap(), "{number}");
    }
}

#[tokio::test]
async fn claims_that_were_counted_stay_so_when_redis_has_forgotten_them() {
    let world = World::new().await;
    let (room, other) = (world.instance("a").await, world.instance("b").await);
    world.list(ID, 100).await;
    let two_at_a_time = |mode| {
        move |settings: &mut schema::RoomSettings| {
            (settings.mode, settings.active_max, settings.claim_window_seconds) = (mode, 2, 1);
        }
    };
    world.set(ID, two_at_a_time(schema::RoomMode::Hold)).await;
    soon(async || (room.room_status(ID).await.body["mode"] == "hold").then_some(())).await;
    let [came, silent, next] = [room.place(ID).await, room.place(ID).await, room.place(ID).await];
    world.set(ID, two_at_a_time(schema::RoomMode::Open)).await;
    let pass = room.claimed(ID, &came).await.body["pass"].clone();
    // Called in the slot of who did not come.
    soon(async || (room.me(ID, &next).await.body["state"] == "ready").then_some(())).await;
    let redis = world.servers.redis().await;
    let () = redis.query(redis::cmd("FLUSHALL").arg("SYNC")).await.unwrap();
    for room in [&room, &other] {
        soon(async || (room.room_status(ID).await.body["epoch"] == 2).then_some(())).await;
        let too_late = room.claim(ID, &silent).await;
        assert_eq!((too_late.status, &too_late.body["code"]), (410, &json!("CLAIM_EXPIRED")));
        assert_eq!(room.me(ID, &silent).await.body["end"], "not-claimed");
        assert_eq!(room.claimed(ID, &came).await.body["pass"], pass);
    }
}
