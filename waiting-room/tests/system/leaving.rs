//! Leaving the line, from wherever a place stands in it.

use super::world::{Instance, World, soon};
use http::Method;
use schema::RoomMode;
use serde_json::{Value, json};
use std::time::Duration;

const ID: &str = "EVT001";

async fn leave(room: &Instance, token: &str) -> u16 {
    let headers = [("waiting-room-token", token)];
    room.call(Method::DELETE, &format!("{ID}/me"), &headers, Value::Null).await.status
}

async fn state(room: &Instance, token: &str) -> Value {
    room.me(ID, token).await.body["state"].clone()
}

async fn comes_to(room: &Instance, token: &str, wanted: &str) {
    soon(async || {
        let found = state(room, token).await == wanted;
        if !found {
            // The poll is guarded.
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        found.then_some(())
    })
    .await;
}

async fn one_at_a_time(world: &World) {
    world
        .set(ID, |settings| {
            settings.active_max = 1;
            settings.admission_rate_per_minute = 6_000;
        })
        .await;
}

#[tokio::test]
async fn who_leaves_when_called_makes_room_at_once_and_can_never_claim() {
    let world = World::new().await;
    let (one, two) = (world.instance("a").await, world.instance("b").await);
    one_at_a_time(&world).await;
    world.list(ID, 100).await;
    let (first, second) = (one.place(ID).await, one.place(ID).await);
    let third = one.place(ID).await;
    comes_to(&one, &first, "ready").await;
    comes_to(&two, &first, "ready").await;
    assert_eq!(one.claim(ID, &second).await.body["code"], "NOT_CALLED", "one is inside");
    assert_eq!(leave(&one, &first).await, 204);
    for room in [&one, &two] {
        let claim = room.claim(ID, &first).await;
        assert_eq!((claim.status, &claim.body["code"]), (410, &"CLAIM_EXPIRED".into()));
        let me = room.me(ID, &first).await.body;
        assert_eq!((&me["state"], &me["end"]), (&"expired".into(), &"abandoned".into()));
    }
    assert_eq!(leave(&two, &first).await, 204, "leaving twice is leaving");
    // Long before the claim window of two minutes has closed.
    assert_eq!(one.claimed(ID, &second).await.status, 200);
    // Another leader, which rebuilds who is inside, and a Redis that remembers nothing.
    drop(one);
    let redis = world.servers.redis().await;
    let () = redis.query(redis::cmd("FLUSHALL").arg("SYNC")).await.unwrap();
    // The epoch is in the stream up to a second before claims can be noted in it: the leader waits
    // for the word of those who gave out numbers. From the next place on they can.
    two.place(ID).await;
    assert_eq!(two.room_status(ID).await.body["epoch"], 2);
    assert_eq!(two.claim(ID, &first).await.status, 410);
    assert_eq!(state(&two, &first).await, "expired");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(two.claim(ID, &third).await.body["code"], "NOT_CALLED", "the second is inside");
    let again = two.claim(ID, &second).await;
    assert_eq!(again.status, 200, "{}", again.body);
    assert_eq!(leave(&two, &second).await, 204);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let third = two.claim(ID, &third).await;
    assert_eq!(third.body["code"], "NOT_CALLED", "nobody knows any more who has a pass");
}

#[tokio::test]
async fn who_leaves_with_a_pass_keeps_it_and_its_slot() {
    let world = World::new().await;
    let room = world.instance("a").await;
    one_at_a_time(&world).await;
    world.list(ID, 100).await;
    let (first, second) = (room.place(ID).await, room.place(ID).await);
    let pass = room.claimed(ID, &first).await.body["pass"].clone();
    for _ in 0..2 {
        assert_eq!(leave(&room, &first).await, 204);
    }
    // An instance that did not see the claim itself.
    let other = world.instance("b").await;
    comes_to(&other, &first, "admitted").await;
    assert_eq!(leave(&other, &first).await, 204);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(other.claim(ID, &first).await.body["pass"], pass);
    assert_eq!(state(&room, &first).await, "admitted");
    assert_eq!(room.claim(ID, &second).await.body["code"], "NOT_CALLED");
}

#[tokio::test]
async fn who_leaves_before_the_draw_is_passed_after_it() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.set(ID, |settings| settings.mode = RoomMode::PreQueue).await;
    world.list(ID, 100).await;
    let (mut tokens, mut others) = (Vec::new(), 0);
    // Before the pre-queue gathers the line takes some.
    soon(async || {
        let joined = room.join(ID).await;
        others += u32::from(joined.status == 201);
        (joined.body["state"] == "prequeued").then_some(())
    })
    .await;
    for _ in 0..20 {
        tokens.push(room.place(ID).await);
    }
    for token in tokens.iter().take(10) {
        assert_eq!(leave(&room, token).await, 204);
        assert_eq!(leave(&room, token).await, 204);
    }
    let opens_at = chassis::clock::now();
    world
        .set(ID, |settings| {
            (settings.mode, settings.opens_at) = (RoomMode::PreQueue, Some(opens_at));
            settings.admission_rate_per_minute = 6_000;
        })
        .await;
    for token in tokens.iter().skip(10) {
        assert_eq!(room.claimed(ID, token).await.status, 200, "who stayed is called");
    }
    let called = soon(async || {
        let status = room.room_status(ID).await.body;
        (status["waiting"] == 0).then(|| status["calledLastMinute"].clone())
    })
    .await;
    assert_eq!(called, 10 + others, "who left was not");
}

