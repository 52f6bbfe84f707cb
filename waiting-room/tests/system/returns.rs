//! All places are gone, some come back, and the end of it.

use super::ends::{held, journal};
use super::world::{Instance, World, soon};
use schema::{EventStatus, HoldId, OutcomeBody, PassPlace, Released, RoomMode, RoomSettings};
use serde_json::{Value, json};

const ID: &str = "EVT001";

async fn state(room: &Instance, token: &str) -> Value {
    room.me(ID, token).await.body["state"].clone()
}

fn released(hold: u128, why: Released) -> OutcomeBody {
    OutcomeBody::HoldReleased { hold: HoldId(hold), why }
}

/// A room with two seats, one of them held by a fan who came by a pass, and so many who wait.
async fn gone(world: &World, room: &Instance, waiting: usize) -> Vec<String> {
    world.list(ID, 2).await;
    let fast = |settings: &mut RoomSettings| settings.admission_rate_per_minute = 6_000;
    world.set(ID, fast).await;
    let first = room.place(ID).await;
    assert_eq!(room.claimed(ID, &first).await.status, 200);
    let pass = PassPlace { epoch: 1, number: 1 };
    let holds = vec![(1, held(HoldId(1), 0, Some(pass))), (0, held(HoldId(2), 1, None))];
    journal(world, 1, holds).await;
    soon(async || (room.room_status(ID).await.body["soldOut"] == true).then_some(())).await;
    let mut tokens = Vec::new();
    for _ in 0..waiting {
        tokens.push(room.place(ID).await);
    }
    tokens
}

#[tokio::test]
async fn those_in_line_hear_within_five_ticks_that_nothing_is_left() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 1).await;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    let token = room.place(ID).await;
    let before = room.me(ID, &token).await.body;
    assert_eq!((&before["soldOut"], &before["sellOutLikelihood"]), (&json!(false), &json!("low")));
    let mut ticks = world.ticks(ID).await;
    ticks.pass(1).await;
    journal(&world, 1, vec![(0, held(HoldId(1), 0, None))]).await;
    // A tick is 200 ms; the next one is in the middle of the append.
    ticks.pass(5).await;
    let me = room.me(ID, &token).await.body;
    assert_eq!((&me["soldOut"], &me["sellOutLikelihood"]), (&json!(true), &json!("high")));
    let status = room.room_status(ID).await.body;
    assert_eq!((&status["soldOut"], &status["seatsRemainingBand"]), (&json!(true), &json!("none")));
    assert!(status["message"].is_string());
}

#[tokio::test]
async fn seats_that_come_back_call_as_many_as_they_are_enough_for_in_the_order_of_the_line() {
    let world = World::new().await;
    let room = world.instance("a").await;
    let tokens = gone(&world, &room, 3).await;
    let mut ticks = world.ticks(ID).await;
    ticks.pass(3).await;
    assert_eq!(state(&room, &tokens[0]).await, "queued", "nothing is free");
    journal(&world, 2, vec![(1, released(2, Released::Expired))]).await;
    soon(async || (state(&room, &tokens[0]).await == "ready").then_some(())).await;
    ticks.pass(5).await;
    assert_eq!(state(&room, &tokens[1]).await, "queued", "one seat is enough for one");
    // Another leader knows from the record that seats were gone.
    drop(room);
    let room = world.instance("b").await;
    soon(async || (room.room_status(ID).await.body["holdReason"].is_null()).then_some(())).await;
    ticks.pass(5).await;
    assert_eq!(state(&room, &tokens[1]).await, "queued");
    assert_eq!(room.claimed(ID, &tokens[0]).await.status, 200);
    let pass = PassPlace { epoch: 1, number: 2 };
    journal(&world, 3, vec![(0, held(HoldId(3), 1, Some(pass)))]).await;
    journal(&world, 4, vec![(1, released(1, Released::ByOwner))]).await;
    // Who gave the first seat up is inside without one, and may take it again.
    let left = soon(async || (room.room_status(ID).await.body["soldOut"] == false).then_some(()));
    left.await;
    ticks.pass(5).await;
    assert_eq!(state(&room, &tokens[1]).await, "queued");
    let sold = OutcomeBody::SeatsSold { hold: HoldId(3), pass: Some(pass) };
    journal(&world, 5, vec![(1, sold), (2, released(3, Released::Refunded))]).await;
    soon(async || (state(&room, &tokens[1]).await == "ready").then_some(())).await;
    ticks.pass(5).await;
    assert_eq!(state(&room, &tokens[2]).await, "queued", "the other seat is the first one's");
}

