//! Passes that are given back, at rooms without seats.

use super::world::{Answer, Instance, World, event, soon};
use chassis::Which;
use futures_util::future::join_all;
use http::Method;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use schema::admission::{PassClaims, PassGivenBack};
use schema::{EventListing, PassPlace, RoomMode, UnixMillis, codec, subject};
use serde_json::{Value, json};
use std::time::Duration;

const ID: &str = "EVT001";
const OTHER: &str = "EVT002";

/// Makes a room without seats that lets `active_max` in at a time.
async fn shop(world: &World, id: &str, active_max: u32) {
    open(world, id, active_max).await;
    let now = chassis::clock::now();
    world
        .list_with(id, 0, |listing| {
            *listing = EventListing::without_seats(event(id), "A shop", now);
        })
        .await;
}

async fn open(world: &World, id: &str, active_max: u32) {
    world
        .set(id, |settings| {
            settings.active_max = active_max;
            settings.admission_rate_per_minute = 6_000;
        })
        .await;
}

/// A world with a shop for one at a time, and two instances.
async fn small_shop() -> (World, Instance, Instance) {
    let world = World::new().await;
    let (one, two) = (world.instance("a").await, world.instance("b").await);
    shop(&world, ID, 1).await;
    (world, one, two)
}

async fn with_pass(room: &Instance, method: Method, path: &str, pass: &str) -> Answer {
    room.call(method, path, &[("admission-pass", pass)], Value::Null).await
}

async fn give_back(room: &Instance, pass: &str) -> Answer {
    with_pass(room, Method::DELETE, &format!("{ID}/pass"), pass).await
}

/// What a gate is answered, which names the event in its question, in a header, or not at all.
async fn gate(room: &Instance, pass: &str) -> u16 {
    let unnamed = with_pass(room, Method::GET, "authz", pass).await.status;
    let named = with_pass(room, Method::GET, &format!("authz?eventId={ID}"), pass).await.status;
    let headers = [("admission-pass", pass), ("admission-event", ID)];
    let by_header = room.call(Method::POST, "authz", &headers, Value::Null).await.status;
    assert_eq!((unnamed, by_header), (named, named));
    named
}

async fn comes_in(room: &Instance, token: &str) -> String {
    let claimed = room.claimed(ID, token).await;
    assert_eq!(claimed.status, 200, "{}", claimed.body);
    claimed.body["pass"].as_str().unwrap().to_owned()
}

async fn leave(room: &Instance, token: &str) -> u16 {
    let headers = [("waiting-room-token", token)];
    room.call(Method::DELETE, &format!("{ID}/me"), &headers, Value::Null).await.status
}

/// The state and the end of a place.
async fn told(room: &Instance, token: &str) -> (Value, Value) {
    let me = soon(async || {
        let me = room.me(ID, token).await;
        if me.status == 429 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        (me.status == 200).then_some(me.body)
    })
    .await;
    (me["state"].clone(), me["end"].clone())
}

async fn assert_nobody_is_called(world: &World, room: &Instance, token: &str) {
    world.ticks(ID).await.pass(4).await;
    assert_eq!(room.claim(ID, token).await.body["code"], "NOT_CALLED");
}

/// How many passes the stream says were given back.
async fn records(world: &World) -> usize {
    let stream = subject::admission_stream(&event(ID));
    let stream = world.nats.jetstream.get_stream(stream).await.unwrap();
    let given_back = subject::admission_given_back(&event(ID));
    let mut info = stream.info_with_subjects(given_back).await.unwrap();
    let mut count = 0;
    while let Some(subject) = futures_util::StreamExt::next(&mut info).await {
        count += subject.unwrap().1;
    }
    count
}

#[tokio::test]
async fn who_gives_a_pass_back_is_outside_everywhere_and_the_next_comes_in() {
    let (world, one, two) = small_shop().await;
    let (first, second) = (one.place(ID).await, one.place(ID).await);
    let third = one.place(ID).await;
    let pass = comes_in(&one, &first).await;
    soon(async || (gate(&two, &pass).await == 204).then_some(())).await;
    assert_nobody_is_called(&world, &one, &second).await;
    // At an instance that has never heard of the place.
    let answer = give_back(&two, &pass).await;
    assert_eq!((answer.status, &answer.body), (204, &Value::Null));
    let gone =
        format!("__Host-admission_pass-{ID}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax");
    assert_eq!(answer.headers["set-cookie"], *gone);
    assert_eq!(gate(&two, &pass).await, 401, "at once where it was given back");
    soon(async || (gate(&one, &pass).await == 401).then_some(())).await;
    let next = comes_in(&one, &second).await;
    assert_eq!((gate(&one, &next).await, gate(&two, &next).await), (204, 204));
    for room in [&one, &two] {
        assert_eq!(give_back(room, &pass).await.status, 204, "again");
        assert_eq!(leave(room, &first).await, 204);
        let wanted = (json!("completed"), json!("given-back"));
        assert_eq!(told(room, &first).await, wanted);
        let claim = room.claim(ID, &first).await;
        assert_eq!((claim.status, &claim.body["code"]), (410, &json!("CLAIM_EXPIRED")));
        assert_eq!(told(room, &second).await, (json!("admitted"), Value::Null));
    }
    assert_eq!(records(&world).await, 1);
    assert_nobody_is_called(&world, &one, &third).await;
}

