//! The shops and the room keep the contract that they are measured by.

use super::conventional::Conventional;
use super::postgres_only::PostgresOnly;
use super::servers::{Kind, Servers};
use super::shop::{self, Store};
use super::{Appending, Inserting, append, bare, insert, redis_zset, serve};
use crate::wire::{Answer, Connection, Door, Question};
use async_nats::jetstream;
use axum::Router;
use schema::{Shards, subject};
use serde_json::{Value, json};
use sqlx::Executor as _;
use std::time::Duration;
use tokio::task::JoinSet;

/// Connections of a shop to Postgres.
const POOL: u32 = 2;

/// How long a limit of the machine is looked for.
const SHORT: Duration = Duration::from_millis(200);

const CALL_WAIT: Duration = Duration::from_secs(20);

/// One who asks a baseline that ends with this.
struct Visitor {
    connection: Connection,
    token: String,
    _serving: JoinSet<()>,
}

impl Visitor {
    fn at(router: Router) -> Self {
        let (listener, port) = serve::listen(0).unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(serve::serve(listener, router));
        let door = Door::new(&format!("http://127.0.0.1:{port}")).unwrap();
        let connection = Connection::new(&door, 0);
        Self { connection, token: String::new(), _serving: serving }
    }

    async fn post(&mut self, path: &str, key: &str, body: &Value) -> Answer {
        let question = Question::post(path, body);
        let question = question.header("authorization", format!("Bearer {}", self.token));
        let question = question.header("idempotency-key", key.to_owned());
        self.connection.ask(question).await.unwrap()
    }

    /// Status, code and body of a reserve.
    async fn reserve(&mut self, key: &str, seats: &[&str]) -> (u16, Value, Value) {
        let seats: Vec<Value> = seats.iter().map(|seat| json!({"seatId": seat})).collect();
        let body = json!({"eventId": "E", "seats": seats});
        let answer = self.post("/api/bookings/reserve", key, &body).await;
        let body = answer.json().unwrap();
        (answer.status, body["code"].clone(), body)
    }

    /// As [`Visitor::reserve`], of the best seats.
    async fn best(&mut self, key: &str, quantity: u32) -> (u16, Value, Value) {
        let body = json!({"eventId": "E", "bestAvailable": {"quantity": quantity}});
        let answer = self.post("/api/bookings/reserve", key, &body).await;
        let body = answer.json().unwrap();
        (answer.status, body["code"].clone(), body)
    }

    async fn confirm(&mut self, reservation: &Value) -> (u16, Value) {
        let body = json!({"reservationId": reservation, "paymentMethod": "CREDIT_CARD"});
        let answer = self.post("/api/bookings/confirm", "c", &body).await;
        (answer.status, answer.json().unwrap())
    }
}

