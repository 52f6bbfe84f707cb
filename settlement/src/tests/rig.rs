//! Servers, an owner, and a stage that can be killed at any point.

use super::owner::{Owner, payment};
use crate::books::Books;
use crate::provider::{
    Cursor, Dispute, Disputes, Failure, NewPayment, Page, Payment, Provider, Verb,
};
use crate::seats::Owners;
use crate::{Config, Deps, Sandbox, run_with};
use chassis::keys::KeyFolder;
use chassis::{
    Health, NatsConfig, PostgresConfig, Shutdown, TestServers, Which, clock, connect_stages,
    stream_config,
};
use futures_util::future::BoxFuture;
use schema::{
    AccountId, Area, AreaIdx, CommandId, Currency, EventId, EventListing, Held, HeldArea, HeldSeat,
    HoldId, OwnerKind, Pool, SeatIdx, SeatingPlan, Shards, Terms, codec, stream, subject,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use settlement_core::Seen;
use sqlx::{PgPool, Row};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

pub(super) const ACCOUNT: AccountId = AccountId(77);
pub(super) const PATIENT: u64 = 60_000;

pub(super) struct Rig {
    pub servers: TestServers,
    pub pool: PgPool,
    pub owner: Owner,
    pub event: EventId,
    pub keys: tempfile::TempDir,
    pub private_webhooks: bool,
    holds: u128,
}

/// A settlement process; dropping or killing it drops its tasks wherever they are.
pub(super) struct Stage {
    runtime: Option<tokio::runtime::Runtime>,
}

/// Where the provider of a process does otherwise than the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    Never,
    /// It alone makes ids, so each payment is created by a call.
    Created,
    /// The provider knows no payment any more.
    Forgotten,
    /// The provider refuses one verb.
    Refused(Verb),
}

#[derive(Debug)]
struct Trap {
    sandbox: Sandbox,
    point: Point,
}

impl Provider for Trap {
    fn name(&self) -> &'static str {
        self.sandbox.name()
    }

    fn id_ahead(&self, new: &NewPayment) -> Option<String> {
        if self.point == Point::Created { None } else { self.sandbox.id_ahead(new) }
    }

    fn create<'a>(&'a self, new: &'a NewPayment) -> BoxFuture<'a, Result<Payment, Failure>> {
        self.sandbox.create(new)
    }

    fn act<'a>(&'a self, id: &'a str, verb: Verb) -> BoxFuture<'a, Result<Seen, Failure>> {
        Box::pin(async move {
            if [Point::Forgotten, Point::Refused(verb)].contains(&self.point) {
                let why = "no such payment".to_owned();
                return Err(Failure::Rejected { what: verb.as_str(), why });
            }
            self.sandbox.act(id, verb).await
        })
    }

    fn give_back<'a>(&'a self, id: &'a str, back: i64) -> BoxFuture<'a, Result<i64, Failure>> {
        Box::pin(async move {
            if [Point::Forgotten, Point::Refused(Verb::Refund)].contains(&self.point) {
                let why = "no such payment".to_owned();
                return Err(Failure::Rejected { what: "give back", why });
            }
            self.sandbox.give_back(id, back).await
        })
    }

    fn list<'a>(&'a self, after: &'a Cursor) -> BoxFuture<'a, Result<Page, Failure>> {
        self.sandbox.list(after)
    }

    fn disputes<'a>(&'a self, after: &'a Cursor) -> BoxFuture<'a, Result<Disputes, Failure>> {
        self.sandbox.disputes(after)
    }

    fn dispute<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Dispute>, Failure>> {
        self.sandbox.dispute(id)
    }
}

/// The one provider of a process.
pub(super) fn trapped(pool: &PgPool, point: Point) -> Vec<Arc<dyn Provider>> {
    vec![Arc::new(Trap { sandbox: Sandbox::start(pool), point })]
}

/// The configuration of a process that finds out soon when another one has died.
pub(super) fn config() -> Config {
    Config {
        lease_ms: 400,
        sweep_every_ms: 100,
        webhooks_private_targets: true,
        ..Config::default()
    }
}

/// What a process runs on.
pub(super) fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