#[tokio::test]
async fn what_was_given_back_is_known_after_restarts_and_counted_once_by_the_next_leader() {
    let world = World::new().await;
    let one = world.instance("a").await;
    shop(&world, ID, 2).await;
    // Two are called by one release: who counted one of them twice would call a third.
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    soon(async || (one.room_status(ID).await.body["mode"] == "hold").then_some(())).await;
    let mut tokens = Vec::new();
    for _ in 0..4 {
        tokens.push(one.place(ID).await);
    }
    open(&world, ID, 2).await;
    let first = comes_in(&one, &tokens[0]).await;
    let second = comes_in(&one, &tokens[1]).await;
    assert_nobody_is_called(&world, &one, &tokens[2]).await;
    assert_eq!(give_back(&one, &first).await.status, 204);
    let third = comes_in(&one, &tokens[2]).await;
    drop(one);
    let other = world.instance("b").await;
    assert_eq!(gate(&other, &first).await, 401, "from the first answer on");
    assert_eq!((gate(&other, &second).await, gate(&other, &third).await), (204, 204));
    assert_nobody_is_called(&world, &other, &tokens[3]).await;
    // What Redis forgets is not in it.
    let redis = world.servers.redis().await;
    let () = redis.query(redis::cmd("FLUSHALL").arg("SYNC")).await.unwrap();
    other.place(ID).await;
    assert_eq!(gate(&other, &first).await, 401);
    assert_eq!(other.claim(ID, &tokens[0]).await.body["code"], "CLAIM_EXPIRED");
    assert_eq!(other.claim(ID, &tokens[3]).await.body["code"], "NOT_CALLED");
    assert_eq!(give_back(&other, &third).await.status, 204);
    let fourth = comes_in(&other, &tokens[3]).await;
    assert_eq!([gate(&other, &third).await, gate(&other, &fourth).await], [401, 204]);
}

/// A pass as the keys of the world sign it, good for so long from now, or over for as long.
fn signed(world: &World, event_id: &str, number: u64, good_ms: i64) -> String {
    let key = world.key_folder().ed25519("pass").unwrap();
    let header = Header { kid: Some(key.kid.clone()), ..Header::new(Algorithm::EdDSA) };
    let until = UnixMillis(chassis::clock::now().0.checked_add_signed(good_ms).unwrap());
    let claims = PassClaims::new(event(event_id), PassPlace { epoch: 1, number }, until, None);
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&key.pkcs8)).unwrap()
}

#[tokio::test]
async fn only_a_good_pass_of_the_event_is_taken_back_and_none_that_buys_seats() {
    let (world, one, _two) = small_shop().await;
    world.list(OTHER, 100).await;
    let first = one.place(ID).await;
    let pass = comes_in(&one, &first).await;
    let foreign = one.place(OTHER).await;
    let foreign = one.claimed(OTHER, &foreign).await.body["pass"].as_str().unwrap().to_owned();
    let end = if pass.ends_with('A') { "Q" } else { "A" };
    let flipped = format!("{}{end}", &pass[..pass.len() - 1]);
    let ended = signed(&world, ID, 1, -1);
    for (what, wrong) in
        [("none", ""), ("forged", &*flipped), ("foreign", &*foreign), ("ended", &*ended)]
    {
        let answer = give_back(&one, wrong).await;
        assert_eq!((answer.status, &answer.body["code"]), (401, &json!("PASS_REQUIRED")), "{what}");
        assert_eq!(answer.headers["waiting-room"], &*format!("/api/queue/{ID}"), "{what}");
        assert!(!answer.headers.contains_key("set-cookie"), "{what}");
    }
    assert_eq!((records(&world).await, gate(&one, &pass).await), (0, 204));
    let of_seats = |pass: String| {
        let one = &one;
        async move { with_pass(one, Method::DELETE, &format!("{OTHER}/pass"), &pass).await }
    };
    assert_eq!(of_seats(pass).await.status, 401);
    let answer = of_seats(foreign.clone()).await;
    assert_eq!((answer.status, &answer.body["code"]), (409, &json!("PASS_BUYS_SEATS")));
    let still = with_pass(&one, Method::GET, &format!("authz?eventId={OTHER}"), &foreign).await;
    assert_eq!(still.status, 204);
    let nowhere = with_pass(&one, Method::DELETE, "NONE/pass", &foreign).await;
    assert_eq!((nowhere.status, &nowhere.body["code"]), (404, &json!("EVENT_UNKNOWN")));
}

