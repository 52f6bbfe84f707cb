//! The modes of a room and its methods of queueing.

use super::world::{Instance, World, soon};
use schema::{QueueingMethod, RoomMode, RoomSettings, Standby, UnixMillis};
use serde_json::{Value, json};

const ID: &str = "EVT001";

async fn status(room: &Instance, id: &str, member: &str) -> Value {
    room.room_status(id).await.body[member].clone()
}

async fn comes_to(room: &Instance, id: &str, member: &str, wanted: Value) {
    soon(async || (status(room, id, member).await == wanted).then_some(())).await;
}

fn method(settings: &mut RoomSettings, method: QueueingMethod) {
    settings.options.queueing_method = method;
}

/// More than 20 joins within ten seconds arm the room.
fn standby(settings: &mut RoomSettings, min_activation_seconds: u32) {
    settings.mode = RoomMode::Standby;
    settings.options.standby = Standby {
        joins_per_second: 2,
        window_seconds: 10,
        min_activation_seconds,
        empty_seconds: 1,
    };
}

#[tokio::test]
async fn a_room_in_standby_lets_in_at_once_until_a_crowd_arms_it_and_goes_off_when_it_has_gone() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 10_000).await;
    world.set(ID, |settings| standby(settings, 600)).await;
    comes_to(&room, ID, "mode", json!("standby")).await;
    comes_to(&room, ID, "armed", json!(false)).await;
    let joined = soon(async || Some(room.join(ID).await).filter(|joined| joined.status == 201));
    let joined = joined.await;
    // The first one may meet a leader that has not ticked yet.
    let joined = if joined.body["state"] == "ready" { joined } else { room.join(ID).await };
    assert_eq!(joined.body["state"], "ready", "called with its join: {}", joined.body);
    for _ in 0..25 {
        room.place(ID).await;
    }
    comes_to(&room, ID, "armed", json!(true)).await;
    // The next leader finds it armed, though nobody joins any more.
    drop(room);
    let room = world.instance("b").await;
    comes_to(&room, ID, "armed", json!(true)).await;
    comes_to(&room, ID, "limitedBy", json!("nothing")).await;
    world.ticks(ID).await.pass(15).await;
    assert_eq!(status(&room, ID, "armed").await, true, "the line is empty for long enough");
    world.set(ID, |settings| standby(settings, 0)).await;
    comes_to(&room, ID, "armed", json!(false)).await;
    world.set(ID, |_| {}).await;
    comes_to(&room, ID, "armed", Value::Null).await;
}

#[tokio::test]
async fn a_room_that_passes_through_calls_each_with_its_join_and_keeps_its_caps() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 10_000).await;
    let through = |settings: &mut RoomSettings| {
        method(settings, QueueingMethod::Passthrough);
        settings.admission_rate_per_minute = 12;
    };
    world.set(ID, through).await;
    comes_to(&room, ID, "queueingMethod", json!("passthrough")).await;
    room.place(ID).await;
    let mut states = Vec::new();
    for _ in 0..14 {
        let joined = room.join(ID).await;
        states.push(joined.body["state"].as_str().unwrap().to_owned());
    }
    // A steady pace of twelve a minute would have called one of them.
    let ready = states.iter().filter(|state| *state == "ready").count();
    assert!((10..=12).contains(&ready), "{states:?}");
    assert_eq!(states[13], "queued", "twelve in a minute, and no more: {states:?}");
    comes_to(&room, ID, "limitedBy", json!("rate")).await;
}

#[tokio::test]
async fn a_room_without_settings_of_its_own_is_what_its_listing_says_before_and_after_a_restart() {
    let world = World::new().await;
    let mut room = world.instance("a").await;
    for (has_room, mode) in [(true, "open"), (false, "off"), (true, "open")] {
        world.list_with(ID, 1_000, |listing| listing.waiting_room = has_room).await;
        comes_to(&room, ID, "mode", json!(mode)).await;
        drop(room);
        room = world.instance("b").await;
        soon(async || {
            (room.join(ID).await.status == if has_room { 201 } else { 409 }).then_some(())
        })
        .await;
    }
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    comes_to(&room, ID, "mode", json!("hold")).await;
    world.list_with(ID, 1_000, |listing| listing.waiting_room = false).await;
    world.ticks(ID).await.pass(4).await;
    assert_eq!(status(&room, ID, "mode").await, "hold", "what was set is in force");
}

#[tokio::test]
async fn a_pre_queue_in_the_order_of_joins_stands_until_it_opens_and_is_not_drawn() {
    let world = World::new().await;
    let room = world.instance("a").await;
    let later = UnixMillis(chassis::clock::now().0 + 3_600_000);
    let gather = |settings: &mut RoomSettings| {
        method(settings, QueueingMethod::Fifo);
        (settings.mode, settings.opens_at) = (RoomMode::PreQueue, Some(later));
        settings.admission_rate_per_minute = 6_000;
    };
    world.set(ID, gather).await;
    world.list(ID, 1_000).await;
    let mut tokens = Vec::new();
    for place in 1..=20 {
        tokens.push(room.place(ID).await);
        let me = room.me(ID, &tokens[place - 1]).await.body;
        assert_eq!((&me["state"], &me["position"]), (&json!("queued"), &json!(place)));
    }
    world.ticks(ID).await.pass(5).await;
    assert_eq!(status(&room, ID, "cursor").await, 0, "it has not opened");
    assert_eq!(status(&room, ID, "limitedBy").await, "mode");
    world
        .set(ID, |settings| {
            gather(settings);
            settings.opens_at = Some(chassis::clock::now());
        })
        .await;
    let mut last = 0;
    for token in &tokens {
        assert_eq!(room.claimed(ID, token).await.status, 200);
        let number = room.me(ID, token).await.body["number"].as_u64().unwrap();
        assert!(last < number, "the order is that of the joins");
        last = number;
    }
}

