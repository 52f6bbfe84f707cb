//! A draw that fans can check, from its commitment to its proofs.

use super::world::{Instance, World, event, soon};
use chassis::base64url;
use chassis::keys::sha256;
use chassis::{Followed, Stored};
use http::Method;
use http_body_util::BodyExt;
use schema::admission::{AdmissionRecord, Beacon, Beacons, COMMITMENT_DOMAIN, Witnesses};
use schema::{RoomMode, RoomSettings, UnixMillis, codec, subject};
use serde_json::{Value, json};
use tower::ServiceExt;
use waiting_room::{DrawFile, DrawFiles, Finding, Verdict, verify_draw};

const ID: &str = "EVT001";

async fn gather(world: &World) {
    world.set(ID, |settings| settings.mode = RoomMode::PreQueue).await;
}

async fn open(world: &World) {
    let open = |settings: &mut RoomSettings| {
        (settings.mode, settings.opens_at) = (RoomMode::PreQueue, Some(chassis::clock::now()));
    };
    world.set(ID, open).await;
}

async fn set_beacons(world: &World, beacons: &Beacons) {
    let bucket = world.nats.jetstream.get_key_value(subject::SETTINGS).await.unwrap();
    let payload = codec::encode(beacons);
    bucket.put(subject::draw_settings(&event(ID)), payload.into()).await.unwrap();
}

async fn set_witnesses(world: &World, witnesses: &Witnesses) {
    let bucket = world.nats.jetstream.get_key_value(subject::SETTINGS).await.unwrap();
    let payload = codec::encode(witnesses);
    bucket.put(subject::witness_settings(&event(ID)), payload.into()).await.unwrap();
}

/// Waits for a few ticks of the room's leader.
async fn ticks(world: &World) {
    let mut ticks = world.nats.client.subscribe(subject::room_status(&event(ID))).await.unwrap();
    for _ in 0..4 {
        futures_util::StreamExt::next(&mut ticks).await.unwrap();
    }
}

/// Waits for the root of the pre-queue that has closed.
async fn rooted(room: &Instance) -> Value {
    soon(async || {
        let fairness = fairness(room).await;
        (!fairness["root"].is_null()).then_some(fairness)
    })
    .await
}

async fn fairness(room: &Instance) -> Value {
    room.call(Method::GET, &format!("{ID}/fairness"), &[], Value::Null).await.body
}

/// Joins the pre-queue; a place of the line that was given before it gathered is left alone.
async fn pre_queue(room: &Instance, count: usize) -> Vec<String> {
    soon(async || (room.join(ID).await.body["state"] == "prequeued").then_some(())).await;
    let mut tokens = Vec::new();
    for _ in 0..count {
        tokens.push(room.place(ID).await);
    }
    tokens
}

async fn drawn(room: &Instance) -> Value {
    soon(async || {
        let fairness = fairness(room).await;
        (!fairness["seed"].is_null()).then_some(fairness)
    })
    .await
}

/// What a fan downloads, as the verifier takes it.
async fn downloads(room: &Instance, fairness: &Value, tokens: &[String]) -> DrawFiles {
    let file = |name: &str, bytes: Vec<u8>| DrawFile { name: name.to_owned(), bytes };
    let mut proofs = Vec::new();
    for token in tokens {
        let headers = [("waiting-room-token", token.as_str())];
        let proof = room.call(Method::GET, &format!("{ID}/me/proof"), &headers, Value::Null).await;
        assert_eq!(proof.status, 200, "{}", proof.body);
        proofs.push(file("proof", proof.body.to_string().into_bytes()));
    }
    let path = format!("/api/queue/{ID}/fairness/cohort");
    let request = http::Request::builder().uri(path).body(axum::body::Body::empty()).unwrap();
    let cohort = room.routes.router.clone().oneshot(request).await.unwrap();
    let cohort = cohort.into_body().collect().await.unwrap().to_bytes().to_vec();
    DrawFiles {
        fairness: file("fairness", fairness.to_string().into_bytes()),
        kept: Vec::new(),
        proofs,
        cohort: Some(file("cohort", cohort)),
        tokens: tokens.iter().map(|token| file("token", token.clone().into_bytes())).collect(),
    }
}

