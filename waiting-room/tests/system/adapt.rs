//! Rooms that adapt their pace to what the stages behind them say.

use super::world::{World, event, soon};
use futures_util::StreamExt;
use futures_util::future::join_all;
use schema::admission::{LimitedBy, RoomStatus};
use schema::limits::BATCH_OUTCOMES_MAX;
use schema::{AllocatorLoad, DurationMs, RoomSettings, SettlementLoad, Shards, codec, subject};
use waiting_room_core::REPLY_STOP;

const ID: &str = "EVT001";

fn adaptive(settings: &mut RoomSettings) {
    (settings.adaptive, settings.admission_rate_per_minute) = (true, 600);
}

/// What the owner of the event's shard says of what waits.
async fn say(world: &World, pending: u32) {
    say_of_answers(world, pending, DurationMs(4)).await;
}

async fn say_of_answers(world: &World, pending: u32, reply_p99: DurationMs) {
    let load = AllocatorLoad { shard: Shards::default().of(&event(ID)), pending, reply_p99 };
    let subject = subject::load_allocator(load.shard);
    world.nats.client.publish(subject, codec::encode(&load).into()).await.unwrap();
}

/// The next ticks of the room's leader.
async fn ticks(world: &World, count: usize) -> Vec<RoomStatus> {
    let ticks = world.nats.client.subscribe(subject::room_status(&event(ID))).await.unwrap();
    let ticks = ticks.take(count).map(|tick| codec::decode(&tick.payload).unwrap());
    ticks.collect().await
}

/// Says the same again and again until the leader shows this limit; returns the rate then.
async fn rate_when(world: &World, pending: u32, limited_by: LimitedBy) -> u32 {
    soon(async || {
        say(world, pending).await;
        let tick = ticks(world, 1).await.remove(0);
        (tick.limited_by == limited_by).then_some(tick.rate_per_minute)
    })
    .await
}

#[tokio::test]
async fn a_crowded_allocator_slows_the_line_silence_holds_it_and_the_next_leader_goes_on() {
    let world = World::new().await;
    let first = world.instance("a").await;
    world.list(ID, 100_000).await;
    world.set(ID, adaptive).await;
    first.place(ID).await;
    join_all((0..700).map(|_| first.place(ID))).await;
    assert_eq!(rate_when(&world, 0, LimitedBy::Rate).await, 600);
    let crowd = u32::try_from(BATCH_OUTCOMES_MAX).unwrap() + 1;
    assert_eq!(rate_when(&world, crowd, LimitedBy::Allocator).await, 420);
    let told = async || first.room_status(ID).await.body["limitedBy"] == "allocator";
    soon(async || told().await.then_some(())).await;
    let silent = ticks(&world, 22).await;
    assert!(silent.iter().all(|tick| tick.rate_per_minute == 420), "four seconds: {silent:?}");

    // It has heard nothing of the first: the records tell it.
    drop(first);
    let second = world.instance("b").await;
    second.place(ID).await;
    for tick in ticks(&world, 5).await {
        assert!(
            (420..430).contains(&tick.rate_per_minute),
            "it begins where the first was: {tick:?}"
        );
    }
    let rising = rate_when(&world, 0, LimitedBy::Allocator).await;
    soon(async || {
        say(&world, 0).await;
        let rate = ticks(&world, 1).await[0].rate_per_minute;
        assert!(rising <= rate);
        (rising + 4 <= rate).then_some(())
    })
    .await;
    let plain = |settings: &mut RoomSettings| settings.admission_rate_per_minute = 600;
    world.set(ID, plain).await;
    assert_eq!(rate_when(&world, crowd, LimitedBy::Rate).await, 600, "it adapts no more");
}

#[tokio::test]
async fn an_owner_that_answers_too_late_stops_the_line_until_its_next_good_word() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 100_000).await;
    world.set(ID, adaptive).await;
    join_all((0..300).map(|_| room.place(ID))).await;
    assert_eq!(rate_when(&world, 0, LimitedBy::Rate).await, 600);
    let stopped = soon(async || {
        say_of_answers(&world, 0, DurationMs(REPLY_STOP.0 + 1)).await;
        let tick = ticks(&world, 1).await.remove(0);
        (tick.rate_per_minute == 0).then_some(tick)
    })
    .await;
    assert_eq!(stopped.limited_by, LimitedBy::Allocator);
    // Its word holds while it is silent.
    for tick in ticks(&world, 8).await {
        assert_eq!((tick.rate_per_minute, tick.cursor), (0, stopped.cursor), "{tick:?}");
    }
    let again = rate_when(&world, 0, LimitedBy::Allocator).await;
    assert!((1..600).contains(&again), "it has fallen, and rises: {again}");
    let called = async || ticks(&world, 1).await.remove(0).cursor;
    soon(async || (stopped.cursor < called().await).then_some(())).await;
}

#[tokio::test]
async fn settlements_that_have_too_much_to_do_slow_the_line() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 100_000).await;
    world.set(ID, adaptive).await;
    room.place(ID).await;
    join_all((0..200).map(|_| room.place(ID))).await;
    let rate = soon(async || {
        let (instance, commit_wait) = ("s".into(), DurationMs(0));
        let load = SettlementLoad {
            instance,
            orders: 51,
            orders_max: 100,
            commit_wait,
            provider_down: false,
        };
        let subject = subject::LOAD_SETTLEMENT;
        world.nats.client.publish(subject, codec::encode(&load).into()).await.unwrap();
        let tick = ticks(&world, 1).await.remove(0);
        (tick.limited_by == LimitedBy::Settlement).then_some(tick.rate_per_minute)
    })
    .await;
    assert_eq!(rate, 420);
}

#[tokio::test]
async fn while_nobody_can_pay_a_room_calls_at_its_floor_also_if_it_does_not_adapt() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 100_000).await;
    world.set(ID, |settings| settings.admission_rate_per_minute = 600).await;
    room.place(ID).await;
    let hear = async |provider_down, limited_by| {
        soon(async || {
            let load = SettlementLoad {
                instance: "s".into(),
                orders: 1,
                orders_max: 100,
                commit_wait: DurationMs(0),
                provider_down,
            };
            let subject = subject::LOAD_SETTLEMENT;
            world.nats.client.publish(subject, codec::encode(&load).into()).await.unwrap();
            join_all((0..20).map(|_| room.place(ID))).await;
            let tick = ticks(&world, 1).await.remove(0);
            (tick.limited_by == limited_by).then_some(tick.rate_per_minute)
        })
        .await
    };
    assert_eq!(hear(false, LimitedBy::Rate).await, 600);
    assert_eq!(hear(true, LimitedBy::Settlement).await, 30, "a twentieth");
    assert_eq!(hear(false, LimitedBy::Rate).await, 600);
}

#[tokio::test]
async fn nobody_is_called_for_whom_there_is_no_place() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 10).await;
    world.set(ID, adaptive).await;
    for _ in 0..20 {
        room.place(ID).await;
    }
    let status = soon(async || {
        let body = room.room_status(ID).await.body;
        (body["limitedBy"] == "seats" && body["cursor"] != 0).then_some(body)
    })
    .await;
    assert_eq!(status["cursor"], 4, "ten places are for four people");
    for tick in ticks(&world, 5).await {
        assert_eq!((tick.cursor, tick.limited_by), (4, LimitedBy::Seats));
    }
    world.set(ID, |settings| settings.admission_rate_per_minute = 600).await;
    soon(async || (room.room_status(ID).await.body["cursor"] == 20).then_some(())).await;
}