/// The visitor is the second of two accounts at the end; of the event's six seats A-1-1, A-2-2 and
/// A-2-3 are free then.
async fn a_shop_keeps_its_promises(store: Store) -> Visitor {
    let mut visitor = Visitor::at(shop::router(store));
    assert_eq!(visitor.reserve("k", &["A-1-1"]).await.0, 401, "nobody is logged in");
    let accounts = visitor.post("/bench/accounts", "", &json!({"count": 2})).await.json().unwrap();
    let token = |idx: usize| accounts["accounts"][idx]["token"].as_str().unwrap().to_owned();
    visitor.token = token(0);
    let level = |amount: i64| json!({"price": {"amount": amount, "currency": "EUR"}});
    let row = |row: &str, level: u8| json!({"row": row, "seats": 3, "priceLevel": level});
    let event = json!({
        "eventId": "E", "priceLevels": [level(500), level(300)],
        "plan": {"sections": [{"section": "A", "rows": [row("1", 0), row("2", 1)]}]},
    });
    let events = json!({"events": [event]});
    assert_eq!(visitor.post("/api/admin/events/import", "", &events).await.status, 200);

    let (status, _, held) = visitor.reserve("k1", &["A-1-3", "A-2-1"]).await;
    assert_eq!((status, &held["total"]["amount"]), (201, &json!(800)));
    let (status, _, again) = visitor.reserve("k1", &["A-1-3", "A-2-1"]).await;
    assert_eq!((status, &again["reservationId"]), (201, &held["reservationId"]), "a repetition");
    let other = visitor.reserve("k1", &["A-1-1"]).await;
    // Another body under a known key changes nothing.
    assert_eq!((other.0, other.1), (422, json!("IDEMPOTENCY_MISMATCH")));
    let refused = visitor.reserve("k2", &["A-1-2", "A-1-3"]).await;
    assert_eq!((refused.0, refused.1), (409, json!("SEAT_TAKEN")));
    assert_eq!(visitor.reserve("k3", &["A-1-2"]).await.0, 201, "nothing of k2 was held");
    assert_eq!(visitor.reserve("k4", &["A-9-9"]).await.1, json!("SEAT_UNKNOWN"));

    let (status, sold) = visitor.confirm(&held["reservationId"]).await;
    assert_eq!((status, &sold["status"]), (200, &json!("CONFIRMED")), "{sold}");
    let prices = [&sold["tickets"][0]["price"]["amount"], &sold["tickets"][1]["price"]["amount"]];
    assert_eq!(prices, [&json!(500), &json!(300)]);
    let (_, again) = visitor.confirm(&held["reservationId"]).await;
    assert_eq!(again["tickets"], sold["tickets"], "the same booking");
    assert_eq!(visitor.reserve("k5", &["A-2-1"]).await.0, 409, "it is sold");
    visitor.token = token(1);
    assert_eq!(visitor.confirm(&held["reservationId"]).await.0, 404, "it is somebody else's");
    visitor
}

/// Two of the three free seats, then none for two; whatever is refused holds nothing.
async fn the_best_are_free_ones(mut visitor: Visitor) {
    let (status, _, held) = visitor.best("b1", 2).await;
    assert_eq!(status, 201, "{held}");
    let seat = |held: &Value, idx: usize| held["seats"][idx]["seatId"].as_str().unwrap().to_owned();
    let mut taken = vec![seat(&held, 0), seat(&held, 1)];
    let (status, _, again) = visitor.best("b1", 2).await;
    assert_eq!((status, &again["reservationId"]), (201, &held["reservationId"]), "a repetition");
    let refused = visitor.best("b2", 2).await;
    assert_eq!((refused.0, refused.1), (409, json!("SEAT_TAKEN")), "one is left");
    let (status, _, last) = visitor.best("b3", 1).await;
    assert_eq!(status, 201, "nothing of b2 was held: {last}");
    taken.push(seat(&last, 0));
    taken.sort();
    assert_eq!(taken, ["A-1-1", "A-2-2", "A-2-3"]);
    let (status, sold) = visitor.confirm(&held["reservationId"]).await;
    assert_eq!((status, &sold["total"]), (200, &held["total"]), "{sold}");
}

/// Whether the ledger has the sale and its capture, and sums to zero.
async fn balances(postgres: &str) -> bool {
    let pool = sqlx::PgPool::connect(postgres).await.unwrap();
    let sums = "SELECT count(*) = 4 AND sum(amount) = 0 AND max(amount) = 800 FROM ledger_entry";
    sqlx::query_scalar(sums).fetch_one(&pool).await.unwrap()
}

