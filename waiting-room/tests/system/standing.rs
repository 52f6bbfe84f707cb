//! When a room stands until its state is known again, and that it says why.

use super::ends::{held, journal};
use super::world::{Instance, World, event, soon};
use chassis::Which;
use futures_util::StreamExt;
use schema::{Applied, DurationMs, EventState, HoldId, ShardState, Shards, sealed, subject};
use serde_json::{Value, json};
use std::time::Duration;

const ID: &str = "EVT001";

async fn comes_to(room: &Instance, reason: Value) {
    soon(async || (room.room_status(ID).await.body["holdReason"] == reason).then_some(())).await;
}

#[tokio::test]
async fn a_room_without_redis_says_so_and_goes_on_when_it_is_back() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 10_000).await;
    let token = room.place(ID).await;
    comes_to(&room, Value::Null).await;
    world.servers.kill(Which::Redis).await;
    comes_to(&room, json!("redis-away")).await;
    let status = room.room_status(ID).await.body;
    assert_eq!((&status["limitedBy"], &status["mode"]), (&json!("recovery"), &json!("open")));
    assert!(status["message"].is_string());
    world.servers.restart(Which::Redis).await;
    assert_eq!(room.claimed(ID, &token).await.status, 200);
    comes_to(&room, Value::Null).await;
}

#[tokio::test]
async fn while_redis_is_away_nobody_is_told_of_a_claim_that_was_not_made() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.set(ID, |settings| settings.claim_window_seconds = 1).await;
    world.list(ID, 100).await;
    let token = room.place(ID).await;
    let within = soon(async || {
        let me = room.me(ID, &token).await.body;
        (me["state"] == "ready").then(|| me["claimWithinMs"].as_u64().unwrap())
    })
    .await;
    world.servers.kill(Which::Redis).await;
    tokio::time::sleep(Duration::from_millis(within + 200)).await;
    let me = soon(async || {
        let me = room.me(ID, &token).await;
        (me.status == 200).then_some(me.body)
    })
    .await;
    assert_eq!((&me["state"], &me["end"]), (&json!("ready"), &Value::Null), "{me}");
    world.servers.restart(Which::Redis).await;
}

#[tokio::test]
async fn a_room_whose_leader_is_gone_says_so_and_the_next_one_goes_on() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 10_000).await;
    room.place(ID).await;
    comes_to(&room, Value::Null).await;
    world.servers.kill(Which::Nats).await;
    comes_to(&room, json!("leader-silent")).await;
    world.servers.restart(Which::Nats).await;
    comes_to(&room, Value::Null).await;
    let token = room.place(ID).await;
    assert_eq!(room.claimed(ID, &token).await.status, 200);
}

#[tokio::test]
async fn a_new_leader_calls_nobody_before_it_has_read_what_is_sold() {
    let world = World::new().await;
    // The first instance makes the streams. Then the journal goes on where it had been trimmed.
    drop(world.instance("a").await);
    world.list(ID, 10).await;
    let shard = Shards::default().of(&event(ID));
    journal(&world, 8, vec![(0, held(HoldId(1), 0, None))]).await;
    let room = world.instance("b").await;
    let token = room.place(ID).await;
    comes_to(&room, json!("sales-unknown")).await;
    world.ticks(ID).await.pass(5).await;
    assert_eq!(room.me(ID, &token).await.body["state"], "queued");
    // A replica tells: three places are free.
    let mut asked = world.nats.client.subscribe(subject::state(shard)).await.unwrap();
    let question = asked.next().await.unwrap();
    let state =
        EventState { event: event(ID), version: 2, free: 3, holds: Vec::new(), spent: Vec::new() };
    let stream = world.nats.jetstream.get_stream(subject::journal_stream(shard)).await.unwrap();
    let last = stream.get_last_raw_message_by_subject(&subject::journal(shard)).await.unwrap();
    let state = ShardState {
        applied: Applied { epoch: 1, number: 8, sequence: last.sequence },
        time: None,
        ago: DurationMs(0),
        events: vec![state],
        ended: Vec::new(),
    };
    let answer = sealed::seal(&state).unwrap().into();
    chassis::answer_in_parts(&world.nats, &question.reply.unwrap(), answer, 1_000).await.unwrap();
    comes_to(&room, Value::Null).await;
    assert_eq!(room.claimed(ID, &token).await.status, 200);
}
