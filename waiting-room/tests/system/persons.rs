//! Rooms in which a person has one place: by login, or by the word of the promoter.

use super::world::{Answer, Instance, World, soon};
use chassis::base64url;
use chassis::keys::sha256;
use http::Method;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use schema::{AccountId, EnqueueKey, RoomMode, RoomSettings};
use serde_json::{Value, json};

const ID: &str = "EVT001";
const SECRET: [u8; 32] = [9; 32];

/// The account token of a fan.
fn login(world: &World, account: u128) -> String {
    let key = world.key_folder().ed25519("account").unwrap();
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(key.kid.clone());
    let exp = chassis::clock::now().0 / 1_000 + 600;
    let account = AccountId(account);
    let claims = json!({"iss": "usher", "aud": "usher-account", "sub": account, "exp": exp});
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&key.pkcs8)).unwrap()
}

/// The promoter's word.
fn invited(person: &str, id: &str) -> String {
    let exp = chassis::clock::now().0 / 1_000 + 600;
    let claims = json!({"sub": person, "event": ID, "exp": exp, "jti": id});
    let key = EncodingKey::from_secret(&SECRET);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
}

async fn join(room: &Instance, headers: &[(&str, &str)], body: Value) -> Answer {
    soon(async || {
        let answer = room.call(Method::POST, &format!("{ID}/join"), headers, body.clone()).await;
        let is_there = answer.body["code"] != "EVENT_UNKNOWN" && answer.status != 503;
        is_there.then_some(answer)
    })
    .await
}

async fn join_as(room: &Instance, login: &str, body: Value) -> Answer {
    join(room, &[("authorization", &format!("Bearer {login}"))], body).await
}

async fn join_with(room: &Instance, token: &str) -> Answer {
    join(room, &[], json!({"enqueueToken": token})).await
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body["token"].as_str().unwrap().to_owned()
}

fn held_with_login(settings: &mut RoomSettings) {
    settings.mode = RoomMode::Hold;
    settings.options.login_required = true;
}

#[tokio::test]
async fn an_account_has_one_live_place_from_wherever_it_joins_and_another_when_that_is_over() {
    let world = World::new().await;
    let (one, two) = (world.instance("a").await, world.instance("b").await);
    world.set(ID, held_with_login).await;
    world.list(ID, 1_000).await;
    let (me, other) = (login(&world, 1), login(&world, 2));
    let nobody = soon(async || {
        let answer = join(&one, &[], json!({})).await;
        (answer.status != 201).then_some(answer)
    })
    .await;
    assert_eq!((nobody.status, &nobody.body["code"]), (401, &json!("LOGIN_REQUIRED")));
    assert_eq!(join_as(&one, "no.such.login", json!({})).await.status, 401);
    let secret = base64url::encode(&sha256(&[b"mine".as_slice()]));
    let first = token(&join_as(&one, &me, json!({"popHash": secret})).await);
    for room in [&one, &two] {
        for body in [json!({"popHash": secret}), json!({})] {
            assert_eq!(token(&join_as(room, &me, body).await), first, "the same token");
        }
    }
    let keyed = format!("Bearer {me}");
    let headers = [("authorization", keyed.as_str()), ("idempotency-key", "k")];
    assert_eq!(token(&join(&two, &headers, json!({})).await), first, "whatever the key");
    let keyed = format!("Bearer {other}");
    let headers = [("authorization", keyed.as_str()), ("idempotency-key", "k")];
    let others = token(&join(&two, &headers, json!({})).await);
    assert_ne!(others, first, "another account is another person, also under the same key");
    // Called, and given up: over.
    let call = |settings: &mut RoomSettings| settings.options.login_required = true;
    world.set(ID, call).await;
    soon(async || (one.me(ID, &others).await.body["state"] == "ready").then_some(())).await;
    assert_eq!(token(&join_as(&one, &other, json!({})).await), others, "called is live");
    let headers = [("waiting-room-token", others.as_str())];
    one.call(Method::DELETE, &format!("{ID}/me"), &headers, Value::Null).await;
    let again = soon(async || {
        let again = token(&join_as(&one, &other, json!({})).await);
        (again != others).then_some(again)
    })
    .await;
    assert_eq!(token(&join_as(&two, &other, json!({})).await), again);
    assert_eq!(token(&join_as(&two, &me, json!({})).await), first);
}