fn assert_holds(files: &DrawFiles) {
    let findings = verify_draw(files);
    assert!(!findings.iter().any(Finding::fails), "{findings:#?}");
}

/// All that the room's stream has.
async fn stored(world: &World) -> Vec<Followed> {
    let stream = subject::admission_stream(&event(ID));
    let all = subject::admission_all(&event(ID));
    let patience = std::time::Duration::from_secs(5);
    let mut stored = Stored::open(&world.nats, &stream, &all, patience).await.unwrap();
    let mut messages = Vec::new();
    while let Some(message) = stored.next().await.unwrap() {
        messages.push(message);
    }
    messages
}

/// The room's records of its draw, in their order.
async fn records(world: &World) -> Vec<&'static str> {
    let mut records = Vec::new();
    for message in stored(world).await {
        if message.subject == subject::admission_cohort(&event(ID)) {
            records.push("entries");
        } else if message.subject == subject::admission(&event(ID)) {
            records.extend(match codec::decode::<AdmissionRecord>(&message.payload).unwrap() {
                AdmissionRecord::GatherStarted { .. } => Some("gather"),
                AdmissionRecord::Committed { .. } => Some("commitment"),
                AdmissionRecord::CohortClosed { .. } => Some("end"),
                AdmissionRecord::Rooted { .. } => Some("root"),
                AdmissionRecord::Drawn(_) => Some("draw"),
                _ => None,
            });
        }
    }
    records.dedup();
    records
}

#[tokio::test]
async fn every_fan_of_two_instances_can_prove_the_place_that_the_draw_gave() {
    let world = World::new().await;
    let (one, other) = (world.instance("a").await, world.instance("b").await);
    gather(&world).await;
    world.list(ID, 100).await;
    let mut tokens = pre_queue(&one, 20).await;
    tokens.extend(pre_queue(&other, 10).await);
    let before = fairness(&one).await;
    assert!(before["commitment"].is_string(), "{before}");
    for later in ["root", "n", "secret", "seed", "drawnAt"] {
        assert_eq!(before[later], Value::Null, "{later}");
    }
    let path = format!("{ID}/me/proof");
    let headers = [("waiting-room-token", tokens[0].as_str())];
    let early = one.call(Method::GET, &path, &headers, Value::Null).await;
    assert_eq!(early.body["code"], "NOT_DRAWN");
    open(&world).await;
    let fairness = drawn(&other).await;
    assert_eq!(fairness["commitment"], before["commitment"]);
    assert_eq!((&fairness["n"], &fairness["entered"]), (&json!(32), &json!(32)));
    // Any instance proves any place.
    drawn(&one).await;
    for room in [&one, &other] {
        let mut files = downloads(room, &fairness, &tokens).await;
        assert_holds(&files);
        let bytes = before.to_string().into_bytes();
        files.kept.push(DrawFile { name: "kept".to_owned(), bytes });
        let findings = verify_draw(&files);
        assert!(findings.iter().all(|one| one.verdict == Verdict::Holds), "{findings:#?}");
        for (root, status, code) in [
            (fairness["root"].as_str().unwrap(), 200, Value::Null),
            (&base64url::encode(&[7; 32]), 404, json!("ROOT_UNKNOWN")),
            ("abc", 422, json!("REQUEST_INVALID")),
            ("", 422, json!("REQUEST_INVALID")),
            ("a&root=b", 422, json!("REQUEST_INVALID")),
        ] {
            let path = format!("{ID}/fairness/cohort?root={root}");
            let answer = room.call(Method::GET, &path, &[], Value::Null).await;
            assert_eq!((answer.status, &answer.body["code"]), (status, &code), "{root}");
        }
    }
    let steps = ["gather", "commitment", "entries", "end", "root", "draw"];
    assert_eq!(records(&world).await, steps);
    let late = one.place(ID).await;
    let headers = [("waiting-room-token", late.as_str())];
    let late = one.call(Method::GET, &path, &headers, Value::Null).await;
    assert_eq!(late.body["code"], "NOT_DRAWN", "a place of the line is in no draw");
}

