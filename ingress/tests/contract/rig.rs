//! A gateway on servers of its own.

use chassis::keys::KeyFolder;
use chassis::{Health, Nats, Shutdown, TestServers, Which};
use ingress::{Config, Deps, Ingress, NewAccount, QueueRoutes, Role, Roles, create_account};
use schema::{AccountId, UnixMillis};
use serde_json::{Value, json};
use std::time::Duration;

use crate::client::Http;

pub struct Rig {
    pub http: Http,
    pub nats: Nats,
    pub postgres: sqlx::PgPool,
    shutdown: Shutdown,
    _ingress: Ingress,
    // Last: the servers end when everything that talks to them has.
    _servers: TestServers,
}

impl Rig {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let servers = TestServers::with(&[Which::Nats, Which::Postgres]).await;
        let (nats, postgres) = (servers.nats().await, servers.postgres().await);
        chassis::migrate(&postgres).await.unwrap();
        let folder = std::env::temp_dir().join(format!("usher-keys-{}", uuid::Uuid::now_v7()));
        let keys = KeyFolder::open(&folder).unwrap();
        let (health, shutdown) = (Health::new(), Shutdown::new());
        let mut config =
            Config { listen: ([127, 0, 0, 1], 0).into(), demo: true, ..Config::default() };
        change(&mut config);
        let deps = Deps {
            nats: nats.clone(),
            postgres: postgres.clone(),
            keys,
            health: health.clone(),
            shutdown: shutdown.clone(),
            instance: "test".to_owned(),
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
        let http = Http::new(format!("http://{}", ingress.address));
        Self { http, nats, postgres, shutdown, _ingress: ingress, _servers: servers }
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

    /// Imports an event called `id` with 9 seats and 20 standing places.
    pub async fn event(&self, operator: &str, id: &str) {
        let body = json!({"events": [event(id)]});
        let answer = self.http.post("/api/admin/events/import", operator, body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

impl Drop for Rig {
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
