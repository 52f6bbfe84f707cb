//! Joins that are asked for again under their `Idempotency-Key`, wherever.

use super::world::{Answer, Instance, World, soon};
use chassis::keys::sha256;
use chassis::{Which, base64url};
use http::Method;
use schema::RoomMode;
use serde_json::{Value, json};

const ID: &str = "EVT001";

async fn ask(room: &Instance, key: &str, body: &Value) -> Answer {
    let headers = [("idempotency-key", key)];
    room.call(Method::POST, &format!("{ID}/join"), &headers, body.clone()).await
}

/// Joins under the key until there is another answer than that the room is not there yet.
async fn answered(room: &Instance, key: &str, body: &Value) -> Answer {
    soon(async || {
        let answer = ask(room, key, body).await;
        let is_open = !(answer.body["code"] == "EVENT_UNKNOWN" || answer.status == 503);
        is_open.then_some(answer)
    })
    .await
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body["token"].as_str().unwrap().to_owned()
}

fn is_replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

/// Every POST of a room, and what a repetition of it does.
#[test]
fn a_join_has_a_key_a_claim_gives_the_same_pass_a_gate_only_asks_and_there_is_no_other_post() {
    let document = serde_json::to_value(waiting_room::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let posts: Vec<&str> =
        paths.filter(|(_, item)| !item["post"].is_null()).map(|(path, _)| path.as_str()).collect();
    let known = ["/api/queue/authz", "/api/queue/{eventId}/claim", "/api/queue/{eventId}/join"];
    assert_eq!(posts, known);
}

#[tokio::test]
async fn a_repeated_join_gets_its_first_token_at_a_second_instance_and_after_a_restart() {
    let world = World::new().await;
    let one = world.instance("a").await;
    world.list(ID, 1_000).await;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    let body = json!({"popHash": base64url::encode(&sha256(&[b"a secret of mine".as_slice()]))});
    let first = answered(&one, "key-1", &body).await;
    assert!(!is_replayed(&first));
    let first = token(&first);
    let two = world.instance("b").await;
    let again = answered(&two, "key-1", &body).await;
    assert!(is_replayed(&again), "not by chance");
    assert_eq!(token(&again), first);
    drop((one, two));
    let three = world.instance("c").await;
    let other = answered(&three, "key-1", &json!({})).await;
    assert_eq!((other.status, &other.body["code"]), (422, &json!("IDEMPOTENCY_MISMATCH")));
    let again = answered(&three, "key-1", &body).await;
    assert_eq!((token(&again), is_replayed(&again)), (first.clone(), true));
    let next = answered(&three, "key-2", &body).await;
    assert!(!is_replayed(&next));
    let number = async |token: &str| three.me(ID, token).await.body["number"].as_u64().unwrap();
    assert!(number(&first).await < number(&token(&next)).await, "another key is another place");
}

#[tokio::test]
async fn one_key_asked_at_two_instances_at_once_is_one_place() {
    let world = World::new().await;
    let (one, two) = (world.instance("a").await, world.instance("b").await);
    world.list(ID, 1_000).await;
    for room in [&one, &two] {
        room.place(ID).await;
    }
    for number in 0..50 {
        let (key, body) = (format!("key-{number}"), json!({}));
        let asks = (answered(&one, &key, &body), answered(&two, &key, &body));
        let (left, right) = tokio::join!(asks.0, asks.1);
        assert_eq!(token(&left), token(&right));
        assert!(is_replayed(&left) != is_replayed(&right), "one was first");
    }
}

#[tokio::test]
async fn a_room_that_has_closed_refuses_new_keys_and_still_answers_those_it_has_answered() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 1_000).await;
    let body = json!({});
    let first = token(&answered(&room, "key-1", &body).await);
    world.giving_is_closed(ID).await;
    world.set(ID, |settings| settings.mode = RoomMode::Closed).await;
    drop(room);
    let room = world.instance("b").await;
    soon(async || (room.join(ID).await.body["code"] == "ROOM_CLOSED").then_some(())).await;
    assert_eq!(token(&answered(&room, "key-1", &body).await), first);
    assert_eq!(ask(&room, "key-2", &body).await.body["code"], "ROOM_CLOSED");
    assert_eq!(ask(&room, "a b", &body).await.body["code"], "IDEMPOTENCY_KEY_INVALID");
    let other = ask(&room, "key-1", &json!({"enqueueToken": "x"})).await;
    assert_eq!(other.body["code"], "IDEMPOTENCY_MISMATCH");
}

#[tokio::test]
async fn a_key_outlives_the_kill_of_redis_and_process_together() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 1_000).await;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    let first = token(&answered(&room, "key-1", &json!({})).await);
    world.servers.kill(Which::Redis).await;
    drop(room);
    world.servers.restart(Which::Redis).await;
    let room = world.instance("b").await;
    let again = answered(&room, "key-1", &json!({})).await;
    assert_eq!((token(&again), is_replayed(&again)), (first.clone(), true));
    assert_eq!(room.room_status(ID).await.body["epoch"], 2);
    let next = token(&answered(&room, "key-2", &json!({})).await);
    let number = async |token: &str| room.me(ID, token).await.body["number"].as_u64().unwrap();
    assert!(number(&first).await < number(&next).await);
    world.set(ID, |settings| settings.mode = RoomMode::Open).await;
    assert_eq!(room.claimed(ID, &first).await.status, 200, "the place is good");
}

#[tokio::test]
async fn a_key_is_forgotten_with_what_redis_holds_and_its_place_stays() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 1_000).await;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    let first = token(&answered(&room, "key-1", &json!({})).await);
    let redis = world.servers.redis().await;
    let () = redis.query(redis::cmd("FLUSHALL").arg("SYNC")).await.unwrap();
    soon(async || (room.room_status(ID).await.body["epoch"] == 2).then_some(())).await;
    assert_eq!(token(&ask(&room, "key-1", &json!({})).await), first, "this process has it still");
    drop(room);
    let room = world.instance("b").await;
    let second = answered(&room, "key-1", &json!({})).await;
    assert!(!is_replayed(&second));
    let number = async |token: &str| room.me(ID, token).await.body["number"].as_u64().unwrap();
    assert!(number(&first).await < number(&token(&second)).await);
}