#[tokio::test]
async fn all_queue_when_an_operator_says_so_and_who_is_rejected_hears_the_end() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 1_000).await;
    world.set(ID, |settings| settings.options.queue_all = true).await;
    comes_to(&room, ID, "holdReason", json!("operator")).await;
    let token = room.place(ID).await;
    let before = status(&room, ID, "cursor").await;
    world.ticks(ID).await.pass(5).await;
    assert_eq!(status(&room, ID, "cursor").await, before);
    assert_eq!(status(&room, ID, "mode").await, "open");
    world.set(ID, |settings| method(settings, QueueingMethod::Reject)).await;
    soon(async || (room.join(ID).await.body["code"] == "ROOM_CLOSED").then_some(())).await;
    comes_to(&room, ID, "ended", json!("closed")).await;
    soon(async || (room.me(ID, &token).await.body["ended"] == "closed").then_some(())).await;
    world.set(ID, |_| {}).await;
    assert_eq!(room.claimed(ID, &token).await.status, 200, "its place was kept");
}

#[tokio::test]
async fn three_rooms_of_one_process_each_go_their_own_way() {
    let world = World::new().await;
    let room = world.instance("a").await;
    let [open, held, gathers] = ["EVT001", "EVT002", "EVT003"];
    let later = UnixMillis(chassis::clock::now().0 + 3_600_000);
    world.set(held, |settings| settings.mode = RoomMode::Hold).await;
    let pre_queue = |settings: &mut RoomSettings| {
        (settings.mode, settings.opens_at) = (RoomMode::PreQueue, Some(later));
    };
    world.set(gathers, pre_queue).await;
    for id in [open, held, gathers] {
        world.list(id, 1_000).await;
    }
    let drawn = soon(async || {
        let joined = room.join(gathers).await;
        (joined.body["state"] == "prequeued").then_some(joined)
    })
    .await;
    let places = [room.place(open).await, room.place(held).await];
    assert_eq!(room.claimed(open, &places[0]).await.status, 200);
    world.ticks(held).await.pass(3).await;
    assert_eq!(room.me(held, &places[1]).await.body["state"], "queued");
    for (id, mode, reason) in [
        (open, "open", Value::Null),
        (held, "hold", json!("operator")),
        (gathers, "pre-queue", Value::Null),
    ] {
        let body = room.room_status(id).await.body;
        assert_eq!((&body["mode"], &body["holdReason"]), (&json!(mode), &reason), "{id}");
    }
    // A change of one room, and the loss of Redis under all of them.
    let redis = world.servers.redis().await;
    let () = redis.query(redis::cmd("FLUSHALL").arg("SYNC")).await.unwrap();
    for id in [open, held, gathers] {
        comes_to(&room, id, "epoch", json!(2)).await;
    }
    world.set(held, |_| {}).await;
    assert_eq!(room.claimed(held, &places[1]).await.status, 200);
    assert_eq!(status(&room, gathers, "mode").await, "pre-queue");
    let token = drawn.body["token"].as_str().unwrap();
    assert_eq!(room.me(gathers, token).await.body["state"], "prequeued");
    let foreign = room.me(open, &places[1]).await;
    assert_eq!(foreign.body["code"], "TOKEN_FOREIGN", "a place is one of its own room");
    world.set(gathers, |settings| settings.mode = RoomMode::Closed).await;
    comes_to(&room, gathers, "ended", json!("closed")).await;
    assert_eq!(status(&room, open, "ended").await, Value::Null);
}

#[tokio::test]
async fn a_room_that_drains_has_a_last_number_in_its_records_until_it_drains_no_more() {
    let world = World::new().await;
    let (one, two) = (world.instance("a").await, world.instance("b").await);
    world.list(ID, 10_000).await;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    let mut last = 0;
    for room in [&one, &two, &one] {
        let token = room.place(ID).await;
        last = room.me(ID, &token).await.body["number"].as_u64().unwrap();
    }
    assert_eq!(status(&one, ID, "cutoffNumber").await, Value::Null);
    world.set(ID, |settings| settings.mode = RoomMode::Drain).await;
    for room in [&one, &two] {
        comes_to(room, ID, "cutoffNumber", json!(last)).await;
        soon(async || (room.join(ID).await.body["code"] == "ROOM_CLOSED").then_some(())).await;
    }
    // Whoever has not heard of it gets no number either.
    let redis = world.servers.redis().await;
    let mut read = redis::cmd("HMGET");
    read.arg(format!("wr:{{{ID}}}:room")).arg("last").arg("mark");
    assert_eq!(redis.query::<(u64, u64)>(&read).await.unwrap(), (last, last));
    // Nor in a new epoch, when Redis has forgotten it.
    let () = redis.query(redis::cmd("FLUSHALL").arg("SYNC")).await.unwrap();
    comes_to(&two, ID, "epoch", json!(2)).await;
    soon(async || {
        let (last, mark) = redis.query::<(Option<u64>, Option<u64>)>(&read).await.unwrap();
        (last? == mark?).then_some(())
    })
    .await;
    assert_eq!(status(&two, ID, "cutoffNumber").await, json!(last));
    world.set(ID, |settings| settings.mode = RoomMode::Open).await;
    for room in [&one, &two] {
        let token = room.place(ID).await;
        assert!(last < room.me(ID, &token).await.body["number"].as_u64().unwrap());
        comes_to(room, ID, "cutoffNumber", Value::Null).await;
    }
}
