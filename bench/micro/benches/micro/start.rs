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

/// Commands of one message: of those of a benchmark each is shorter than its share.
const MESSAGE_COMMANDS: usize = 256;
const COMMAND_BYTES: usize = limits::COMMANDS_BYTES_MAX / MESSAGE_COMMANDS;

/// Commands asked at once. They are gone from the bus when they are older than it keeps them.
const ASKED_MAX: usize = 32_768;

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
        let wanted = couples_of_all(venue, events);
        let (before, later) = wanted.split_at(wanted.len() / 2);
        let stage = world.start_stage(NO_CHECKPOINT).await;
        world.hold(&mut desk, before).await;
        stage.stop().await;
        world.make_checkpoints(before).await;
        let stage = world.start_stage(NO_CHECKPOINT).await;
        world.hold(&mut desk, &later[..outcomes]).await;
        stage.stop().await;
        world
    }

    async fn list(&self, catalogue: &[Catalogued]) {
        let config = stream_config(&stream::catalog(), 1);
        self.nats.ensure_stream(&config).await.expect("the server makes a stream");
        for (listing, tables) in catalogue {
            let listing = EventListing { sale_starts_at: UnixMillis(0), ..(**listing).clone() };
            let plan = &tables.index.plan;
            self.publish(subject::catalog_plan(&plan.id), codec::encode(plan)).await;
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

    /// Asks for holds, some at a time, until the journals tell of each.
    async fn hold(&self, desk: &mut Desk, wanted: &[(EventId, Want)]) {
        let mut journals: BTreeMap<ShardId, Follower> = BTreeMap::new();
        for shard in Shards::default().all() {
            let (name, all) = (subject::journal_stream(shard), subject::journal(shard));
            let end = self.journal_end(shard).await;
            let behind = StartAt::Sequence(end + 1);
            journals.insert(shard, Follower::start(self.nats.clone(), &name, &all, behind));
        }
        for some in wanted.chunks(ASKED_MAX) {
            let mut commands: BTreeMap<ShardId, Vec<Vec<u8>>> = BTreeMap::new();
            for (event, want) in some {
                let of_shard = commands.entry(Shards::default().of(event)).or_default();
                of_shard.push(codec::encode(&desk.hold(event, want.clone())));
            }
            for (shard, commands) in &commands {
                for message in commands.chunks(MESSAGE_COMMANDS) {
                    assert!(message.iter().all(|command| command.len() <= COMMAND_BYTES));
                    self.publish(subject::commands(*shard), codec::join(message)).await;
                }
            }
            for (shard, commands) in commands {
                let journal = journals.get_mut(&shard).expect("each shard has one");
                wait_for_holds(journal, commands.len()).await;
            }
        }
    }

    async fn journal_end(&self, shard: ShardId) -> u64 {
        let end = chassis::last_sequence(&self.nats, &subject::journal_stream(shard)).await;
        end.expect("the journal is there")
    }

    /// Runs a stage until checkpoints include all that the journals tell of events.
    async fn make_checkpoints(&self, wanted: &[(EventId, Want)]) {
        let shards: BTreeSet<ShardId> =
            wanted.iter().map(|(event, _)| Shards::default().of(event)).collect();
        // Asked before the stage runs: the pulses of its owners are no news for a checkpoint.
        let mut ends = Vec::new();
        for shard in shards {
            ends.push((shard, self.journal_end(shard).await));
        }
        let stage = self.start_stage(SOME_CHECKPOINTS).await;
        for (shard, end) in ends {
            let end = i64::try_from(end).expect("below 2^63");
            let query = "SELECT count(*) FROM checkpoint WHERE shard = $1 AND $2 <= sequence";
            loop {
                let counted = sqlx::query_scalar(query).bind(i16::from(shard.0)).bind(end);
                let count: i64 = counted.fetch_one(&self.postgres).await.expect("it is migrated");
                if 0 < count {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        stage.stop().await;
    }
}

/// Reads a journal until it tells of so many holds more.
async fn wait_for_holds(journal: &mut Follower, mut missing: usize) {
    while 0 < missing {
        let message = journal.next().await.expect("the journal is there");
        let batch: Batch = codec::decode_checked(&message.payload).expect("it is a batch");
        for outcome in batch.outcomes {
            assert!(!matches!(outcome.body, OutcomeBody::Refused(_)), "{outcome:?}");
            missing -= usize::from(matches!(outcome.body, OutcomeBody::SeatsHeld(_)));
        }
    }
}

impl Stage {
    async fn stop(self) {
        self.shutdown.begin("the measurement is over");
        self.running.await.expect("nothing panics").expect("nothing fails");
    }
}
