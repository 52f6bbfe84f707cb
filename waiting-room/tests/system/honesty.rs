//! What a fan is told of position and wait.

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
