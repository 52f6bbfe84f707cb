//! How fast people are called, and what a poll costs.

use super::world::{World, soon};
use schema::RoomMode;
use std::time::{Duration, Instant};

const ID: &str = "EVT001";

#[tokio::test]
async fn nobody_is_called_faster_than_the_rate_and_the_active_cap_holds() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 1_000).await;
    let change = |settings: &mut schema::RoomSettings| {
        settings.admission_rate_per_minute = 300;
        settings.active_max = 12;
    };
    world.set(ID, change).await;
    for _ in 0..40 {
        room.place(ID).await;
    }
    let cursor = async || room.room_status(ID).await.body["cursor"].as_u64().unwrap();
    let (first, started) = (cursor().await, Instant::now());
    let mut last = first;
    while last < 12 {
        last = cursor().await;
        // Five a second, and what one tick may have called before the first look shows.
        let allowed = first + u64::try_from(started.elapsed().as_millis()).unwrap() / 200 + 2;
        assert!(last <= allowed, "{last} called, {allowed} allowed");
        assert!(started.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let body = room.room_status(ID).await.body;
    assert_eq!((body["cursor"].as_u64(), &body["limitedBy"]), (Some(12), &"active".into()));
}

#[tokio::test]
async fn a_waiting_poll_makes_no_call_to_redis() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 1_000).await;
    // Small enough that the horizon of check-ins is 1,024 numbers ahead.
    let hold = |settings: &mut schema::RoomSettings| {
        (settings.mode, settings.admission_rate_per_minute) = (RoomMode::Hold, 60);
    };
    world.set(ID, hold).await;
    room.place(ID).await;
    let joins = (0..1_300).map(|_| room.place(ID));
    let tokens = futures_util::future::join_all(joins).await;
    let mut far = Vec::new();
    for token in &tokens {
        if 1_100 < room.me(ID, token).await.body["number"].as_u64().unwrap() {
            far.push(token);
        }
    }
    let window = Duration::from_secs(3);
    let before = world.redis_calls().await;
    tokio::time::sleep(window).await;
    let idle = world.redis_calls().await - before;
    let before = world.redis_calls().await;
    let started = Instant::now();
    for _ in 0..9 {
        for token in &far {
            let answer = room.me(ID, token).await;
            assert_eq!(answer.body["state"], "queued", "{}", answer.body);
        }
    }
    assert!(started.elapsed() < window, "{} polls took too long", far.len() * 9);
    tokio::time::sleep(window.saturating_sub(started.elapsed())).await;
    let calls = world.redis_calls().await - before;
    // The index of positions is read once a second while somebody asks for one.
    assert!(calls <= idle + 20, "{calls} calls with {} polls, {idle} without", far.len() * 9);
    while room.me(ID, far[0]).await.status == 200 {}
    let refused = room.me(ID, far[0]).await;
    assert_eq!(refused.status, 429, "ten at once, then one a second");
    assert!(refused.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn a_long_line_is_told_to_ask_less_often_but_for_those_near_the_front() {
    let world = World::new().await;
    let config = waiting_room::Config { polls_per_second_max: 100, ..Default::default() };
    let room = world.instance_with("a", config).await;
    world.list(ID, 10_000).await;
    // The horizon of check-ins is 1,024 numbers ahead.
    let hold = |settings: &mut schema::RoomSettings| {
        (settings.mode, settings.admission_rate_per_minute) = (RoomMode::Hold, 60);
    };
    world.set(ID, hold).await;
    let short =
        soon(async || Some(room.join(ID).await).filter(|joined| joined.status == 201)).await;
    assert!(short.body["pollAfterMs"].as_u64().unwrap() <= 30_000);
    let tokens = futures_util::future::join_all((0..4_000).map(|_| room.place(ID))).await;
    // 4,001 people within 70 polls a second: every 57 s, and up to 0.3 of that more.
    let ceiling = soon(async || {
        let ceiling = room.room_status(ID).await.body["pollPolicy"]["ceilingMs"].as_u64()?;
        (74_000 < ceiling).then_some(ceiling)
    })
    .await;
    assert!(ceiling <= 74_348, "{ceiling}");
    soon(async || {
        let me = room.me(ID, &tokens[3_999]).await;
        (30_000 < me.body["pollAfterMs"].as_u64()?).then_some(())
    })
    .await;
    let (mut near, mut far) = (Vec::new(), Vec::new());
    for token in tokens.iter().step_by(20) {
        let body = room.me(ID, token).await.body;
        let after = body["pollAfterMs"].as_u64().unwrap();
        let is_near = body["number"].as_u64().unwrap() <= 1_024;
        if is_near { near.push(after) } else { far.push(after) }
    }
    assert!(!near.is_empty() && near.iter().all(|after| *after <= 30_000), "{near:?}");
    assert!(far.iter().all(|after| (57_000..=ceiling).contains(after)), "{far:?}");
    let apart: std::collections::HashSet<u64> = far.iter().copied().collect();
    assert!(far.len() / 2 < apart.len(), "a crowd that joined at once asks at many times");
}
