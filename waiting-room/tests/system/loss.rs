//! Redis and NATS taken away in the middle.

use super::world::{Instance, World, event, soon};
use chassis::Which;
use schema::RoomMode;
use std::collections::HashSet;
use std::time::{Duration, Instant};

const ID: &str = "EVT001";

/// The shortest `pollAfterMs` with the most jitter.
const POLL_SOON_MS: u64 = 2_650;

#[tokio::test]
async fn redis_emptied_under_the_line_loses_no_place_and_gives_no_number_twice() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 10_000).await;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    let mut tokens = Vec::new();
    for _ in 0..50 {
        tokens.push(room.place(ID).await);
    }
    let redis = world.servers.redis().await;
    let () = redis.query(redis::cmd("FLUSHALL").arg("SYNC")).await.unwrap();
    let emptied = Instant::now();
    for _ in 0..50 {
        tokens.push(room.place(ID).await);
    }
    assert!(emptied.elapsed().as_secs() < 10);
    world.servers.kill(Which::Redis).await;
    assert_eq!(room.me(ID, &tokens[3]).await.body["state"], "queued", "polls need no Redis");
    world.servers.restart(Which::Redis).await;
    for _ in 0..20 {
        tokens.push(room.place(ID).await);
    }
    assert_eq!(room.room_status(ID).await.body["epoch"], 3);
    let mut numbers = HashSet::new();
    let mut last = 0;
    for token in &tokens {
        let number = room.me(ID, token).await.body["number"].as_u64().unwrap();
        assert!(numbers.insert(number), "{number} was given twice");
        assert!(last < number, "whoever came later is behind");
        last = number;
    }
    let open = |settings: &mut schema::RoomSettings| settings.admission_rate_per_minute = 6_000;
    world.set(ID, open).await;
    for token in &tokens {
        assert_eq!(room.claimed(ID, token).await.status, 200, "no place is lost");
    }
}

/// Joins at a rate of one a second, claims, and loses what Redis has; returns the cursor.
async fn called_then_lost(world: &World, room: &Instance) -> u64 {
    world.set(ID, |settings| settings.admission_rate_per_minute = 60).await;
    world.list(ID, 10_000).await;
    let first = room.place(ID).await;
    assert_eq!(room.claimed(ID, &first).await.status, 200);
    let cursor = room.room_status(ID).await.body["cursor"].as_u64().unwrap();
    let redis = world.servers.redis().await;
    let () = redis.query(redis::cmd("FLUSHALL").arg("SYNC")).await.unwrap();
    cursor
}

#[tokio::test]
async fn who_joins_an_empty_line_after_a_loss_of_redis_waits_for_no_phantoms() {
    let world = World::new().await;
    let (room, other) = (world.instance("a").await, world.instance("b").await);
    called_then_lost(&world, &room).await;
    // Each of the two gives out numbers, and says so after the next loss.
    let joined = Instant::now();
    for room in [&room, &other] {
        let next = room.place(ID).await;
        assert_eq!(room.claimed(ID, &next).await.status, 200);
    }
    let redis = world.servers.redis().await;
    let () = redis.query(redis::cmd("FLUSHALL").arg("SYNC")).await.unwrap();
    let last = other.place(ID).await;
    assert_eq!(other.claimed(ID, &last).await.status, 200);
    assert!(joined.elapsed().as_secs() < 10, "{:?}", joined.elapsed());
}

#[tokio::test]
async fn when_process_and_redis_are_lost_in_a_quiet_moment_the_next_is_first_and_called_at_once() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 10_000).await;
    let mut last = 0;
    for _ in 0..2 {
        let joined = room.place(ID).await;
        assert_eq!(room.claimed(ID, &joined).await.status, 200);
        let number = room.me(ID, &joined).await.body["number"].as_u64().unwrap();
        assert!(last < number, "giving opens again with the next who joins");
        last = number;
        world.giving_is_closed(ID).await;
    }
    drop(room);
    let redis = world.servers.redis().await;
    let () = redis.query(redis::cmd("FLUSHALL").arg("SYNC")).await.unwrap();
    let room = world.instance("b").await;
    let newcomer = room.place(ID).await;
    let joined = Instant::now();
    soon(async || {
        let me = room.me(ID, &newcomer).await.body;
        assert_eq!(me["number"], last + 1, "no number is lost");
        if me["state"] == "ready" {
            return Some(());
        }
        assert_eq!(me["position"], 1, "{me}");
        assert!(me["pollAfterMs"].as_u64().unwrap() < POLL_SOON_MS, "{me}");
        assert!(room.room_status(ID).await.body["waiting"].as_u64().unwrap() <= 1);
        tokio::time::sleep(Duration::from_millis(200)).await;
        None
    })
    .await;
    assert!(joined.elapsed().as_secs() < 5, "{:?}", joined.elapsed());
}

