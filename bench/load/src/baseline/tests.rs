//! The shops and the room keep the contract that they are measured by.

use super::conventional::Conventional;
use super::postgres_only::PostgresOnly;
use super::servers::{Kind, Servers};
use super::shop::{self, Store};
use super::{redis_zset, serve};
use crate::wire::{Answer, Connection, Door, Question};
use axum::Router;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinSet;

/// Connections of a shop to Postgres.
const POOL: u32 = 2;

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

    async fn confirm(&mut self, reservation: &Value) -> (u16, Value) {
        let body = json!({"reservationId": reservation, "paymentMethod": "CREDIT_CARD"});
        let answer = self.post("/api/bookings/confirm", "c", &body).await;
        (answer.status, answer.json().unwrap())
    }
}

async fn a_shop_keeps_its_promises(store: Store) {
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
}

/// Whether the ledger has the sale and its capture, and sums to zero.
async fn balances(postgres: &str) -> bool {
    let pool = sqlx::PgPool::connect(postgres).await.unwrap();
    let sums = "SELECT count(*) = 4 AND sum(amount) = 0 AND max(amount) = 800 FROM ledger_entry";
    sqlx::query_scalar(sums).fetch_one(&pool).await.unwrap()
}

#[tokio::test]
async fn both_shops_hold_replay_refuse_and_sell() {
    let folder = tempfile::tempdir().unwrap();
    let kinds = [Kind::Postgres, Kind::Redis];
    let servers = Servers::start(&folder.path().join("conventional"), &kinds).unwrap();
    let (postgres, redis) =
        (servers.url(Kind::Postgres).unwrap(), servers.url(Kind::Redis).unwrap());
    let store = Conventional::open(&postgres, &redis, POOL).await.unwrap();
    a_shop_keeps_its_promises(Store::Conventional(store)).await;
    assert!(balances(&postgres).await);

    let servers = Servers::start(&folder.path().join("postgres"), &[Kind::Postgres]).unwrap();
    let postgres = servers.url(Kind::Postgres).unwrap();
    let store = PostgresOnly::open(&postgres, POOL).await.unwrap();
    a_shop_keeps_its_promises(Store::PostgresOnly(store)).await;
    assert!(balances(&postgres).await);
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