#[tokio::test]
async fn a_draw_that_promised_a_beacon_waits_for_one_that_names_its_root() {
    let world = World::new().await;
    let room = world.instance("a").await;
    let mut beacons = Beacons { required: true, given: Vec::new() };
    set_beacons(&world, &beacons).await;
    gather(&world).await;
    world.list(ID, 100).await;
    let tokens = pre_queue(&room, 5).await;
    assert_eq!(fairness(&room).await["beaconRequired"], true);
    open(&world).await;
    let rooted = rooted(&room).await;
    assert_eq!((&rooted["secret"], &rooted["n"]), (&Value::Null, &json!(6)));
    // A beacon from before the root was known is none, and the draw waits on.
    let value = "round 5001234 e4a8d5c1";
    beacons.given.push(Beacon { root: [0; 32], value: "too early".into() });
    set_beacons(&world, &beacons).await;
    ticks(&world).await;
    assert_eq!(fairness(&room).await["seed"], Value::Null);
    let published = base64url::decode(rooted["root"].as_str().unwrap()).unwrap();
    beacons.given.push(Beacon { root: published.try_into().unwrap(), value: value.into() });
    set_beacons(&world, &beacons).await;
    let fairness = drawn(&room).await;
    assert_eq!((&fairness["beacon"], &fairness["root"]), (&json!(value), &rooted["root"]));
    assert_holds(&downloads(&room, &fairness, &tokens).await);
}

/// The witnesses that `fairness` shows: commitment and secret of each.
fn shown(fairness: &Value) -> Vec<(Value, Value)> {
    let of = |witness: &Value| (witness["commitment"].clone(), witness["secret"].clone());
    fairness["witnesses"].as_array().unwrap().iter().map(of).collect()
}

#[tokio::test]
async fn a_draw_waits_for_each_witness_to_reveal_for_its_root() {
    let world = World::new().await;
    let room = world.instance("a").await;
    let secrets = [[1; 32], [2; 32]];
    let commitments = secrets.map(|secret| sha256(&[COMMITMENT_DOMAIN, &secret]));
    let named = Witnesses { commitments: commitments.to_vec(), ..Witnesses::default() };
    set_witnesses(&world, &named).await;
    gather(&world).await;
    world.list(ID, 100).await;
    let tokens = pre_queue(&room, 5).await;
    let text = |hash: &[u8; 32]| Value::from(base64url::encode(hash));
    let [first, second] = commitments.map(|hash| text(&hash));
    let hidden = vec![(first.clone(), Value::Null), (second.clone(), Value::Null)];
    let before = fairness(&room).await;
    assert_eq!((&before["encoding"], shown(&before)), (&json!("usher-draw-v2"), hidden.clone()));
    open(&world).await;
    let rooted = rooted(&room).await;
    let published = base64url::decode(rooted["root"].as_str().unwrap()).unwrap();
    let published: [u8; 32] = published.try_into().unwrap();
    let reveal =
        |root, secrets: &[[u8; 32]]| Witnesses { root, secrets: secrets.to_vec(), ..named.clone() };
    // Secrets from before the root was known are none, and the draw waits on.
    set_witnesses(&world, &reveal([0; 32], &secrets)).await;
    ticks(&world).await;
    assert_eq!(shown(&fairness(&room).await), hidden);
    let path = format!("{ID}/me");
    let headers = [("waiting-room-token", tokens[0].as_str())];
    let left = room.call(Method::DELETE, &path, &headers, Value::Null).await;
    assert_eq!((left.status, &left.body["code"]), (503, &json!("ROOM_UNAVAILABLE")));
    set_witnesses(&world, &reveal(published, &secrets[1..])).await;
    let one = vec![(first.clone(), Value::Null), (second.clone(), text(&secrets[1]))];
    soon(async || (shown(&fairness(&room).await) == one).then_some(())).await;
    ticks(&world).await;
    let waiting = fairness(&room).await;
    assert_eq!((&waiting["seed"], &waiting["secret"]), (&Value::Null, &Value::Null));
    // Who is named now is no witness of the pre-queue that has gathered.
    let late =
        Witnesses { commitments: Vec::new(), ..reveal(published, &[secrets[1], secrets[0]]) };
    set_witnesses(&world, &late).await;
    let fairness = drawn(&room).await;
    let all = vec![(first, text(&secrets[0])), (second, text(&secrets[1]))];
    assert_eq!((shown(&fairness), &fairness["commitment"]), (all, &before["commitment"]));
    assert_holds(&downloads(&room, &fairness, &tokens).await);
}