#[tokio::test]
async fn where_a_login_is_wanted_a_place_is_claimed_by_the_account_that_joined_and_no_other() {
    let world = World::new().await;
    let room = world.instance("a").await;
    world.set(ID, |settings| settings.mode = RoomMode::Hold).await;
    world.list(ID, 1_000).await;
    let before = token(&join(&room, &[], json!({})).await);
    world.set(ID, |settings| settings.options.login_required = true).await;
    let nobody = soon(async || {
        let answer = join(&room, &[], json!({})).await;
        (answer.status != 201).then_some(answer)
    });
    assert_eq!(nobody.await.body["code"], "LOGIN_REQUIRED");
    let (me, other) = (login(&world, 1), login(&world, 2));
    let mine = token(&join_as(&room, &me, json!({})).await);
    let others = token(&join_as(&room, &other, json!({})).await);
    soon(async || (room.me(ID, &others).await.body["state"] == "ready").then_some(())).await;
    let claim = async |place: &str, login: Option<&str>| {
        let bearer = login.map(|login| format!("Bearer {login}"));
        let mut headers = vec![("waiting-room-token", place)];
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        let claimed = room.call(Method::POST, &format!("{ID}/claim"), &headers, Value::Null).await;
        (claimed.status, claimed.body["code"].clone())
    };
    assert_eq!(claim(&mine, None).await, (401, json!("LOGIN_REQUIRED")));
    assert_eq!(claim(&mine, Some(&other)).await, (403, json!("PLACE_FOREIGN")));
    let stranger = login(&world, 3);
    assert_eq!(claim(&mine, Some(&me)).await, (200, Value::Null));
    assert_eq!(claim(&others, Some(&other)).await, (200, Value::Null));
    assert_eq!(claim(&mine, Some(&stranger)).await, (403, json!("PLACE_FOREIGN")), "never joined");
    // Nobody was asked for a login when it was given out.
    assert_eq!(claim(&before, None).await, (401, json!("LOGIN_REQUIRED")));
    assert_eq!(claim(&before, Some(&stranger)).await, (200, Value::Null));
}

#[tokio::test]
async fn one_account_that_joins_everywhere_at_once_gets_one_number() {
    let world = World::new().await;
    let (one, two) = (world.instance("a").await, world.instance("b").await);
    world.set(ID, held_with_login).await;
    world.list(ID, 1_000).await;
    let me = login(&world, 1);
    let joins = (0..40).map(|at| join_as(if at % 2 == 0 { &one } else { &two }, &me, json!({})));
    let tokens: Vec<String> =
        futures_util::future::join_all(joins).await.iter().map(token).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    let next = token(&join_as(&one, &login(&world, 2), json!({})).await);
    let number = async |token: &str| one.me(ID, token).await.body["number"].as_u64().unwrap();
    assert_eq!(number(&tokens[0]).await + 1, number(&next).await, "it took one number");
}

#[tokio::test]
async fn an_account_has_one_place_in_a_pre_queue_and_keeps_it_through_the_draw() {
    let world = World::new().await;
    let room = world.instance("a").await;
    let later = schema::UnixMillis(chassis::clock::now().0 + 3_600_000);
    let gather = |settings: &mut RoomSettings| {
        (settings.mode, settings.opens_at) = (RoomMode::PreQueue, Some(later));
        settings.options.login_required = true;
    };
    world.set(ID, gather).await;
    world.list(ID, 1_000).await;
    let me = login(&world, 1);
    let secret = base64url::encode(&sha256(&[b"mine".as_slice()]));
    let first = soon(async || {
        let joined = join_as(&room, &me, json!({"popHash": secret})).await;
        (joined.body["state"] == "prequeued").then(|| token(&joined))
    })
    .await;
    assert_eq!(token(&join_as(&room, &me, json!({})).await), first);
    world
        .set(ID, |settings| {
            gather(settings);
            settings.opens_at = Some(chassis::clock::now());
        })
        .await;
    soon(async || (room.me(ID, &first).await.body["state"] == "ready").then_some(())).await;
    assert_eq!(token(&join_as(&room, &me, json!({})).await), first);
}