async fn nothing_is_charged_for_what_is_not_sold_or_not_noted(mut visitor: Visitor, url: &str) {
    let pool = sqlx::PgPool::connect(url).await.unwrap();
    let (_, _, lost) = visitor.reserve("c1", &["A-1-1"]).await;
    let taken = "UPDATE seat SET reservation_id = NULL WHERE order_id IS NULL";
    pool.execute(taken).await.unwrap();
    assert_eq!(visitor.confirm(&lost["reservationId"]).await.0, 410, "somebody else has it");
    let both = [("captured".to_owned(), 800), ("cancelled".to_owned(), 500)];
    assert_eq!(charged(url).await, both);

    let (_, _, held) = visitor.reserve("c2", &["A-2-2"]).await;
    pool.execute("ALTER TABLE provider.payment RENAME TO away").await.unwrap();
    assert_eq!(visitor.confirm(&held["reservationId"]).await.0, 503, "nobody answers");
    let noted = "SELECT count(*) FROM begun_charge WHERE reservation_id = $1::TEXT::UUID";
    let noted = sqlx::query_scalar::<_, i64>(noted).bind(held["reservationId"].as_str());
    assert_eq!(noted.fetch_one(&pool).await.unwrap(), 1, "noted before it was asked");
    pool.execute("ALTER TABLE provider.away RENAME TO payment").await.unwrap();
    assert_eq!(visitor.confirm(&held["reservationId"]).await.0, 200);
}

/// The provider's payments in their order: how each stands, and its amount.
async fn charged(postgres: &str) -> Vec<(String, i64)> {
    let pool = sqlx::PgPool::connect(postgres).await.unwrap();
    let payments = "SELECT state, amount FROM provider.payment ORDER BY created_at";
    sqlx::query_as(payments).fetch_all(&pool).await.unwrap()
}

#[tokio::test]
async fn all_shops_hold_replay_refuse_and_sell() {
    let folder = tempfile::tempdir().unwrap();
    let kinds = [Kind::Postgres, Kind::Redis];
    let servers = Servers::start(&folder.path().join("conventional"), &kinds).unwrap();
    let (postgres, redis) =
        (servers.url(Kind::Postgres).unwrap(), servers.url(Kind::Redis).unwrap());
    let store = Conventional::open(&postgres, &redis, POOL).await.unwrap();
    let mut visitor = a_shop_keeps_its_promises(Store::Conventional(store)).await;
    // A lock for each seat needs its name: it says so, and holds nothing.
    assert_eq!(visitor.best("b1", 1).await.1, json!("REQUEST_INVALID"));
    assert_eq!(visitor.reserve("k6", &["A-1-1", "A-2-2", "A-2-3"]).await.0, 201);
    assert!(balances(&postgres).await);

    let servers = Servers::start(&folder.path().join("charging"), &kinds).unwrap();
    let (postgres, redis) =
        (servers.url(Kind::Postgres).unwrap(), servers.url(Kind::Redis).unwrap());
    let store = Conventional::charging(&postgres, &redis, POOL).await.unwrap();
    let visitor = a_shop_keeps_its_promises(Store::Conventional(store)).await;
    assert!(balances(&postgres).await);
    assert_eq!(charged(&postgres).await, [("captured".to_owned(), 800)], "once");
    nothing_is_charged_for_what_is_not_sold_or_not_noted(visitor, &postgres).await;

    let servers = Servers::start(&folder.path().join("postgres"), &[Kind::Postgres]).unwrap();
    let postgres = servers.url(Kind::Postgres).unwrap();
    let store = PostgresOnly::open(&postgres, POOL).await.unwrap();
    let visitor = a_shop_keeps_its_promises(Store::PostgresOnly(store)).await;
    assert!(balances(&postgres).await);
    the_best_are_free_ones(visitor).await;
}

/// At least the ledger's sums are whatever was sold: nothing is made or lost.
#[tokio::test]
async fn raw_postgres_inserts_whole_sales() {
    let folder = tempfile::tempdir().unwrap();
    let servers = Servers::start(&folder.path().join("raw"), &[Kind::Postgres]).unwrap();
    let url = servers.url(Kind::Postgres).unwrap();
    let inserting = Inserting { url: url.clone(), parties: vec![1.0, 1.0], time: SHORT };
    let (per_second, latency) = insert(&inserting).await.unwrap();
    assert!(0.0 < per_second && 0 < latency.count(), "{per_second}");
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    let counts = "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM ledger_entry), \
                  (SELECT sum(amount)::BIGINT FROM ledger_entry), \
                  (SELECT count(*) FROM ticket), (SELECT count(*) FROM live_seat)";
    let counts: (i64, i64, i64, i64, i64) = sqlx::query_as(counts).fetch_one(&pool).await.unwrap();
    let (orders, entries, sum, tickets, seats) = counts;
    assert_eq!(orders, i64::try_from(latency.count() * 256).unwrap(), "as many as were counted");
    assert_eq!((entries, sum, tickets), (orders * 4, 0, seats));
    assert!(orders < tickets && tickets < orders * 2, "parties of one and two: {tickets}");
}