#[tokio::test]
async fn a_crowd_in_the_late_lane_asks_redis_less_often_than_it_is_asked() {
    const BACK: usize = 10;
    let world = World::new().await;
    let room = world.instance("a").await;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    world.list(ID, 100).await;
    let mut back = Vec::new();
    for _ in 0..BACK {
        back.push(room.place(ID).await);
    }
    let stayed = room.place(ID).await;
    for token in &back {
        assert_eq!(leave(&room, token).await, 204);
    }
    one_at_a_time(&world).await;
    assert_eq!(room.claimed(ID, &stayed).await.status, 200);
    let mut polls = 0;
    for token in &back {
        for _ in 0..8 {
            let me = room.me(ID, token).await.body;
            assert_eq!((&me["state"], &me["lane"]), (&json!("queued"), &json!("late")), "{me}");
            // Nobody knows where in the lane, and so nothing is said of it.
            assert_eq!(
                (&me["position"], &me["estimatedWaitSeconds"]),
                (&json!(null), &json!(null))
            );
            assert!(20_000 <= me["pollAfterMs"].as_u64().unwrap(), "{me}");
            polls += 1;
        }
    }
    soon(async || (0 < world.redis_calls_of("zadd").await).then_some(())).await;
    assert!(world.redis_calls_of("zadd").await < polls, "some at a time");
    world.set(ID, |settings| settings.active_max = 100).await;
    for token in &back {
        assert_eq!(room.claimed(ID, token).await.status, 200);
    }
}

#[tokio::test]
async fn the_next_leader_calls_from_the_late_lane_in_the_order_of_coming_back() {
    let world = World::new().await;
    let (one, two) = (world.instance("a").await, world.instance("b").await);
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    world.list(ID, 100).await;
    let (first, second) = (two.place(ID).await, two.place(ID).await);
    let stayed = two.place(ID).await;
    for token in [&first, &second] {
        assert_eq!(leave(&two, token).await, 204);
    }
    one_at_a_time(&world).await;
    assert_eq!(two.claimed(ID, &stayed).await.status, 200);
    let is_late = async |token: &str| two.me(ID, token).await.body["lane"] == "late";
    let mut ticks = world.ticks(ID).await;
    for token in [&first, &second] {
        soon(async || is_late(token).await.then_some(())).await;
        ticks.pass(4).await;
    }
    // Whoever led, the other one leads now; it has heard nobody yet.
    drop(one);
    drop(two);
    let three = world.instance("c").await;
    ticks.pass(2).await;
    soon(async || (three.room_status(ID).await.body["waiting"] == 0).then_some(())).await;
    ticks.pass(4).await;
    assert_eq!(three.me(ID, &second).await.body["lane"], "late");
    ticks.pass(4).await;
    assert_eq!(three.me(ID, &first).await.body["lane"], "late");
    ticks.pass(4).await;
    world.set(ID, |settings| settings.active_max = 2).await;
    assert_eq!(three.claimed(ID, &first).await.status, 200);
    assert_eq!(three.me(ID, &second).await.body["lane"], "late");
}

#[tokio::test]
async fn who_leaves_the_late_lane_is_not_called_from_it() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    world.list(ID, 100).await;
    let (left, stayed) = (room.place(ID).await, room.place(ID).await);
    assert_eq!(leave(&room, &left).await, 204);
    one_at_a_time(&world).await;
    assert_eq!(room.claimed(ID, &stayed).await.status, 200);
    // Back into the late lane, which waits for the one inside, and out of it again.
    assert_eq!(room.claim(ID, &left).await.body["code"], "NOT_CALLED");
    assert_eq!(leave(&room, &left).await, 204);
    let third = room.place(ID).await;
    world.set(ID, |settings| settings.active_max = 100).await;
    assert_eq!(room.claimed(ID, &third).await.status, 200);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(room.room_status(ID).await.body["calledLastMinute"], 2);
}
