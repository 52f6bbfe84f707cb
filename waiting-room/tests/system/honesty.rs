//! What a fan is told of position and wait.

use super::metrics::Counted;
use super::world::{Instance, World, soon};
use http::Method;
use schema::{RoomMode, RoomSettings};
use serde_json::{Value, json};

const ID: &str = "EVT001";

async fn position(room: &Instance, token: &str) -> u64 {
    room.me(ID, token).await.body["position"].as_u64().unwrap()
}

#[tokio::test]
async fn a_position_falls_when_somebody_leaves_and_never_rises_when_somebody_comes_back() {
    let world = World::new().await;
    let (room, other) = (world.instance("a").await, world.instance("b").await);
    world.list(ID, 1_000).await;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    soon(async || (room.room_status(ID).await.body["mode"] == "hold").then_some(())).await;
    let mut tokens = Vec::new();
    for _ in 0..5 {
        tokens.push(room.place(ID).await);
    }
    let last = tokens.last().unwrap().clone();
    let before = position(&room, &last).await;
    let headers = [("waiting-room-token", tokens[0].as_str())];
    let left = room.call(Method::DELETE, &format!("{ID}/me"), &headers, Value::Null).await;
    assert_eq!(left.status, 204);
    soon(async || {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        (position(&room, &last).await == before - 1).then_some(())
    })
    .await;
    // Back again, as a check-in at the other instance.
    assert_eq!(other.me(ID, &tokens[0]).await.body["state"], "queued");
    soon(async || {
        let waiting = room.room_status(ID).await.body["waiting"].as_u64();
        (waiting == Some(before)).then_some(())
    })
    .await;
    for _ in 0..4 {
        // The index is read once a second.
        world.ticks(ID).await.pass(3).await;
        assert_eq!(position(&room, &last).await, before - 1, "it never rises");
    }
    world.set(ID, |_| {}).await;
    assert_eq!(room.claimed(ID, &tokens[0]).await.status, 200, "who came back has the place");
}

#[tokio::test]
async fn a_wait_is_told_once_the_line_moves_and_not_before() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 1_000).await;
    let slow = |settings: &mut RoomSettings| settings.admission_rate_per_minute = 120;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    let first = room.place(ID).await;
    assert_eq!(room.me(ID, &first).await.body["estimatedWaitSeconds"], Value::Null);
    for _ in 0..40 {
        room.place(ID).await;
    }
    world.set(ID, slow).await;
    let last = room.place(ID).await;
    let me = soon(async || {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let me = room.me(ID, &last).await.body;
        me["estimatedWaitSeconds"].is_object().then_some(me)
    })
    .await;
    let wait = &me["estimatedWaitSeconds"];
    let (p50, p90) = (wait["p50"].as_u64().unwrap(), wait["p90"].as_u64().unwrap());
    assert!(0 < p50 && p50 < p90 && p90 <= 120, "{me}");
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    soon(async || {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let me = room.me(ID, &last).await.body;
        me["estimatedWaitSeconds"].is_null().then_some(())
    })
    .await;
    assert_eq!(room.room_status(ID).await.body["holdReason"], json!("operator"));
}

/// The wait that nine of ten are told, once any is told; of a place that has just joined.
async fn told(room: &Instance) -> (String, u64) {
    soon(async || {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let joined = room.join(ID).await.body;
        let token = joined["token"].as_str()?.to_owned();
        Some((token, joined["estimatedWaitSeconds"]["p90"].as_u64()?))
    })
    .await
}

#[tokio::test]
async fn whether_a_told_wait_was_true_is_counted_when_the_place_is_called() {
    let counted = Counted::default();
    let _local = ::metrics::set_default_local_recorder(&counted);
    let told_true = || counted.waits(&["p50", "p90"]);
    let told_false = || counted.waits(&["neither"]);
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 1_000).await;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    for _ in 0..60 {
        room.place(ID).await;
    }
    let at = |rate| move |settings: &mut RoomSettings| settings.admission_rate_per_minute = rate;
    world.set(ID, at(120)).await;
    let (token, _) = told(&room).await;
    assert_eq!((told_true(), told_false()), (0, 0), "nobody who was told is called yet");
    // Sooner than anybody was told.
    world.set(ID, at(6_000)).await;
    room.claimed(ID, &token).await;
    soon(async || (0 < told_true()).then_some(())).await;
    assert_eq!(told_false(), 0);
    // And later.
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    soon(async || (room.room_status(ID).await.body["mode"] == "hold").then_some(())).await;
    for _ in 0..100 {
        room.place(ID).await;
    }
    world.set(ID, at(1_200)).await;
    let (token, seconds) = told(&room).await;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    tokio::time::sleep(std::time::Duration::from_secs(seconds + 1)).await;
    assert_eq!(room.claim(ID, &token).await.status, 409, "told {seconds} s, and still waiting");
    world.set(ID, at(6_000)).await;
    room.claimed(ID, &token).await;
    soon(async || (0 < told_false()).then_some(())).await;
}

#[tokio::test]
async fn a_wait_that_no_join_could_tell_is_followed_from_what_a_poll_tells() {
    let counted = Counted::default();
    let _local = ::metrics::set_default_local_recorder(&counted);
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 1_000).await;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    let mut followed = None;
    for _ in 0..130 {
        let token = room.place(ID).await;
        let place = room.me(ID, &token).await.body;
        assert_eq!(place["estimatedWaitSeconds"], Value::Null);
        if place["number"] == 128 {
            followed = Some(token);
        }
    }
    let followed = followed.expect("numbers are given in order");
    world.set(ID, |settings| settings.admission_rate_per_minute = 120).await;
    soon(async || {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        room.me(ID, &followed).await.body["estimatedWaitSeconds"]["p90"].as_u64()
    })
    .await;
    world.set(ID, |settings| settings.admission_rate_per_minute = 6_000).await;
    room.claimed(ID, &followed).await;
    soon(async || (counted.waits(&["p50", "p90"]) == 1).then_some(())).await;
    assert_eq!(counted.waits(&["neither"]), 0);
}