/// A settlement process; it ends when it is dropped, or killed.
pub(super) async fn process(
    config: Config,
    nats: NatsConfig,
    postgres: PostgresConfig,
    keys: KeyFolder,
    shutdown: Shutdown,
    providers: impl FnOnce(&PgPool) -> Vec<Arc<dyn Provider>>,
) {
    let deps = Deps {
        nats: chassis::Nats::connect(&nats, "stage").await.unwrap(),
        postgres: connect_stages(&postgres, "stage").await.unwrap(),
        keys,
        health: Health::new(),
        shutdown,
        instance: "test".to_owned(),
        shards: Shards::default(),
    };
    let providers = providers(&deps.postgres);
    run_with(config, deps, providers).await.unwrap();
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Rig {
    pub(super) async fn start() -> Self {
        let servers = TestServers::with(&[Which::Nats, Which::Postgres]).await;
        let pool = servers.postgres().await;
        chassis::migrate(&pool).await.unwrap();
        let nats = servers.nats().await;
        for shard in Shards::default().all() {
            nats.ensure_stream(&stream_config(&stream::journal(shard), 1)).await.unwrap();
        }
        let owner = Owner::start(nats).await;
        let event: EventId = "EVT001".parse().unwrap();
        let keys = tempfile::tempdir().unwrap();
        let rig = Self { servers, pool, owner, event, keys, private_webhooks: true, holds: 0 };
        rig.publish(&plan(None), Terms::default()).await;
        rig
    }

    /// Puts the event into the catalogue, as from now.
    pub(super) async fn publish(&self, plan: &SeatingPlan, terms: Terms) {
        let listing = EventListing {
            plan: plan.id.clone(),
            terms,
            ..EventListing::without_seats(self.event.clone(), "Name", clock::now())
        };
        let nats = self.servers.nats().await;
        nats.ensure_stream(&stream_config(&stream::catalog(), 1)).await.unwrap();
        let put = async |subject: String, bytes: Vec<u8>| {
            nats.jetstream.publish(subject, bytes.into()).await.unwrap().await.unwrap();
        };
        put(subject::catalog_plan(&plan.id), codec::encode(plan)).await;
        put(subject::catalog_event(&self.event), codec::encode(&listing)).await;
    }

    /// Starts a settlement process whose provider does at `point` what that says.
    pub(super) fn stage(&self, point: Point) -> Stage {
        self.stage_at(move |pool| trapped(pool, point), |_| ())
    }

    /// Starts a settlement process with these providers, the first for new orders.
    pub(super) fn stage_at(
        &self,
        providers: impl FnOnce(&PgPool) -> Vec<Arc<dyn Provider>> + Send + 'static,
        change: impl FnOnce(&mut Config),
    ) -> Stage {
        self.stage_until(&Shutdown::new(), providers, change)
    }

    /// One order for these seats, paid and at rest, and no process.
    pub(super) async fn paid(seats: &[u32]) -> (Self, HoldId) {
        let mut rig = Self::start().await;
        let stage = rig.stage(Point::Never);
        let hold = rig.pay(seats, "tok_ok").await;
        rig.wait_for(hold, "paid").await;
        rig.rest().await;
        drop(stage);
        (rig, hold)
    }

    /// Starts a settlement process that ends as it should when it is told to.
    pub(super) fn stage_to_end(&self, change: impl FnOnce(&mut Config)) -> (Stage, Shutdown) {
        let shutdown = Shutdown::new();
        let provider = |pool: &PgPool| trapped(pool, Point::Never);
        (self.stage_until(&shutdown, provider, change), shutdown)
    }

    fn stage_until(
        &self,
        shutdown: &Shutdown,
        providers: impl FnOnce(&PgPool) -> Vec<Arc<dyn Provider>> + Send + 'static,
        change: impl FnOnce(&mut Config),
    ) -> Stage {
        let mut config = config();
        config.webhooks_private_targets = self.private_webhooks;
        change(&mut config);
        let runtime = runtime();
        let (nats, postgres) = (self.servers.nats_config(), self.servers.postgres_config());
        let keys = KeyFolder::open(self.keys.path()).unwrap();
        let shutdown = shutdown.clone();
        drop(runtime.spawn(process(config, nats, postgres, keys, shutdown, providers)));
        Stage { runtime: Some(runtime) }
    }

    pub(super) fn hold(&mut self, seats: &[u32], standing: u32) -> Held {
        self.holds += 1;
        let shard = Shards::default().of(&self.event);
        let hold = HoldId::compose(shard, clock::now(), CommandId(self.holds));
        let seat = |&seat: &u32| HeldSeat {
            seat: SeatIdx(seat),
            generation: 1,
            price_level: 0,
            price: 5_000,
        };
        let area = HeldArea { area: AreaIdx(0), quantity: standing, price_level: 1, price: 3_000 };
        Held {
            hold,
            account: ACCOUNT,
            owner: OwnerKind::Fan,
            seats: seats.iter().map(seat).collect(),
            areas: if standing == 0 { vec![] } else { vec![area] },
            currency: Currency::EUR,
            deadline: Some(clock::now()),
            pass: None,
        }
    }

    /// Announces the first payment attempt for a new hold on `seats`.
    pub(super) async fn pay(&mut self, seats: &[u32], token: &str) -> HoldId {
        let places = self.hold(seats, 0);
        let hold = places.hold;
        let payment = payment(places, 1, token, PATIENT);
        self.owner.announce(&self.event, payment, false).await;
        hold
    }

    pub(super) async fn state(&self, hold: HoldId) -> String {
        let query = sqlx::query("SELECT state FROM orders WHERE order_id = $1");
        let row = query.bind(Uuid::from_u128(hold.0)).fetch_optional(&self.pool).await;
        row.ok().flatten().map_or_else(|| "open".to_owned(), |row| row.get("state"))
    }

    pub(super) async fn wait_for(&self, hold: HoldId, state: &str) {
        let what = format!("{hold} to be {state}");
        eventually(&what, || async { self.state(hold).await == state }).await;
    }

    /// Waits until no order and no verdict has anything left to do.
    pub(super) async fn rest(&self) {
        eventually("everything to come to rest", || async {
            self.count(
                "SELECT (SELECT count(*) FROM orders WHERE todo)
                     + (SELECT count(*) FROM outbox WHERE done_at IS NULL)
                     + (SELECT count(*) FROM order_part WHERE done_at IS NULL)",
            )
            .await
                == 0
        })
        .await;
    }

    /// The database takes no new row of a table until it is told to `take_again`.
    pub(super) async fn refuse(&self, table: &str) {
        // A sequence counts also what is undone.
        let trigger = format!(
            "CREATE SEQUENCE refused;
             CREATE FUNCTION count_and_refuse() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM nextval('refused'); RAISE EXCEPTION 'refused'; END $$;
             CREATE TRIGGER refused BEFORE INSERT ON {table} FOR EACH ROW
                 EXECUTE FUNCTION count_and_refuse()"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(trigger)).execute(&self.pool).await.unwrap();
    }

    /// Waits until a row was refused that had been refused before.
    pub(super) async fn refused_twice(&self) {
        let twice = "SELECT count(*) FROM refused WHERE 2 <= last_value";
        eventually("a second try", || async { self.count(twice).await == 1 }).await;
    }

    pub(super) async fn take_again(&self) {
        sqlx::query("DROP FUNCTION count_and_refuse CASCADE").execute(&self.pool).await.unwrap();
    }

    pub(super) async fn count(&self, query: &'static str) -> i64 {
        sqlx::query(query).fetch_one(&self.pool).await.unwrap().get(0)
    }

    /// What a process compares.
    pub(super) async fn books(&self) -> Books {
        let owners = Owners { nats: self.servers.nats().await, shards: Shards::default() };
        Books { pool: self.pool.clone(), owners }
    }

    /// Nothing differs from what should agree.
    pub(super) async fn assert_clean(&self) {
        assert_eq!(crate::audit(&self.pool).await.unwrap(), Vec::<String>::new());
    }
}

/// Two areas of 5 and 4 places, which share `pool` if it is given.
pub(super) fn plan(pool: Option<u32>) -> SeatingPlan {
    let area =
        |id: &str, capacity| Area { id: id.into(), name: id.into(), capacity, price_level: 0 };
    let areas = vec![AreaIdx(0), AreaIdx(1)];
    let pool = pool.map(|capacity| Pool { id: "GROUND".into(), capacity, areas });
    let mut plan = SeatingPlan {
        id: "p".parse().unwrap(),
        sections: vec![],
        areas: vec![area("FLOOR", 5), area("TERRACE", 4)],
        focal_x_cm: 0,
        focal_y_cm: 0,
        pools: pool.into_iter().collect(),
    };
    plan.id = plan.content_id();
    plan
}

/// Looks until `holds`, 30 s at most.
pub(super) async fn eventually<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asks settlement as the gateway does.
pub(super) async fn asked<A: DeserializeOwned>(
    rig: &Rig,
    subject: &'static str,
    question: &impl Serialize,
) -> A {
    let nats = rig.servers.nats().await;
    let request = async_nats::Request::new()
        .payload(codec::encode(question).into())
        .timeout(Some(Duration::from_secs(8)));
    let answer = nats.client.send_request(subject, request).await.unwrap();
    codec::decode(&answer.payload).unwrap()
}