#[tokio::test]
async fn a_room_that_adapts_calls_for_returns_those_for_whom_there_are_places() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 8).await;
    let adaptive = |settings: &mut RoomSettings| {
        (settings.adaptive, settings.admission_rate_per_minute) = (true, 6_000);
    };
    world.set(ID, |settings| (settings.mode, settings.adaptive) = (RoomMode::Hold, true)).await;
    let mut tokens = Vec::new();
    for _ in 0..5 {
        tokens.push(room.place(ID).await);
    }
    let sold = OutcomeBody::SeatsSold { hold: HoldId(1), pass: None };
    journal(&world, 1, vec![(0, held(HoldId(1), 0, None)), (0, sold)]).await;
    soon(async || (room.room_status(ID).await.body["soldOut"] == true).then_some(())).await;
    world.set(ID, adaptive).await;
    soon(async || (room.room_status(ID).await.body["limitedBy"] == "seats").then_some(())).await;
    let mut ticks = world.ticks(ID).await;
    ticks.pass(5).await;
    assert_eq!(state(&room, &tokens[0]).await, "queued", "all is gone");
    // A person is assumed to take 2.5 places.
    for (number, free, called) in [(2, 3, 2), (3, 8, 4)] {
        let back = (free, released(number, Released::Refunded));
        journal(&world, number.try_into().unwrap(), vec![back]).await;
        soon(async || (state(&room, &tokens[called - 1]).await == "ready").then_some(())).await;
        ticks.pass(5).await;
        assert_eq!(state(&room, &tokens[called]).await, "queued", "{free} are for {called}");
    }
}

#[tokio::test]
async fn a_sold_out_room_takes_nobody_and_keeps_those_who_stay_until_its_end() {
    let world = World::new().await;
    let room = world.instance("a").await;
    let tokens = gone(&world, &room, 2).await;
    let (one, two) = (HoldId(1), HoldId(2));
    let sold = |hold, pass| (0, OutcomeBody::SeatsSold { hold, pass });
    let place = PassPlace { epoch: 1, number: 1 };
    journal(&world, 2, vec![sold(one, Some(place)), sold(two, None)]).await;
    soon(async || (room.join(ID).await.body["code"] == "SOLD_OUT").then_some(())).await;
    assert_eq!(state(&room, &tokens[0]).await, "queued", "the line waits for returns");
    journal(&world, 3, vec![(1, released(2, Released::Refunded))]).await;
    assert_eq!(room.claimed(ID, &tokens[0]).await.status, 200, "a refund is a return");
    world.set(ID, |settings| settings.mode = RoomMode::Closed).await;
    let closed = soon(async || {
        let me = room.me(ID, &tokens[1]).await;
        (me.body["ended"] == "closed").then_some(me)
    })
    .await;
    assert_eq!(closed.body["state"], "queued", "an operator may open it again");
    world.list_with(ID, 2, |listing| listing.status = EventStatus::Cancelled).await;
    let over = soon(async || {
        let me = room.me(ID, &tokens[1]).await;
        (me.body["ended"] == "cancelled").then_some(me)
    })
    .await;
    assert_eq!(
        (&over.body["state"], &over.body["end"]),
        (&json!("expired"), &json!("event-cancelled"))
    );
    assert_eq!(over.body["position"], Value::Null);
    let status = room.room_status(ID).await.body;
    assert_eq!(status["ended"], "cancelled");
    assert_eq!(room.join(ID).await.body["code"], "NOT_ON_SALE");
    // Whatever the settings say, nobody is called to an event that is not.
    journal(&world, 4, vec![(2, released(1, Released::Refunded))]).await;
    world.set(ID, |_| {}).await;
    let mut ticks = world.ticks(ID).await;
    ticks.pass(5).await;
    assert_eq!(room.claim(ID, &tokens[1]).await.body["code"], "NOT_CALLED");
}
