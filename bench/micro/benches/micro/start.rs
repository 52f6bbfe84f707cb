//! How long a stage takes to serve again, all told: its checkpoints from Postgres, the batches
//! behind them from the journals, the epochs of all shards, and their memory made twice, for the
//! owner and for the replica.

use crate::fans::{Catalogued, Desk, catalogue, couples_of_all};
use crate::is_measuring;
use crate::venue::{CLUB, HALL, Venue};
use allocator::{Config, Deps};
use bytes::Bytes;
use chassis::{
    Follower, Health, Nats, Shutdown, StartAt, TestServers, Which, stream_config, tasks,
};
use criterion::{Criterion, SamplingMode};
use schema::{
    Batch, EventId, EventListing, OutcomeBody, ShardId, Shards, UnixMillis, Want, codec, limits,
    stream, subject,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// How often there are checkpoints: never within a measurement, or soon.
const NO_CHECKPOINT: Duration = Duration::from_hours(1);
const SOME_CHECKPOINTS: Duration = Duration::from_secs(5);

/// Between two looks at what is not there yet; the short one is a part of what is measured.
const PAUSE: Duration = Duration::from_millis(50);
const SHORT_PAUSE: Duration = Duration::from_millis(1);

pub fn benches(criterion: &mut Criterion) {
    let (venue, events, outcomes) =
        if is_measuring() { (HALL, 100, 200_000) } else { (CLUB, 2, 100) };
    let mut past = None;
    let mut group = criterion.benchmark_group("start");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.bench_function("1 M seats over 100 events, 200000 outcomes of tail", |bench| {
        let past = past.get_or_insert_with(|| Past::new(venue, events, outcomes));
        bench.iter_custom(|turns| (0..turns).map(|_| past.start()).sum());
    });
    group.finish();
}

/// Servers that hold what a stage has left.
struct Past {
    runtime: Runtime,
    world: Option<World>,
}

struct World {
    _servers: TestServers,
    nats: Nats,
    postgres: sqlx::PgPool,
}

struct Stage {
    shutdown: Shutdown,
    running: JoinHandle<Result<(), allocator::Error>>,
}

impl Past {
    fn new(venue: Venue, events: u32, outcomes: usize) -> Self {
        let runtime = Runtime::new().expect("threads can be started");
        let world = Some(runtime.block_on(World::new(venue, events, outcomes)));
        Self { runtime, world }
    }

    /// From the first line of the stage until each shard is served.
    fn start(&self) -> Duration {
        let world = self.world.as_ref().expect("until the end");
        self.runtime.block_on(async {
            let begun = Instant::now();
            let stage = world.start_stage(NO_CHECKPOINT).await;
            let took = begun.elapsed();
            stage.stop().await;
            took
        })
    }
}

impl Drop for Past {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        self.world.take();
    }
}

impl World {
    /// Couples hold half of all seats when the checkpoints are made, and others of the rest after.
    async fn new(venue: Venue, events: u32, outcomes: usize) -> Self {
        let servers = TestServers::with(&[Which::Nats, Which::Postgres]).await;
        let (nats, postgres) = (servers.nats().await, servers.postgres().await);
        chassis::migrate(&postgres).await.expect("the database is empty");
        let world = Self { _servers: servers, nats, postgres };
        let catalogue = catalogue(venue, events);
        world.list(&catalogue).await;
        let mut desk = Desk::new(&catalogue);
        let mut wanted = couples_of_all(venue, events);
        let later = wanted.split_off(wanted.len() / 2);
        let stage = world.start_stage(NO_CHECKPOINT).await;
        world.hold(&mut desk, &wanted).await;
        world.wait_for_holds(&wanted).await;
        stage.stop().await;
        let stage = world.start_stage(SOME_CHECKPOINTS).await;
        world.wait_for_checkpoints(&wanted).await;
        stage.stop().await;
        let stage = world.start_stage(NO_CHECKPOINT).await;
        let later = &later[..outcomes];
        world.hold(&mut desk, later).await;
        wanted.extend_from_slice(later);
        world.wait_for_holds(&wanted).await;
        stage.stop().await;
        world
    }