#[tokio::test]
async fn raw_jetstream_appends_messages_of_the_size_that_was_asked_for() {
    const MESSAGE_BYTES: usize = 2_000;
    let folder = tempfile::tempdir().unwrap();
    let servers = Servers::start(&folder.path().join("raw"), &[Kind::Nats]).unwrap();
    let url = servers.url(Kind::Nats).unwrap();
    let appending = Appending { url: url.clone(), message_bytes: MESSAGE_BYTES, time: SHORT };
    let (per_second, latency) = append(&appending).await.unwrap();
    assert!(0.0 < per_second, "{per_second}");
    let context = jetstream::new(async_nats::connect(&url).await.unwrap());
    let mut messages_ever = 0;
    for shard in Shards::default().all() {
        let stream = context.get_stream(subject::journal_stream(shard)).await.unwrap();
        let state = stream.cached_info().state.clone();
        assert!(0 < state.messages, "every stream is written");
        let message_bytes = u64::try_from(MESSAGE_BYTES).unwrap();
        assert_eq!(state.bytes, state.messages * message_bytes);
        messages_ever += state.messages;
    }
    assert_eq!(messages_ever, latency.count(), "as many as were counted");
}

#[tokio::test]
async fn a_bare_answer_has_as_many_bytes_as_were_asked_for() {
    let (listener, port) = serve::listen(0).unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(bare::serve(listener, 260));
    let door = Door::new(&format!("http://127.0.0.1:{port}")).unwrap();
    let mut connection = Connection::new(&door, 0);
    let answer = connection.ask(Question::get("/anything")).await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 260));
    assert!(answer.json().unwrap()["token"].is_string());
    let posted = Question::post("/anything", &json!({"any": "body"}));
    let posted = connection.ask(posted).await.unwrap();
    assert_eq!((posted.status, posted.body), (201, answer.body));
}

#[tokio::test]
async fn a_room_tells_places_and_calls_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let servers = Servers::start(&folder.path().join("room"), &[Kind::Redis]).unwrap();
    let url = servers.url(Kind::Redis).unwrap();
    let (router, calling) = redis_zset::start(&url, 1, 260).await.unwrap();
    let mut visitor = Visitor::at(router);
    let mut tokens = Vec::new();
    for number in 1..=3 {
        let joined = visitor.post("/api/queue/EVT001/join", "", &json!({})).await;
        let body = joined.json().unwrap();
        assert_eq!((joined.status, &body["number"]), (201, &json!(number)));
        tokens.push(body["token"].as_str().unwrap().to_owned());
    }
    let poll = |token: &str| {
        let question = Question::get("/api/queue/EVT001/me");
        question.header("waiting-room-token", token.to_owned())
    };
    let last = visitor.connection.ask(poll(&tokens[2])).await.unwrap();
    assert_eq!((last.body.len(), &last.json().unwrap()["position"]), (260, &json!(2)));
    assert_eq!(visitor.connection.ask(poll("forged")).await.unwrap().status, 404);
    let mut caller = JoinSet::new();
    caller.spawn(calling);
    let first_called = async {
        loop {
            let first = visitor.connection.ask(poll(&tokens[0])).await.unwrap().json().unwrap();
            if first["state"] == "ready" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(CALL_WAIT, first_called).await.expect("the first is called");
}
