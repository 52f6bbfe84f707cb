//! Redis and NATS taken away in the middle.

use super::proxy::Proxy;
use super::world::{Instance, World, event, soon};
use chassis::config::Url;
use chassis::{Redis, RedisConfig, TestServers, Which};
use futures_util::future::join_all;
use schema::RoomMode;
use std::collections::HashSet;
use std::time::{Duration, Instant};
use waiting_room::Config;

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

#[tokio::test]
async fn a_redis_that_is_empty_and_refuses_to_be_written_to_burns_no_numbers() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 10_000).await;
    let first = room.place(ID).await;
    assert_eq!(room.claimed(ID, &first).await.status, 200);
    let redis = world.servers.redis().await;
    let least = |count: u8| {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("min-replicas-to-write").arg(count);
        set
    };
    let mut both = redis::pipe();
    both.atomic().cmd("FLUSHALL").arg("SYNC").add_command(least(1));
    let () = redis.session().await.unwrap().pipeline(&both).await.unwrap();
    world.ticks(ID).await.pass(10).await;
    assert_eq!(room.room_status(ID).await.body["epoch"], 2, "one loss is one epoch");
    let () = redis.query(&least(0)).await.unwrap();
    let next = room.place(ID).await;
    assert_eq!(room.room_status(ID).await.body["epoch"], 2);
    assert_eq!(room.claimed(ID, &next).await.status, 200, "and the line goes on in it");
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
        owner: None,
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
async fn admission_goes_on_within_two_seconds_of_a_leaders_leave_and_of_the_return_of_nats() {
    let world = World::new().await;
    let first = world.instance("a").await;
    world.list(ID, 10_000).await;
    let room = world.instance("b").await;
    for _ in 0..300 {
        room.place(ID).await;
    }
    let cursor = async || room.room_status(ID).await.body["cursor"].as_u64().unwrap_or(0);
    let goes_on = async |what: &str| {
        let (since, held_at) = (Instant::now(), cursor().await);
        soon(async || (held_at < cursor().await).then_some(())).await;
        eprintln!("{what}: admission again after {:?}", since.elapsed());
        assert!(since.elapsed().as_millis() < 2_000, "{what}: {:?}", since.elapsed());
    };
    soon(async || (0 < cursor().await).then_some(())).await;
    drop(first);
    goes_on("a leader has left").await;
    world.servers.kill(Which::Nats).await;
    let silent = async || room.room_status(ID).await.body["holdReason"] == "leader-silent";
    soon(async || silent().await.then_some(())).await;
    world.servers.restart(Which::Nats).await;
    goes_on("NATS").await;
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

/// Every one of the places is in line under a number of its own, in the order of the tokens.
async fn assert_in_order(room: &Instance, tokens: &[String]) {
    let mut last = 0;
    for token in tokens {
        let number = room.me(ID, token).await.body["number"].as_u64().unwrap();
        assert!(last < number, "{number} after {last}");
        last = number;
    }
}

/// Makes one Redis follow another one, and waits until it has its data; or follow nobody.
async fn follow(follower: &TestServers, leader: Option<&TestServers>) {
    let client = redis::Client::open(follower.url(Which::Redis)).unwrap();
    let mut direct = client.get_multiplexed_async_connection().await.unwrap();
    if let Some(leader) = leader {
        let mut at_once = redis::cmd("CONFIG");
        at_once.arg("SET").arg("repl-diskless-sync-delay").arg(0);
        let () = leader.redis().await.query(&at_once).await.unwrap();
    }
    let mut follow = redis::cmd("REPLICAOF");
    let address = leader.map(|leader| leader.url(Which::Redis).replace("redis://", ""));
    let address = address.as_deref().map(|address| address.trim_end_matches('/'));
    let (host, port) = address.map_or(("NO", "ONE"), |address| address.split_once(':').unwrap());
    follow.arg(host).arg(port).exec_async(&mut direct).await.unwrap();
    if leader.is_none() {
        return;
    }
    soon(async || {
        let mut info = redis::cmd("INFO");
        let info: String = info.arg("replication").query_async(&mut direct).await.ok()?;
        info.contains("master_link_status:up").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_comes_back_with_an_older_copy_as_the_same_process_gives_no_number_twice() {
    let world = World::new().await;
    // The first replica of a server gives it another history.
    let copy = TestServers::with(&[Which::Redis]).await;
    follow(&copy, Some(&world.servers)).await;
    follow(&copy, None).await;
    let (room, other) = (world.instance("a").await, world.instance("b").await);
    world.list(ID, 10_000).await;
    let held = |settings: &mut schema::RoomSettings| settings.mode = RoomMode::Hold;
    world.set(ID, held).await;
    let mut tokens = vec![room.place(ID).await, other.place(ID).await];
    follow(&copy, Some(&world.servers)).await;
    follow(&copy, None).await;
    for at in 0..20 {
        let room = if at % 2 == 0 { &room } else { &other };
        tokens.push(room.place(ID).await);
    }
    let run_id = world.servers.redis().await.run_id().await.unwrap();
    follow(&world.servers, Some(&copy)).await;
    follow(&world.servers, None).await;
    assert_eq!(world.servers.redis().await.run_id().await.unwrap(), run_id);
    for at in 0..20 {
        let room = if at % 2 == 0 { &room } else { &other };
        tokens.push(room.place(ID).await);
    }
    assert_in_order(&room, &tokens).await;
    assert_eq!(room.room_status(ID).await.body["epoch"], 2, "the data of the first were lost");
    let open = |settings: &mut schema::RoomSettings| settings.admission_rate_per_minute = 6_000;
    world.set(ID, open).await;
    for token in &tokens {
        assert_eq!(room.claimed(ID, token).await.status, 200, "no place is lost");
    }
}

/// Ten places in a line that is held.
async fn ten_in_line() -> (World, Instance, Vec<String>) {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 10_000).await;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    let mut tokens = Vec::new();
    for _ in 0..10 {
        tokens.push(room.place(ID).await);
    }
    (world, room, tokens)
}

/// As if the machine of Redis had been put back whole to where it was before eight of them.
async fn put_back(world: &World) {
    let redis = world.servers.redis().await;
    let room_key = format!("wr:{{{ID}}}:room");
    let mut back = redis::cmd("HINCRBY");
    let () = redis.query(back.arg(room_key).arg("last").arg(-8)).await.unwrap();
}

#[tokio::test]
async fn a_redis_that_names_a_smaller_last_number_than_before_begins_a_new_epoch() {
    let (world, room, mut tokens) = ten_in_line().await;
    put_back(&world).await;
    for _ in 0..10 {
        tokens.push(room.place(ID).await);
    }
    assert_in_order(&room, &tokens).await;
    soon(async || (room.room_status(ID).await.body["epoch"] == 2).then_some(())).await;
}

#[tokio::test]
async fn a_leader_that_hears_a_smaller_last_number_needs_nobody_to_join_for_a_new_epoch() {
    let (world, room, mut tokens) = ten_in_line().await;
    soon(async || (room.room_status(ID).await.body["waiting"] == 10).then_some(())).await;
    put_back(&world).await;
    soon(async || (room.room_status(ID).await.body["epoch"] == 2).then_some(())).await;
    tokens.push(room.place(ID).await);
    assert_in_order(&room, &tokens).await;
}

/// How long Redis is paused.
const PAUSE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_redis_that_stands_still_for_ten_seconds_holds_the_line_and_loses_nothing() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 10_000).await;
    world.set(ID, |settings| settings.admission_rate_per_minute = 60).await;
    let mut tokens = Vec::new();
    for _ in 0..40 {
        tokens.push(room.place(ID).await);
    }
    let cursor = async || room.room_status(ID).await.body["cursor"].as_u64().unwrap();
    soon(async || (0 < cursor().await).then_some(())).await;
    world.servers.stop(Which::Redis);
    let paused = Instant::now();
    let is_held = async || room.room_status(ID).await.body["limitedBy"] == "recovery";
    soon(async || is_held().await.then_some(())).await;
    let held_at = cursor().await;
    let mut refused = 0;
    while paused.elapsed() < PAUSE {
        let me = room.me(ID, tokens.last().unwrap()).await;
        assert_eq!(me.body["state"], "queued", "polls need no Redis");
        refused += u32::from(room.join(ID).await.status == 503);
    }
    assert!(0 < refused, "nobody gets a number meanwhile");
    assert_eq!(cursor().await, held_at, "nobody is called meanwhile");
    world.servers.cont(Which::Redis);
    let back = Instant::now();
    soon(async || (held_at < cursor().await).then_some(())).await;
    assert!(back.elapsed().as_millis() < 2_000, "{:?}", back.elapsed());
    tokens.push(room.place(ID).await);
    assert_in_order(&room, &tokens).await;
    assert_eq!(room.room_status(ID).await.body["epoch"], 1, "nothing was lost");
    world.set(ID, |settings| settings.admission_rate_per_minute = 6_000).await;
    for token in &tokens {
        assert_eq!(room.claimed(ID, token).await.status, 200, "nobody counts as gone by it");
    }
}

#[tokio::test]
async fn a_slow_redis_slows_joins_and_a_still_slower_one_holds_the_line_until_it_is_better() {
    let world = World::new().await;
    let address = world.servers.url(Which::Redis).replace("redis://", "");
    let proxy = Proxy::before(address.trim_end_matches('/')).await;
    let url = Url::new(format!("redis://{}", proxy.address));
    let redis = Redis::connect(&RedisConfig { url, ..RedisConfig::default() }).await.unwrap();
    let room = world.instance_of("a", Config::default(), redis).await;
    world.list(ID, 10_000).await;
    let mut tokens = vec![room.place(ID).await];
    // Below the time that a command may take: the line goes on, and each gets a number.
    proxy.slow_down(Duration::from_millis(60));
    let cursor = async || room.room_status(ID).await.body["cursor"].as_u64().unwrap();
    let many = join_all((0..200).map(|_| room.join(ID))).await;
    let mut many: Vec<(u64, String)> = many
        .iter()
        .map(|joined| {
            assert_eq!(joined.status, 201, "{}", joined.body);
            let number = joined.body["number"].as_u64().unwrap();
            (number, joined.body["token"].as_str().unwrap().to_owned())
        })
        .collect();
    many.sort();
    tokens.extend(many.into_iter().map(|(_, token)| token));
    let before = cursor().await;
    soon(async || (before < cursor().await).then_some(())).await;
    // Above it: whether a command was carried out is not known, so nobody is called.
    proxy.slow_down(Duration::from_millis(600));
    let is_held = async || room.room_status(ID).await.body["limitedBy"] == "recovery";
    soon(async || is_held().await.then_some(())).await;
    assert_eq!(room.me(ID, tokens.last().unwrap()).await.status, 200, "polls need no Redis");
    assert_eq!(room.join(ID).await.status, 503);
    proxy.slow_down(Duration::ZERO);
    tokens.push(room.place(ID).await);
    assert_in_order(&room, &tokens).await;
    assert_eq!(room.room_status(ID).await.body["epoch"], 1, "nothing was lost");
    world.set(ID, |settings| settings.admission_rate_per_minute = 60_000).await;
    for token in &tokens {
        assert_eq!(room.claimed(ID, token).await.status, 200, "no place is lost");
    }
}

#[tokio::test]
async fn who_polls_at_an_instance_that_hears_nobody_is_there_for_the_leader_all_the_same() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 10_000).await;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    soon(async || (room.room_status(ID).await.body["mode"] == "hold").then_some(())).await;
    // More than are asked to check in.
    let places = join_all((0..1_200).map(|_| room.place(ID))).await;
    let redis = world.servers.redis().await;
    let generation = async || -> u64 {
        let mut read = redis::cmd("HGET");
        redis.query(read.arg(format!("wr:{{{ID}}}:room")).arg("generation")).await.unwrap()
    };
    let has_checked_in = async |number: u64| -> bool {
        let set = format!("wr:{{{ID}}}:seen:{}", generation().await);
        redis.query(redis::cmd("GETBIT").arg(set).arg(number)).await.unwrap()
    };
    let mut numbers = Vec::new();
    for token in &places {
        numbers.push(room.me(ID, token).await.body["number"].as_u64().unwrap());
    }
    let far = numbers.iter().max().unwrap();
    let token = &places[numbers.iter().position(|number| number == far).unwrap()];
    assert!(1_100 < *far);
    assert!(!has_checked_in(*far).await, "a poll far from the front is none");
    world.servers.kill(Which::Nats).await;
    let is_silent = async || room.room_status(ID).await.body["holdReason"] == "leader-silent";
    soon(async || is_silent().await.then_some(())).await;
    let me = soon(async || Some(room.me(ID, token).await).filter(|me| me.status == 200)).await;
    assert!(me.body["pollAfterMs"].as_u64().unwrap() <= 30_000, "{}", me.body);
    soon(async || has_checked_in(*far).await.then_some(())).await;
}