    async fn list(&self, catalogue: &[Catalogued]) {
        let config = stream_config(&stream::catalog(), 1);
        self.nats.ensure_stream(&config).await.expect("the server makes a stream");
        for (listing, index) in catalogue {
            let listing = EventListing { sale_starts_at: UnixMillis(0), ..(**listing).clone() };
            self.publish(subject::catalog_plan(&index.plan.id), codec::encode(&index.plan)).await;
            self.publish(subject::catalog_event(&listing.event), codec::encode(&listing)).await;
        }
    }

    async fn publish(&self, subject: String, message: Vec<u8>) {
        let message = Bytes::from(message);
        loop {
            let sent = self.nats.jetstream.publish(subject.clone(), message.clone());
            match sent.await.expect("the connection is open").await {
                Ok(_) => return,
                // The stream of commands is full until the owner has answered some.
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn start_stage(&self, checkpoint_every: Duration) -> Stage {
        let (health, shutdown) = (Health::new(), Shutdown::default());
        let deps = Deps {
            nats: self.nats.clone(),
            postgres: self.postgres.clone(),
            health: health.clone(),
            shutdown: shutdown.clone(),
            instance: "micro".into(),
            shards: Shards::default(),
        };
        let every = u64::try_from(checkpoint_every.as_millis()).expect("hours at most");
        let config = Config { checkpoint_every_ms: every, ..Config::default() };
        let running = tasks::spawn("allocator", allocator::run(config, deps));
        // It says what is missing as soon as it runs.
        while health.missing().is_empty() {
            tokio::time::sleep(SHORT_PAUSE).await;
        }
        while !health.missing().is_empty() {
            tokio::time::sleep(SHORT_PAUSE).await;
        }
        Stage { shutdown, running }
    }

    async fn hold(&self, desk: &mut Desk, wanted: &[(EventId, Want)]) {
        let mut commands: BTreeMap<ShardId, Vec<Vec<u8>>> = BTreeMap::new();
        for (event, want) in wanted {
            let of_shard = commands.entry(Shards::default().of(event)).or_default();
            of_shard.push(codec::encode(&desk.hold(event, want.clone())));
        }
        for (shard, commands) in commands {
            for some in commands.chunks(limits::BATCH_OUTCOMES_MAX) {
                self.publish(subject::commands(shard), codec::join(some)).await;
            }
        }
    }

    /// Reads the journals until they tell of as many holds as were asked for.
    async fn wait_for_holds(&self, wanted: &[(EventId, Want)]) {
        for shard in Shards::default().all() {
            let of_shard = wanted.iter().filter(|(event, _)| Shards::default().of(event) == shard);
            let (name, all) = (subject::journal_stream(shard), subject::journal(shard));
            let mut journal = Follower::start(self.nats.clone(), &name, &all, StartAt::First);
            let mut missing = of_shard.count();
            while 0 < missing {
                let message = journal.next().await.expect("the journal is there");
                let batch: Batch = codec::decode_checked(&message.payload).expect("it is a batch");
                let is_hold = |body: &OutcomeBody| matches!(body, OutcomeBody::SeatsHeld(_));
                missing -= batch.outcomes.iter().filter(|outcome| is_hold(&outcome.body)).count();
            }
        }
    }

    /// Waits until checkpoints include all holds.
    async fn wait_for_checkpoints(&self, wanted: &[(EventId, Want)]) {
        let shards: BTreeSet<ShardId> =
            wanted.iter().map(|(event, _)| Shards::default().of(event)).collect();
        for shard in shards {
            let last = chassis::last_sequence(&self.nats, &subject::journal_stream(shard)).await;
            let last = i64::try_from(last.expect("the journal is there")).expect("below 2^63");
            let query = "SELECT count(*) FROM checkpoint WHERE shard = $1 AND $2 <= sequence";
            loop {
                let counted = sqlx::query_scalar(query).bind(i16::from(shard.0)).bind(last);
                let count: i64 = counted.fetch_one(&self.postgres).await.expect("it is migrated");
                if 0 < count {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl Stage {
    async fn stop(self) {
        self.shutdown.begin("the measurement is over");
        self.running.await.expect("nothing panics").expect("nothing fails");
    }
}
