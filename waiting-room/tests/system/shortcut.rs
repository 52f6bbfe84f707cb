//! The shortcut says what the routes say, or nothing.

use super::world::{Instance, World, soon};
use axum::body::Body;
use http::header::CONTENT_LENGTH;
use http::{Method, Request};
use schema::RoomMode;

const ID: &str = "EVT001";

fn request(method: Method, path: &str, token: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(format!("/api/queue/{path}"));
    request.header("waiting-room-token", token).body(Body::empty()).unwrap()
}

fn poll(token: &str) -> Request<Body> {
    request(Method::GET, &format!("{ID}/me"), token)
}

async fn state(room: &Instance, token: &str) -> String {
    let answer = room.ask_router(poll(token)).await;
    answer.body["state"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_waiting_place_hears_the_same_on_both_ways() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 1_000).await;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    let token = room.place(ID).await;
    soon(async || (state(&room, &token).await == "queued").then_some(())).await;
    for path in [format!("{ID}/me"), format!("{ID}/status")] {
        let request = || request(Method::GET, &path, &token);
        // The document of all may be rendered anew between the two looks.
        soon(async || {
            let short = super::world::read(room.short(&request())?).await;
            let mut long = room.ask_router(request()).await;
            // On the wire both have it: a listener sets what is missing.
            long.headers.remove(CONTENT_LENGTH);
            assert_eq!((short.status, &short.headers), (long.status, &long.headers), "{path}");
            (short.body == long.body).then_some(())
        })
        .await;
    }
    while room.short(&poll(&token)).unwrap().status() == 200 {}
    let refused = room.ask_router(poll(&token)).await;
    assert_eq!(refused.status, 429, "both count the same place's polls");
}

#[tokio::test]
async fn what_has_to_be_asked_of_redis_or_refused_is_left_to_the_routes() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 1_000).await;
    world.set(ID, |settings| settings.admission_rate_per_minute = 6_000).await;
    let token = room.place(ID).await;
    soon(async || (state(&room, &token).await == "ready").then_some(())).await;
    assert!(room.short(&poll(&token)).is_none(), "called");
    let forged = format!("{}A", &token[..token.len() - 1]);
    let others = [
        poll(&forged),
        request(Method::DELETE, &format!("{ID}/me"), &token),
        request(Method::GET, &format!("{ID}/fairness"), &token),
        request(Method::GET, "EVT999/status", &token),
        request(Method::GET, "%45VT001/status", &token),
    ];
    for other in others {
        assert!(room.short(&other).is_none(), "{other:?}");
    }
    let encoded = request(Method::GET, "%45VT001/status", &token);
    assert_eq!(room.ask_router(encoded).await.status, 200, "which know what is encoded");
}

#[tokio::test]
async fn a_join_is_answered_in_the_same_form_on_both_ways_and_only_where_there_is_a_room() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.list(ID, 1_000).await;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    room.place(ID).await;
    let join = |id: &str, key: &str, body: &'static str| {
        let request = Request::builder().method(Method::POST).uri(format!("/api/queue/{id}/join"));
        let request = request.header("content-type", "application/json");
        request.header("idempotency-key", key).body(Body::from(body)).unwrap()
    };
    let short = super::world::read(room.taken(join(ID, "a", "{}")).await.unwrap()).await;
    let mut long = room.ask_router(join(ID, "b", "{}")).await;
    long.headers.remove(CONTENT_LENGTH);
    assert_eq!((short.status, &short.headers), (201, &long.headers));
    let members = |answer: &super::world::Answer| -> Vec<String> {
        answer.body.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(members(&short), members(&long));
    assert_eq!(short.body["number"].as_u64().unwrap() + 1, long.body["number"].as_u64().unwrap());
    let again = room.ask_router(join(ID, "a", "{}")).await;
    assert_eq!(again.body["token"], short.body["token"], "one memory of keys");
    assert_eq!(again.headers["idempotency-replayed"], "true");
    for (body, code) in [("[]", "REQUEST_INVALID"), ("{", "REQUEST_UNREADABLE")] {
        let refused = super::world::read(room.taken(join(ID, "c", body)).await.unwrap()).await;
        assert_eq!(refused.body["code"], code);
        assert_eq!(refused.body, room.ask_router(join(ID, "c", body)).await.body);
    }
    for other in [join("EVT999", "d", "{}"), join("EVT001/x", "d", "{}"), poll("")] {
        assert!(room.taken(other).await.is_err(), "left to the routes");
    }
}