#[tokio::test]
async fn a_promoters_token_is_good_for_one_place_of_its_person() {
    let world = World::new().await;
    let (one, two) = (world.instance("a").await, world.instance("b").await);
    let invited_only = |settings: &mut RoomSettings| {
        settings.options.enqueue_token_required = true;
        settings.options.enqueue_key = Some(EnqueueKey::Hs256 { secret: SECRET.to_vec() });
    };
    world.set(ID, invited_only).await;
    world.list(ID, 1_000).await;
    let refused = soon(async || {
        let answer = join(&one, &[], json!({})).await;
        (answer.status == 403).then_some(answer)
    })
    .await;
    assert_eq!(refused.body["code"], "ENQUEUE_TOKEN_REQUIRED");
    let forged = format!("{}A", invited("fan-1", "a"));
    let refused = join_with(&one, &forged).await;
    assert_eq!((refused.status, &refused.body["code"]), (403, &json!("ENQUEUE_TOKEN_INVALID")));
    let first = token(&join_with(&one, &invited("fan-1", "a")).await);
    assert_eq!(token(&join_with(&one, &invited("fan-1", "a")).await), first, "a replay");
    assert_eq!(token(&join_with(&two, &invited("fan-1", "b")).await), first, "another token");
    let other = token(&join_with(&two, &invited("fan-2", "c")).await);
    assert_ne!(other, first);
    // Over is over: the token was good for one place.
    soon(async || (one.me(ID, &first).await.body["state"] == "ready").then_some(())).await;
    let headers = [("waiting-room-token", first.as_str())];
    one.call(Method::DELETE, &format!("{ID}/me"), &headers, Value::Null).await;
    soon(async || (one.me(ID, &first).await.body["end"] == "abandoned").then_some(())).await;
    assert_eq!(token(&join_with(&one, &invited("fan-1", "d")).await), first);
    // A room without a key looks at no token.
    world.set(ID, |_| {}).await;
    soon(async || {
        (join(&one, &[], json!({"enqueueToken": "x"})).await.status == 201).then_some(())
    })
    .await;
}

#[tokio::test]
async fn with_a_login_a_promoters_token_gives_no_second_place_and_is_one_accounts() {
    let world = World::new().await;
    let (one, two) = (world.instance("a").await, world.instance("b").await);
    let both = |settings: &mut RoomSettings| {
        held_with_login(settings);
        settings.options.enqueue_key = Some(EnqueueKey::Hs256 { secret: SECRET.to_vec() });
    };
    world.set(ID, both).await;
    world.list(ID, 1_000).await;
    let (me, other) = (login(&world, 1), login(&world, 2));
    let named = |person: &str, id: &str| json!({"enqueueToken": invited(person, id)});
    let first = token(&join_as(&one, &me, json!({})).await);
    for (room, body) in [
        (&one, named("fan-1", "a")),
        (&two, named("fan-2", "b")),
        (&two, named("fan-1", "c")),
        (&one, json!({})),
    ] {
        assert_eq!(token(&join_as(room, &me, body).await), first, "one account, one place");
    }
    let taken = join_as(&two, &other, named("fan-1", "d")).await;
    assert_eq!((taken.status, &taken.body["code"]), (403, &json!("ENQUEUE_TOKEN_TAKEN")));
    let others = token(&join_as(&two, &other, named("fan-3", "e")).await);
    assert_ne!(others, first);
    assert_eq!(join(&one, &[], named("fan-4", "f")).await.status, 401);
    // Over: without a token, or with a fresh one, there is another place; not with an old one.
    let open = |settings: &mut RoomSettings| {
        both(settings);
        settings.mode = RoomMode::Open;
    };
    world.set(ID, open).await;
    soon(async || (one.me(ID, &others).await.body["state"] == "ready").then_some(())).await;
    let headers = [("waiting-room-token", others.as_str())];
    one.call(Method::DELETE, &format!("{ID}/me"), &headers, Value::Null).await;
    soon(async || (one.me(ID, &others).await.body["end"] == "abandoned").then_some(())).await;
    assert_eq!(token(&join_as(&one, &other, named("fan-3", "g")).await), others, "used up");
    let again = token(&join_as(&one, &other, named("fan-5", "h")).await);
    assert_ne!(again, others);
    assert_eq!(token(&join_as(&two, &other, json!({})).await), again);
}
