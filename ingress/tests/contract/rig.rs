//! A gateway on servers of its own.

use chassis::keys::KeyFolder;
use chassis::{Health, Nats, Shutdown, TestServers, Which};
use ingress::{Config, Deps, Ingress, NewAccount, QueueRoutes, Role, Roles, create_account};
use schema::{AccountId, CommandId, HoldId, OrderId, ShardId, Shards, UnixMillis};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

use crate::client::Http;

pub struct Rig {
    pub http: Http,
    pub nats: Nats,
    pub postgres: sqlx::PgPool,
    config: Config,
    keys: TempDir,
    gateways: Vec<Gateway>,
    // Last: the servers end when everything that talks to them has.
    _servers: TestServers,
}

struct Gateway {
    ingress: Ingress,
    shutdown: Shutdown,
}

impl Rig {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let servers = TestServers::with(&[Which::Nats, Which::Postgres]).await;
        let (nats, postgres) = (servers.nats().await, servers.postgres().await);
        chassis::migrate(&postgres).await.unwrap();
        let keys = tempfile::tempdir().unwrap();
        let mut config =
            Config { listen: ([127, 0, 0, 1], 0).into(), demo: true, ..Config::default() };
        change(&mut config);
        let gateway = Gateway::start(config.clone(), &nats, &postgres, keys.path()).await;
        let http = Http::new(format!("http://{}", gateway.ingress.address));
        Self { http, nats, postgres, config, keys, gateways: vec![gateway], _servers: servers }
    }

    /// A gateway that starts now, beside the first one.
    pub async fn another(&mut self) -> Http {
        let config = self.config.clone();
        let gateway = Gateway::start(config, &self.nats, &self.postgres, self.keys.path()).await;
        let http = Http::new(format!("http://{}", gateway.ingress.address));
        self.gateways.push(gateway);
        http
    }

    /// Creates an account with `roles`, logs in and returns the token.
    pub async fn login(&self, name: &str, roles: &[Role]) -> String {
        let email = format!("{name}@usher.test");
        let passwords = ingress::Passwords::new(ingress::PasswordLimits::default());
        let password_hash = passwords.hash("usher-demo".to_owned()).await.unwrap();
        let account = NewAccount {
            account: AccountId(uuid::Uuid::now_v7().as_u128()),
            email: &email,
            name,
            password_hash: &password_hash,
            roles: Roles::of(roles),
        };
        assert!(create_account(&self.postgres, &account, UnixMillis(1)).await.unwrap());
        let body = json!({"email": email, "password": "usher-demo"});
        let answer = self.http.post("/api/auth/login", "", body).await;
        answer.json()["token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }

    /// Stores a booking of `account` for one seat, as settlement leaves it in `state`.
    pub async fn booked(&self, account: AccountId, seat: i32, state: &str) -> OrderId {
        let command = CommandId(uuid::Uuid::now_v7().as_u128());
        let order = OrderId::from(HoldId::compose(ShardId(0), chassis::clock::now(), command));
        let orders = "INSERT INTO orders (order_id, event_id, account_id, state, attempt, method,
                token, amount, currency, line_seat, line_area, line_level, line_price,
                payment_deadline, created_at, updated_at, sold_at, captured_at, todo, lease_until)
            VALUES ($1, 'EVT100', $2, $4, 1, 'CREDIT_CARD', 'tok_ok', 4000, 'EUR', ARRAY[$3::int],
                '{-1}', '{0}', '{4000}', 1, 1, 1, 1, 1, false, 0)";
        let ticket = "INSERT INTO ticket (order_id, line, event_id, account_id, seat_idx,
                price_level, price, code, state, issued_at, voided_at)
            VALUES ($1, 0, 'EVT100', $2, $3::int, 0, 4000, 'code ' || $3::int,
                CASE $4 WHEN 'paid' THEN 'valid' ELSE 'void' END, 1,
                CASE $4 WHEN 'paid' THEN NULL ELSE 1 END)";
        for query in [orders, ticket] {
            let query = sqlx::query(query)
                .bind(uuid::Uuid::from_u128(order.0))
                .bind(uuid::Uuid::from_u128(account.0))
                .bind(seat)
                .bind(state);
            query.execute(&self.postgres).await.unwrap();
        }
        order
    }

    /// Imports an event called `id` with 9 seats and 20 standing places.
    pub async fn event(&self, operator: &str, id: &str) {
        let body = json!({"events": [event(id)]});
        let answer = self.http.post("/api/admin/events/import", operator, body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

impl Gateway {
    async fn start(config: Config, nats: &Nats, postgres: &sqlx::PgPool, keys: &Path) -> Self {
        let (health, shutdown) = (Health::new(), Shutdown::new());
        let deps = Deps {
            nats: nats.clone(),
            postgres: Some(postgres.clone()),
            keys: KeyFolder::open(keys).unwrap(),
            health: health.clone(),
            shutdown: shutdown.clone(),
            instance: uuid::Uuid::now_v7().simple().to_string(),
            shards: Shards::default(),
            queue_document: None,
        };
        let ingress = ingress::start(config, deps, QueueRoutes::Elsewhere).await.unwrap();
        let ready = async {
            while !health.missing().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let ready = tokio::time::timeout(Duration::from_secs(20), ready).await;
        assert!(ready.is_ok(), "{:?}", health.missing());
        Self { ingress, shutdown }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shutdown.begin("the test has ended");
    }
}

pub fn event(id: &str) -> Value {
    json!({
        "eventId": id, "name": "Opening night", "venue": "Small Hall", "city": "Bonn",
        "category": "Theatre", "startsAt": "2030-05-01T19:00:00Z",
        "priceLevels": [{"name": "All", "price": {"amount": 4000, "currency": "EUR"}}],
        "plan": {
            "sections": [{"section": "A", "rows": [
                {"row": "1", "seats": 4, "priceLevel": 0},
                {"row": "2", "seats": 5, "priceLevel": 0}]}],
            "areas": [{"areaId": "FLOOR", "name": "Floor", "capacity": 20, "priceLevel": 0}],
        },
    })
}