#[tokio::test]
async fn a_leader_that_takes_over_draws_with_the_secret_of_the_one_before() {
    let world = World::new().await;
    let one = world.instance("a").await;
    gather(&world).await;
    world.list(ID, 100).await;
    let tokens = pre_queue(&one, 5).await;
    let committed = fairness(&one).await["commitment"].clone();
    assert!(committed.is_string());
    drop(one);
    let other = world.instance("b").await;
    let more = pre_queue(&other, 3).await;
    open(&world).await;
    let fairness = drawn(&other).await;
    assert_eq!(fairness["commitment"], committed);
    let all: Vec<String> = tokens.into_iter().chain(more).collect();
    assert_holds(&downloads(&other, &fairness, &all).await);
}

/// Who joins at once, and says the place's state.
async fn first_state(room: &Instance) -> Value {
    soon(async || {
        let joined = room.join(ID).await;
        (joined.status == 201).then(|| joined.body["state"].clone())
    })
    .await
}

#[tokio::test]
async fn a_line_that_goes_on_as_a_pre_queue_gives_no_place_of_the_line_once_that_is_known() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    world.list(ID, 100).await;
    assert_eq!(first_state(&room).await, "queued");
    gather(&world).await;
    soon(async || {
        // Joins go on all the time, so that giving is open.
        let state = first_state(&room).await;
        let is_known = room.room_status(ID).await.body["mode"] == "pre-queue";
        if is_known {
            let states = futures_util::future::join_all((0..40).map(|_| first_state(&room))).await;
            assert!(states.iter().all(|state| state == "prequeued"), "{states:?} after {state}");
        }
        is_known.then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_a_draw_is_made_of_is_promised_before_anybody_has_a_place_in_it() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    world.list(ID, 100).await;
    assert_eq!(first_state(&room).await, "queued");
    gather(&world).await;
    soon(async || (first_state(&room).await == "prequeued").then_some(())).await;
    let records = records(&world).await;
    assert!(records.starts_with(&["gather", "commitment"]), "{records:?}");
}

/// Nobody in a pre-queue is asked to check in, so their silence says nothing when it is drawn.
#[tokio::test]
async fn who_waits_for_a_draw_for_long_is_called_in_its_order_and_nobody_is_passed_as_gone() {
    let world = World::new().await;
    let room = world.instance("a").await;
    gathering(&world, &room).await;
    let tokens = pre_queue(&room, 20).await;
    // Longer than whoever was asked to check in is waited for.
    tokio::time::sleep(std::time::Duration::from_secs(46)).await;
    open(&world).await;
    soon(async || {
        let cursor = room.room_status(ID).await.body["cursor"].as_u64();
        (tokens.len() as u64 <= cursor?).then_some(())
    })
    .await;
    let mut skipped = Vec::new();
    for message in stored(&world).await {
        if message.subject == subject::admission(&event(ID))
            && let AdmissionRecord::Released(release) = codec::decode(&message.payload).unwrap()
        {
            skipped.extend(release.skipped);
        }
    }
    assert_eq!(skipped, [(0, 0); 0]);
}

/// Lists the event and waits until its room gathers: nobody has a place of the line before.
async fn gathering(world: &World, room: &Instance) {
    gather(world).await;
    world.list(ID, 100).await;
    soon(async || fairness(room).await["commitment"].is_string().then_some(())).await;
}

/// Who may have given out numbers dies with Redis, so nobody can say which were, but the cohort.
#[tokio::test]
async fn a_pre_queue_that_lost_redis_and_a_process_is_called_at_once_when_it_is_drawn() {
    let world = World::new().await;
    let one = world.instance("a").await;
    gathering(&world, &one).await;
    let mut tokens = pre_queue(&one, 5).await;
    drop(one);
    let redis = world.servers.redis().await;
    let () = redis.query(redis::cmd("FLUSHALL").arg("SYNC")).await.unwrap();
    let other = world.instance("b").await;
    tokens.extend(pre_queue(&other, 3).await);
    let numbers: Vec<u64> = entered(&world).await;
    let span = numbers.iter().max().unwrap() - numbers.iter().min().unwrap();
    assert!(waiting_room_core::MARK_BLOCK / 2 < span, "the loss left a doubt: {numbers:?}");
    let rate = |settings: &mut RoomSettings| {
        (settings.mode, settings.opens_at) = (RoomMode::PreQueue, Some(chassis::clock::now()));
        settings.admission_rate_per_minute = 6_000;
    };
    world.set(ID, rate).await;
    drawn(&other).await;
    let mut ticks = world.ticks(ID).await;
    // Some before the living have moved, some to call them: far from the 40 s of a silence.
    ticks.pass(40).await;
    for token in &tokens {
        assert_eq!(other.me(ID, token).await.body["state"], "ready", "nobody holds them up");
    }
    let called = other.room_status(ID).await.body["calledLastMinute"].as_u64().unwrap();
    let people = u64::try_from(numbers.len()).unwrap();
    assert!(called <= people, "{called} were called for {people} people");
    assert_holds(&downloads(&other, &fairness(&other).await, &tokens).await);
}

/// The numbers that are entered in the room's cohort.
async fn entered(world: &World) -> Vec<u64> {
    let cohort = subject::admission_cohort(&event(ID));
    let mut numbers = Vec::new();
    for message in stored(world).await {
        if message.subject == cohort {
            let entries = schema::cohort::decode(&message.payload).unwrap();
            numbers.extend(entries.iter().map(|(number, _)| *number));
        }
    }
    numbers
}

/// The draw is made while Redis holds the order of the pre-queue, which is lost before it hears.
#[tokio::test]
async fn redis_lost_after_the_draw_holds_nobody_up_with_numbers_of_nobody() {
    let world = World::new().await;
    let one = world.instance("a").await;
    gathering(&world, &one).await;
    pre_queue(&one, 5).await;
    drop(one);
    let redis = world.servers.redis().await;
    let () = redis.query(redis::cmd("FLUSHALL").arg("SYNC")).await.unwrap();
    let other = world.instance("b").await;
    let tokens = pre_queue(&other, 3).await;
    world
        .set(ID, |settings| {
            (settings.mode, settings.opens_at) = (RoomMode::PreQueue, Some(chassis::clock::now()));
            settings.admission_rate_per_minute = 0;
        })
        .await;
    drawn(&other).await;
    let () = redis.query(redis::cmd("FLUSHALL").arg("SYNC")).await.unwrap();
    soon(async || (other.room_status(ID).await.body["epoch"] == 3).then_some(())).await;
    let mut ticks = world.ticks(ID).await;
    ticks.pass(8).await;
    let people = u64::try_from(entered(&world).await.len()).unwrap();
    let waiting = other.room_status(ID).await.body["waiting"].as_u64().unwrap();
    // Some may have joined before the room gathered.
    assert!((people..people + 50).contains(&waiting), "{waiting} wait, the cohort has {people}");
    world
        .set(ID, |settings| {
            (settings.mode, settings.opens_at) = (RoomMode::PreQueue, Some(chassis::clock::now()));
            settings.admission_rate_per_minute = 6_000;
        })
        .await;
    ticks.pass(40).await;
    for token in &tokens {
        assert_eq!(other.me(ID, token).await.body["state"], "ready");
    }
}

#[tokio::test]
async fn nobody_joins_a_pre_queue_before_its_time_and_everybody_from_then_on() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 100).await;
    let begins_at = UnixMillis(chassis::clock::now().0 + 2_500);
    world
        .set(ID, |settings| {
            settings.mode = RoomMode::PreQueue;
            settings.opens_at = Some(UnixMillis(begins_at.0 + 60_000));
            settings.options.prequeue_from = Some(begins_at);
        })
        .await;
    let refused = soon(async || {
        let refused = room.join(ID).await;
        (refused.body["code"] == "NOT_OPEN_YET").then_some(refused)
    })
    .await;
    assert_eq!(refused.status, 423);
    let text = refused.headers["retry-after"].to_str().unwrap();
    assert!((1..=3).contains(&text.parse::<u64>().unwrap()), "{text} s");
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains(&begins_at.to_string()), "{detail}");
    let joined = soon(async || {
        let joined = room.join(ID).await;
        (joined.status == 201).then_some(joined)
    })
    .await;
    assert!(begins_at <= chassis::clock::now());
    assert_eq!(joined.body["state"], "prequeued");
}