#[tokio::test]
async fn when_process_and_redis_are_lost_together_nobody_is_overtaken_and_no_phantom_is_called() {
    let world = World::new().await;
    let room = world.instance("a").await;
    let cursor = called_then_lost(&world, &room).await;
    drop(room);
    let room = world.instance("b").await;
    // Given in the last moment: nobody but the fan knows.
    let key = world.key_folder().hmac("token").unwrap();
    let token = waiting_room_core::Token {
        kid: chassis::base64url::decode(&key.kid).unwrap().try_into().unwrap(),
        kind: waiting_room_core::PlaceKind::Line,
        event: event(ID),
        epoch: 1,
        number: cursor + 700,
        issued_at: chassis::clock::now(),
        pop_hash: None,
    };
    let mut bytes = token.body();
    bytes.extend(key.mac(&[waiting_room_core::Token::DOMAIN, &bytes]));
    let unseen = chassis::base64url::encode(&bytes);
    let newcomer = room.place(ID).await;
    let number = room.me(ID, &newcomer).await.body["number"].as_u64().unwrap();
    assert!(waiting_room_core::MARK_BLOCK < number, "the loss left a doubt");
    let started = Instant::now();
    let mut order = Vec::new();
    while order.len() < 2 {
        assert!(started.elapsed().as_secs() < 60, "{order:?} after {:?}", started.elapsed());
        for (name, token, people) in [("unseen", &unseen, 1), ("newcomer", &newcomer, 2)] {
            let me = room.me(ID, token).await.body;
            let state = me["state"].clone();
            if state == "queued" {
                assert!(me["position"].as_u64().unwrap() <= people, "{name}: {me}");
                assert!(me["pollAfterMs"].as_u64().unwrap() < POLL_SOON_MS, "{name}: {me}");
                assert!(me["estimatedWaitSeconds"].is_null(), "{name}: {me}");
                let waiting = room.room_status(ID).await.body["waiting"].as_u64().unwrap();
                assert!(waiting <= 2, "{waiting} wait");
            }
            if state == "ready" && !order.contains(&name) {
                order.push(name);
            }
        }
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    assert_eq!(order, ["unseen", "newcomer"]);
    let called = room.room_status(ID).await.body["calledLastMinute"].as_u64().unwrap();
    assert!(called <= 3, "no phantom took a call");
}

#[tokio::test]
async fn admission_goes_on_within_two_seconds_of_the_return_of_redis() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 10_000).await;
    for _ in 0..100 {
        room.place(ID).await;
    }
    let cursor = async || room.room_status(ID).await.body["cursor"].as_u64().unwrap();
    soon(async || (0 < cursor().await).then_some(())).await;
    world.servers.kill(Which::Redis).await;
    let limit = async || room.room_status(ID).await.body["limitedBy"] == "recovery";
    soon(async || limit().await.then_some(())).await;
    world.servers.restart(Which::Redis).await;
    let (back, held_at) = (Instant::now(), cursor().await);
    soon(async || (held_at < cursor().await).then_some(())).await;
    assert!(back.elapsed().as_millis() < 2_000, "{:?}", back.elapsed());
}

#[tokio::test]
async fn a_restart_of_nats_and_of_the_process_forgets_nobody() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 10_000).await;
    let called = room.place(ID).await;
    let pass = room.claimed(ID, &called).await.body["pass"].clone();
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    soon(async || (room.room_status(ID).await.body["mode"] == "hold").then_some(())).await;
    let waiting = room.place(ID).await;
    world.servers.kill(Which::Nats).await;
    assert_eq!(room.me(ID, &waiting).await.body["state"], "queued", "polls need no NATS");
    world.servers.restart(Which::Nats).await;
    drop(room);
    let room = world.instance("b").await;
    let again = soon(async || {
        let again = room.claim(ID, &called).await;
        (again.status == 200).then_some(again)
    })
    .await;
    assert_eq!(again.body["pass"], pass);
    world.set(ID, |settings| settings.mode = RoomMode::Open).await;
    assert_eq!(room.claimed(ID, &waiting).await.status, 200);
}
