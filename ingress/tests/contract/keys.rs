//! Every POST says what a repetition of it does: a table of all of them, held against the document.

use std::collections::BTreeMap;
use std::time::Duration;

use chassis::idempotency::{Claim, Kept, finish};
use futures_util::StreamExt;
use ingress::Role;
use schema::{AccountId, CancelAnswer, TicketId, TransferAnswer, TransferTicket, codec, subject};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::client::Http;
use crate::rig::{Rig, event};

/// What a repetition of a request under the same `Idempotency-Key` does.
enum Repeated {
    /// It is a command: its owner remembers what was decided.
    Command,
    /// Its answer is kept with its effect.
    Kept,
    /// The key is not looked at, for this reason.
    Exempt(&'static str),
}

use Repeated::{Command, Exempt, Kept as KeptAnswer};

const POSTS: [(&str, Repeated); 22] = [
    ("/api/admin/events", KeptAnswer),
    ("/api/admin/events/import", KeptAnswer),
    ("/api/admin/events/{eventId}/draw", KeptAnswer),
    ("/api/admin/events/{eventId}/kills", Command),
    ("/api/admin/webhooks/{webhookId}/replay", KeptAnswer),
    ("/api/auth/login", Exempt("each is a session; to keep its answer were to keep a credential")),
    ("/api/auth/logout", Exempt("a session that has ended stays so")),
    ("/api/auth/refresh", Exempt("the refresh token is the key: one that comes twice was copied")),
    ("/api/auth/register", KeptAnswer),
    ("/api/bookings/confirm", Command),
    ("/api/bookings/reservations/{reservationId}/extend", Command),
    ("/api/bookings/reservations/{reservationId}/swap", Command),
    ("/api/bookings/reserve", Command),
    ("/api/bookings/{bookingId}/cancel", KeptAnswer),
    ("/api/bookings/{bookingId}/tickets/{ticketId}/cancel", KeptAnswer),
    ("/api/checkin", Exempt("each scan has an id, and hears the same again")),
    ("/api/partners/allocations", Exempt("each operation has a ref, which is its key")),
    ("/api/partners/keys", KeptAnswer),
    ("/api/partners/webhooks", KeptAnswer),
    ("/api/partners/webhooks/{webhookId}/rotate", KeptAnswer),
    ("/api/tickets/{ticketId}/transfer", KeptAnswer),
    ("/api/webhooks/{provider}", Exempt("an event has an id, and is believed nothing")),
];

/// A request that is kept, and another one that its key does not fit.
struct Example {
    path: String,
    token: String,
    body: Value,
    other: (String, Value),
    status: u16,
}

#[tokio::test]
async fn every_post_is_in_the_table_of_repetitions() {
    let rig = Rig::start().await;
    let document = rig.http.get("/openapi.json", "").await.json();
    let paths = document["paths"].as_object().unwrap();
    let posts = paths.iter().filter(|(_, item)| item.get("post").is_some());
    let posts: Vec<&str> = posts.map(|(path, _)| path.as_str()).collect();
    let known: Vec<&str> = POSTS.iter().map(|(path, _)| *path).collect();
    assert_eq!(posts, known, "a POST has to say what a repetition of it does");
    let table: BTreeMap<&str, &Repeated> = POSTS.iter().map(|(path, how)| (*path, how)).collect();
    for (path, item) in paths.iter().filter(|(_, item)| item.get("post").is_some()) {
        let parameters = item["post"]["parameters"].as_array().cloned().unwrap_or_default();
        let takes_key = parameters.iter().any(|one| one["name"] == "Idempotency-Key");
        let is_exempt = matches!(table[path.as_str()], Exempt(_));
        assert_eq!(takes_key, !is_exempt, "{path} in the document");
    }
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_by_every_post_that_looks_at_it() {
    let rig = Rig::start().await;
    let operator = rig.login("operator", &[Role::Operator]).await;
    rig.event(&operator, "EVT100").await;
    let fan = rig.login("fan", &[Role::Fan]).await;
    let hold = "r-01KC0000000000000000000000";
    for (path, how) in POSTS {
        let (token, path, body) = match (how, path) {
            (Exempt(reason), _) => {
                assert!(!reason.is_empty());
                continue;
            }
            (KeptAnswer, path) => {
                let example = example(&rig, path, 1).await;
                (example.token, example.path, example.body)
            }
            (Command, "/api/admin/events/{eventId}/kills") => {
                let body = json!({"reason": "CAMERA", "seats": ["A-1-1"]});
                (operator.clone(), path.replace("{eventId}", "EVT100"), body)
            }
            (Command, path) => {
                let body = json!({"eventId": "EVT100", "seats": [{"seatId": "A-1-1"}],
                    "reservationId": hold, "paymentMethod": "CREDIT_CARD"});
                (fan.clone(), path.replace("{reservationId}", hold), body)
            }
        };
        let more = [("idempotency-key", "a b")];
        let answer = rig.http.json("POST", &path, &token, &more, body).await;
        assert_eq!(answer.problem(), (400, "IDEMPOTENCY_KEY_INVALID".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_repetition_gets_the_first_answer_and_another_request_none() {
    let mut rig = Rig::start().await;
    let second = rig.another().await;
    play_settlement(&rig).await;
    let operator = rig.login("operator", &[Role::Operator]).await;
    rig.event(&operator, "EVT100").await;
    for (path, _) in POSTS.iter().filter(|(_, how)| matches!(how, KeptAnswer)) {
        let Example { path, token, body, other, status } = example(&rig, path, 2).await;
        let ask = async |http: &Http, key: &str, path: &str, body: &Value| {
            let more = [("idempotency-key", key)];
            http.json("POST", path, &token, &more, body.clone()).await
        };
        let first = ask(&rig.http, "key", &path, &body).await;
        assert_eq!((first.status, first.header("idempotency-replayed")), (status, ""), "{first:?}");
        for http in [&rig.http, &second] {
            let again = ask(http, "\"key\"", &path, &body).await;
            assert_eq!(again.header("idempotency-replayed"), "true", "{path} {again:?}");
            assert_eq!((again.status, &again.text), (first.status, &first.text), "{path}");
            assert_eq!(again.header("content-type"), first.header("content-type"), "{path}");
        }
        let mismatch = ask(&second, "key", &other.0, &other.1).await;
        assert_eq!(mismatch.problem(), (422, "IDEMPOTENCY_MISMATCH".to_owned()), "{path}");
        unanswered(&rig.postgres, NOW).await;
        let in_flight = ask(&second, "key", &path, &body).await;
        assert_eq!(in_flight.problem(), (409, "IDEMPOTENCY_IN_FLIGHT".to_owned()), "{path}");
        assert_eq!(in_flight.header("retry-after"), "1", "{path}");
        forget(&rig.postgres).await;
    }
}

/// The commit of the effect is there, and the process died before it kept the answer.
#[tokio::test]
async fn what_was_done_before_a_crash_is_found_and_not_done_again() {
    let rig = Rig::start().await;
    play_settlement(&rig).await;
    let operator = rig.login("operator", &[Role::Operator]).await;
    rig.event(&operator, "EVT100").await;
    // Of the others the answer is in the commit of the effect.
    for path in [
        "/api/admin/events",
        "/api/admin/events/import",
        "/api/bookings/{bookingId}/cancel",
        "/api/bookings/{bookingId}/tickets/{ticketId}/cancel",
    ] {
        let example = example(&rig, path, 3).await;
        same_after_a_crash(&rig, &example.path, &example.token, &example.body).await;
    }
    let path = "/api/admin/events/EVT100/draw";
    for body in [
        json!({"beaconRequired": true}),
        json!({"beacon": "round 7", "root": BYTES}),
        json!({"witnesses": [COMMITMENT]}),
        json!({"secrets": [BYTES], "root": BYTES}),
    ] {
        same_after_a_crash(&rig, path, &operator, &body).await;
    }
}

/// What is 32 times 1, and the commitment to that.
const BYTES: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
const COMMITMENT: &str = "Tcm2ts7pzq3SnXLXZyvYR5bd0uzVWRnCpDnMPahOfIw";

#[tokio::test]
async fn a_repetition_of_naming_witnesses_leaves_what_they_have_revealed_since() {
    let rig = Rig::start().await;
    let operator = rig.login("operator", &[Role::Operator]).await;
    rig.event(&operator, "EVT100").await;
    let draw = async |key: &str, body: Value| {
        let (path, more) = ("/api/admin/events/EVT100/draw", [("idempotency-key", key)]);
        let answer = rig.http.json("POST", path, &operator, &more, body).await;
        assert_eq!((answer.status, answer.header("idempotency-replayed")), (202, ""), "{answer:?}");
        answer.json()["secretsRevealed"].as_u64().unwrap()
    };
    let names = json!({"witnesses": [COMMITMENT]});
    assert_eq!(draw("name", names.clone()).await, 0);
    unanswered(&rig.postgres, LONG_AGO).await;
    assert_eq!(draw("reveal", json!({"secrets": [BYTES], "root": BYTES})).await, 1);
    assert_eq!(draw("name", names.clone()).await, 1);
    assert_eq!(draw("again", names).await, 1, "the same ones");
    let others = json!({"witnesses": [BYTES]});
    assert_eq!(draw("others", others).await, 0, "whoever names others begins anew");
}

async fn same_after_a_crash(rig: &Rig, path: &str, token: &str, body: &Value) {
    let more = [("idempotency-key", "k")];
    let first = rig.http.json("POST", path, token, &more, body.clone()).await;
    assert!(first.status < 300, "{first:?}");
    unanswered(&rig.postgres, LONG_AGO).await;
    let again = rig.http.json("POST", path, token, &more, body.clone()).await;
    assert_eq!(again.header("idempotency-replayed"), "", "it was done, not recalled: {again:?}");
    assert_eq!((again.status, &again.text), (first.status, &first.text), "{path} {body}");
    forget(&rig.postgres).await;
}

#[tokio::test]
async fn an_effect_and_its_answer_are_one_commit() {
    let rig = Rig::start().await;
    let function = "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'broken'; END $$";
    let trigger = "CREATE TRIGGER broken BEFORE UPDATE OF status ON keyed_answer FOR EACH ROW
        EXECUTE FUNCTION broken()";
    for query in [function, trigger] {
        sqlx::query(query).execute(&rig.postgres).await.unwrap();
    }
    for path in ["/api/auth/register", "/api/partners/keys", "/api/partners/webhooks"] {
        let Example { path, token, body, status, .. } = example(&rig, path, 4).await;
        let more = [("idempotency-key", "k")];
        let ask = async || rig.http.json("POST", &path, &token, &more, body.clone()).await;
        assert_eq!(ask().await.problem(), (503, "STORE_UNAVAILABLE".to_owned()), "{path}");
        assert_eq!(ask().await.status, 503, "{path}: the key is not in flight");
        let count =
            "SELECT (SELECT count(*) FROM api_key) + (SELECT count(*) FROM webhook_endpoint)
            + (SELECT count(*) FROM account WHERE name = 'Ann')";
        let made: i64 = sqlx::query_scalar(count).fetch_one(&rig.postgres).await.unwrap();
        assert_eq!(made, 0, "{path}");
        let off = "ALTER TABLE keyed_answer DISABLE TRIGGER broken";
        sqlx::query(off).execute(&rig.postgres).await.unwrap();
        let made = ask().await;
        assert_eq!((made.status, made.header("idempotency-replayed")), (status, ""), "{path}");
        let on = "ALTER TABLE keyed_answer ENABLE TRIGGER broken";
        sqlx::query(on).execute(&rig.postgres).await.unwrap();
        forget(&rig.postgres).await;
        for tidy in ["DELETE FROM account WHERE name = 'Ann'", "DELETE FROM api_key"] {
            sqlx::query(tidy).execute(&rig.postgres).await.unwrap();
        }
    }
}

#[tokio::test]
async fn one_key_at_two_gateways_at_once_makes_one_account() {
    let mut rig = Rig::start().await;
    let second = rig.another().await;
    let Example { path, body, .. } = example(&rig, "/api/auth/register", 5).await;
    let more = [("idempotency-key", "k")];
    let ask = async |http: &Http| http.json("POST", &path, "", &more, body.clone()).await;
    let (a, b, c, d) = tokio::join!(ask(&rig.http), ask(&second), ask(&rig.http), ask(&second));
    let mut made = Vec::new();
    for answer in [a, b, c, d] {
        match answer.status {
            201 => made.push(answer.text),
            _ => assert_eq!(answer.problem(), (409, "IDEMPOTENCY_IN_FLIGHT".to_owned())),
        }
    }
    let again = ask(&second).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
    assert!(!made.is_empty());
    assert!(made.iter().all(|text| *text == again.text), "{made:?}");
}

#[tokio::test]
async fn keys_of_two_callers_are_two_keys_and_a_refusal_is_kept_too() {
    let rig = Rig::start().await;
    let more = [("idempotency-key", "k")];
    let register = async |email: &str, key: &str| {
        let body = json!({"email": email, "password": "long enough", "name": "Ann"});
        let more = [("idempotency-key", key)];
        rig.http.json("POST", "/api/auth/register", "", &more, body).await
    };
    assert_eq!(register("a@usher.test", "k").await.status, 201);
    assert_eq!(register("b@usher.test", "k").await.status, 201);
    let taken = register("a@usher.test", "other").await;
    assert_eq!(taken.problem(), (409, "EMAIL_TAKEN".to_owned()));
    let again = register("a@usher.test", "other").await;
    assert_eq!(again.problem(), (409, "EMAIL_TAKEN".to_owned()));
    assert_eq!((again.header("idempotency-replayed"), &again.text), ("true", &taken.text));
    let partners =
        [rig.login("p1", &[Role::Partner]).await, rig.login("p2", &[Role::Partner]).await];
    let mut keys = Vec::new();
    for token in &partners {
        let body = json!({"name": "box office"});
        let made = rig.http.json("POST", "/api/partners/keys", token, &more, body).await;
        keys.push(made.json()["apiKey"].as_str().unwrap().to_owned());
    }
    assert_ne!(keys[0], keys[1]);
    let stored = "SELECT string_agg(body, '') FROM keyed_answer";
    let stored: String = sqlx::query_scalar(stored).fetch_one(&rig.postgres).await.unwrap();
    assert!(!stored.contains(keys[0].trim_start_matches("usk_")), "no API key is stored");
}

/// Who goes away leaves the key at once; nobody waits for half a minute.
#[tokio::test]
async fn a_client_that_goes_away_leaves_its_key_to_the_next_try() {
    let rig = Rig::start().await;
    let mut questions = rig.nats.client.subscribe(subject::SETTLE_CANCEL).await.unwrap();
    let Example { path, token, .. } = example(&rig, "/api/bookings/{bookingId}/cancel", 6).await;
    let more = [("idempotency-key", "k")];
    let asked = rig.http.json("POST", &path, &token, &more, json!(null));
    tokio::select! {
        answer = asked => panic!("nobody has answered: {answer:?}"),
        question = questions.next() => assert!(question.is_some()),
    }
    // The first request is dropped, and its connection with it.
    play_settlement(&rig).await;
    let mut tries = 0;
    let answer = loop {
        let answer = rig.http.json("POST", &path, &token, &more, json!(null)).await;
        if answer.status == 200 || tries == 200 {
            break answer;
        }
        tries += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn keys_of_yesterday_are_forgotten() {
    let rig = Rig::start().await;
    let Example { path, body, .. } = example(&rig, "/api/auth/register", 7).await;
    let more = [("idempotency-key", "k")];
    assert_eq!(rig.http.json("POST", &path, "", &more, body).await.status, 201);
    let sweep = async |age: i64| {
        let sweep = sqlx::query_scalar::<_, i64>("SELECT keys_sweep($1, 10)").bind(age);
        sweep.fetch_one(&rig.postgres).await.unwrap()
    };
    assert_eq!(sweep(86_400_000).await, 0);
    assert_eq!(sweep(-1_000).await, 1);
}

/// More than three sweeps forget; the first gateway may still be at its first one.
const OLD_KEYS: i32 = 30_001;

#[tokio::test]
async fn a_gateway_forgets_all_keys_of_yesterday_however_many_there_are() {
    let mut rig = Rig::start().await;
    let insert = "INSERT INTO keyed_answer
        SELECT int4send(n), int4send(n), int4send(n), 1, 1, 404, '' FROM generate_series(1, $1) n";
    sqlx::query(insert).bind(OLD_KEYS).execute(&rig.postgres).await.unwrap();
    // It sweeps when it starts, and then in five minutes.
    rig.another().await;
    let left = async || {
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM keyed_answer");
        count.fetch_one(&rig.postgres).await.unwrap()
    };
    let forgotten = async {
        while left().await != 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let forgotten = tokio::time::timeout(Duration::from_mins(1), forgotten).await;
    assert!(forgotten.is_ok(), "{} are left", left().await);
}

/// `round` makes each example another one.
async fn example(rig: &Rig, path: &str, round: usize) -> Example {
    let name = format!("{}-{round}", path.replace(['/', '{', '}'], "")).to_lowercase();
    let email = format!("{name}@usher.test");
    let path_text = path.to_owned();
    let same_path = |token: String, body: Value, other: Value, status: u16| Example {
        path: path_text.clone(),
        token,
        body,
        other: (path_text.clone(), other),
        status,
    };
    match path {
        "/api/auth/register" => {
            let body =
                |password: &str| json!({"email": email, "password": password, "name": "Ann"});
            same_path(String::new(), body("long enough"), body("long enough!"), 201)
        }
        "/api/partners/keys" => {
            let partner = rig.login(&name, &[Role::Partner]).await;
            same_path(partner, json!({"name": "a"}), json!({"name": "b"}), 201)
        }
        "/api/admin/events" => {
            let operator = rig.login(&name, &[Role::Operator]).await;
            let id = |number: usize| event(&format!("EVT9{number}{round}"));
            same_path(operator, id(1), id(2), 201)
        }
        "/api/admin/events/import" => {
            let operator = rig.login(&name, &[Role::Operator]).await;
            let events =
                |number: usize| json!({"events": [event(&format!("EVT8{number}{round}"))]});
            same_path(operator, events(1), events(2), 200)
        }
        "/api/admin/events/{eventId}/draw" => {
            let token = rig.login(&name, &[Role::Operator]).await;
            let path = path.replace("{eventId}", "EVT100");
            let other = (path.clone(), json!({"beaconRequired": false}));
            Example { path, token, body: json!({"beaconRequired": true}), other, status: 202 }
        }
        "/api/bookings/{bookingId}/cancel" => {
            let token = rig.login(&name, &[Role::Fan]).await;
            let mut paths = Vec::new();
            for seat in [0, 1] {
                let order = rig.booked(account(rig, &token).await, seat, "refunded").await;
                paths.push(path.replace("{bookingId}", &order.to_string()));
            }
            let other = (paths.pop().unwrap(), json!(null));
            Example { path: paths.pop().unwrap(), token, body: json!(null), other, status: 200 }
        }
        _ => example_of_tickets(rig, path, &name).await,
    }
}

async fn example_of_tickets(rig: &Rig, path: &str, name: &str) -> Example {
    match path {
        "/api/bookings/{bookingId}/tickets/{ticketId}/cancel" => {
            let token = rig.login(name, &[Role::Fan]).await;
            let mut paths = Vec::new();
            for seat in [3, 4] {
                let order = rig.booked(account(rig, &token).await, seat, "paid").await;
                let ticket = TicketId { order, line: 0 }.to_string();
                let path = path.replace("{bookingId}", &order.to_string());
                paths.push(path.replace("{ticketId}", &ticket));
            }
            let other = (paths.pop().unwrap(), json!(null));
            Example { path: paths.pop().unwrap(), token, body: json!(null), other, status: 200 }
        }
        "/api/tickets/{ticketId}/transfer" => {
            let token = rig.login(name, &[Role::Fan]).await;
            let to = [format!("{name}-to"), format!("{name}-other")];
            for name in &to {
                rig.login(name, &[Role::Fan]).await;
            }
            let order = rig.booked(account(rig, &token).await, 2, "paid").await;
            let path = path.replace("{ticketId}", &TicketId { order, line: 0 }.to_string());
            let [body, other] = to.map(|name| json!({"toEmail": format!("{name}@usher.test")}));
            Example { path: path.clone(), token, body, other: (path, other), status: 200 }
        }
        _ => example_of_webhooks(rig, path, name).await,
    }
}

async fn example_of_webhooks(rig: &Rig, path: &str, name: &str) -> Example {
    match path {
        "/api/partners/webhooks" => {
            let token = rig.login(name, &[Role::Partner]).await;
            let url = |path: &str| json!({"url": format!("https://example.org/{path}")});
            let other = (path.to_owned(), url("b"));
            Example { path: path.to_owned(), token, body: url("a"), other, status: 201 }
        }
        "/api/partners/webhooks/{webhookId}/rotate" => {
            let token = rig.login(name, &[Role::Partner]).await;
            let mut paths = Vec::new();
            for _ in 0..2 {
                paths.push(path.replace("{webhookId}", &webhook(rig, &token).await));
            }
            let other = (paths.pop().unwrap(), json!(null));
            Example { path: paths.pop().unwrap(), token, body: json!(null), other, status: 200 }
        }
        "/api/admin/webhooks/{webhookId}/replay" => {
            let owner = rig.login(&format!("{name}-owner"), &[Role::Partner]).await;
            let path = path.replace("{webhookId}", &webhook(rig, &owner).await);
            let token = rig.login(name, &[Role::Operator]).await;
            let between = |to: &str| json!({"from": "2026-01-01T00:00:00Z", "to": to});
            let other = (path.clone(), between("2028-01-01T00:00:00Z"));
            Example { path, token, body: between("2027-01-01T00:00:00Z"), other, status: 200 }
        }
        _ => panic!("no example of {path}"),
    }
}

async fn webhook(rig: &Rig, token: &str) -> String {
    let body = json!({"url": "https://example.org/hooks"});
    let made = rig.http.post("/api/partners/webhooks", token, body).await.json();
    made["webhookId"].as_str().unwrap().to_owned()
}

async fn account(rig: &Rig, token: &str) -> AccountId {
    let me = rig.http.get("/api/auth/me", token).await.json();
    me["accountId"].as_str().unwrap().parse().unwrap()
}

/// Answers as settlement does: bookings are paid back, tickets given, receipts kept.
async fn play_settlement(rig: &Rig) {
    let cancels = rig.nats.client.subscribe(subject::SETTLE_CANCEL).await.unwrap();
    let tickets = rig.nats.client.subscribe(subject::SETTLE_CANCEL_TICKET).await.unwrap();
    let mut cancels = futures_util::stream::select(cancels, tickets);
    let mut transfers = rig.nats.client.subscribe(subject::SETTLE_TRANSFER).await.unwrap();
    let (client, postgres) = (rig.nats.client.clone(), rig.postgres.clone());
    chassis::tasks::spawn("test-settlement", async move {
        loop {
            let (inbox, answer) = tokio::select! {
                Some(message) = cancels.next() => {
                    let answer = CancelAnswer::Refunded { sequence: 0 };
                    (message.reply, codec::encode(&answer))
                }
                Some(message) = transfers.next() => {
                    let wanted: TransferTicket = codec::decode(&message.payload).unwrap();
                    let receipt = wanted.receipt.unwrap();
                    let claim = Claim { key: receipt.key, attempt: receipt.attempt };
                    let kept = Kept { status: receipt.status, body: receipt.body.to_string() };
                    assert!(finish(&postgres, &claim, &kept).await.unwrap());
                    (message.reply, codec::encode(&TransferAnswer::Transferred))
                }
                else => return,
            };
            client.publish(inbox.unwrap(), answer.into()).await.unwrap();
        }
    });
}

/// As if the last attempt had begun now, or so long ago that its process must be dead.
const NOW: &str = "extract(epoch FROM clock_timestamp())::BIGINT * 1000";
const LONG_AGO: &str = "extract(epoch FROM clock_timestamp())::BIGINT * 1000 - 31000";

/// Takes the answers from all keys.
async fn unanswered(postgres: &PgPool, taken_at: &str) {
    let query = format!(
        "WITH known AS (DELETE FROM keyed_answer RETURNING *)
         INSERT INTO keyed_answer SELECT key_hash, fingerprint, attempt, began_at, {taken_at}
         FROM known"
    );
    let done = sqlx::query(sqlx::AssertSqlSafe(query)).execute(postgres).await.unwrap();
    assert!(0 < done.rows_affected());
}

async fn forget(postgres: &PgPool) {
    sqlx::query("DELETE FROM keyed_answer").execute(postgres).await.unwrap();
}