#[tokio::test]
async fn all_good_passes_of_a_request_end_that_come_as_cookies() {
    let world = World::new().await;
    let room = world.instance("a").await;
    shop(&world, ID, 2).await;
    let (first, second) = (room.place(ID).await, room.place(ID).await);
    let passes = [comes_in(&room, &first).await, comes_in(&room, &second).await];
    let cookie = format!(
        "admission_pass=bad; admission_pass={}; __Host-admission_pass-{ID}={}",
        passes[0], passes[1]
    );
    let headers = [("cookie", &*cookie)];
    let answer = room.call(Method::DELETE, &format!("{ID}/pass"), &headers, Value::Null).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert_eq!((gate(&room, &passes[0]).await, gate(&room, &passes[1]).await), (401, 401));
}

#[tokio::test]
async fn who_leaves_with_a_pass_gives_it_back_and_who_leaves_before_the_claim_does_not() {
    let (world, one, two) = small_shop().await;
    let (first, second) = (one.place(ID).await, one.place(ID).await);
    let third = one.place(ID).await;
    let pass = comes_in(&one, &first).await;
    // The other has not heard of the claim, and perhaps not of the call.
    for _ in 0..2 {
        assert_eq!(leave(&two, &first).await, 204);
    }
    assert_eq!(gate(&two, &pass).await, 401);
    let wanted = (json!("completed"), json!("given-back"));
    assert_eq!(told(&two, &first).await, wanted);
    soon(async || (told(&one, &second).await.0 == "ready").then_some(())).await;
    assert_nobody_is_called(&world, &one, &third).await;
    assert_eq!(leave(&one, &second).await, 204);
    let third = comes_in(&one, &third).await;
    assert_eq!(told(&one, &second).await, (json!("expired"), json!("abandoned")));
    assert_eq!((records(&world).await, gate(&one, &third).await), (1, 204));
}

#[tokio::test]
async fn who_leaves_with_a_pass_long_after_its_claim_was_counted_gives_it_back() {
    let (world, one, two) = small_shop().await;
    world
        .set(ID, |settings| {
            settings.active_max = 1;
            settings.admission_rate_per_minute = 6_000;
            settings.claim_window_seconds = 2;
        })
        .await;
    // The leader has the settings.
    world.ticks(ID).await.pass(5).await;
    let first = one.place(ID).await;
    let pass = comes_in(&one, &first).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.ticks(ID).await.pass(3).await;
    assert_eq!(leave(&two, &first).await, 204);
    assert_eq!(gate(&two, &pass).await, 401);
    assert_eq!(records(&world).await, 1);
}

#[tokio::test]
async fn a_place_that_has_no_pass_cannot_have_given_one_back() {
    let (world, one, _two) = small_shop().await;
    let (first, second) = (one.place(ID).await, one.place(ID).await);
    comes_in(&one, &first).await;
    // No process writes this: the pass of a place that waits would have to be signed.
    let record = PassGivenBack { number: 2, at: UnixMillis(1) };
    let subject = subject::admission_given_back(&event(ID));
    let stored = world.nats.jetstream.publish(subject, codec::encode(&record).into());
    stored.await.unwrap().await.unwrap();
    assert_nobody_is_called(&world, &one, &second).await;
    let pass = signed(&world, ID, 2, 60_000);
    assert_eq!(give_back(&one, &pass).await.body["code"], "ROOM_UNAVAILABLE");
    assert_eq!(leave(&one, &first).await, 204);
    comes_in(&one, &second).await;
}

#[tokio::test]
async fn a_flood_for_one_pass_is_one_record_and_without_nats_nothing_is_given_back() {
    let world = World::new().await;
    let (one, two) = (world.instance("a").await, world.instance("b").await);
    shop(&world, ID, 2).await;
    let (first, second) = (one.place(ID).await, one.place(ID).await);
    let (pass, other) = (comes_in(&one, &first).await, comes_in(&one, &second).await);
    soon(async || (two.room_status(ID).await.status == 200).then_some(())).await;
    let asks = (0..8).flat_map(|_| [give_back(&one, &pass), give_back(&two, &pass)]);
    for answer in join_all(asks).await {
        assert_eq!(answer.status, 204, "{}", answer.body);
    }
    assert_eq!(records(&world).await, 1);
    world.servers.kill(Which::Nats).await;
    let asks = (0..30).map(|_| give_back(&one, &other));
    let answers: Vec<u16> = join_all(asks).await.iter().map(|answer| answer.status).collect();
    let count = |status: u16| answers.iter().filter(|&&found| found == status).count();
    assert_eq!(count(503) + count(429), 30, "{answers:?}");
    assert!((1..=15).contains(&count(503)), "{answers:?}");
    assert_eq!((gate(&one, &pass).await, gate(&one, &other).await), (401, 204));
    assert_eq!(give_back(&one, &pass).await.status, 204, "what is known asks nobody");
    world.servers.restart(Which::Nats).await;
    soon(async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        (give_back(&one, &other).await.status == 204).then_some(())
    })
    .await;
    assert_eq!(gate(&one, &other).await, 401);
}
