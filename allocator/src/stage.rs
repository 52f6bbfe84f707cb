//! The stage: one replica and one contender for each shard.

use crate::archive::Archive;
use crate::catalog::Catalog;
use crate::config::Config;
use crate::error::Error;
use crate::inspect;
use crate::load::{self, ReplyTimes};
use crate::metrics;
use crate::owner::Ownership;
use crate::recall::Recall;
use crate::replica::{Kept, Replica};
use crate::spread::{Spread, attend};
use crate::store::Store;
use crate::tell;
use crate::trim::Trimmer;
use chassis::{Health, HealthHandle, Nats, Present, Shutdown, stream_config, tasks};
use schema::{DurationMs, ShardId, Shards, stream, subject};
use sqlx::PgPool;
use std::collections::HashMap;
use tokio::sync::{mpsc, watch};

/// Requests for a replica's state: one contender asks, once for each take-over.
const STATES_MAX: usize = 4;

/// What the stage needs from its process.
#[derive(Debug, Clone)]
pub struct Deps {
    pub nats: Nats,
    pub postgres: PgPool,
    pub health: Health,
    pub shutdown: Shutdown,
    /// This process, in leases and logs.
    pub instance: String,
    /// Of the system.
    pub shards: Shards,
}

/// Runs the stage until `deps.shutdown`.
///
/// # Errors
/// [`Error`] when a stream cannot be prepared or a journal cannot be followed; the other shards
/// stop too.
pub async fn run(config: Config, deps: Deps) -> Result<(), Error> {
    metrics::declare(deps.shards);
    let nats = &deps.nats;
    // All are registered before the first is ready, or the stage would look ready in between.
    let registered = |shard| Healths {
        owner: deps.health.register(format!("allocator shard {shard}")),
        journal: deps.health.register(format!("allocator journal {shard}")),
    };
    let healths: Vec<_> = deps.shards.all().map(registered).collect();
    nats.ensure_stream(&stream_config(&stream::commands(), nats.replicas)).await?;
    nats.ensure_stream(&stream_config(&stream::catalog(), nats.replicas)).await?;
    let catalog = Catalog::follow(&deps).await?;
    let (reached, positions): (Vec<_>, Vec<_>) = healths.iter().map(|_| watch::channel(0)).unzip();
    let present = attend(config.spread, &deps, positions);
    let mut shards = Vec::new();
    for ((shard, health), reached) in deps.shards.all().zip(healths).zip(reached) {
        let beside = Beside { catalog: catalog.clone(), present: present.clone(), reached };
        let serving = serve(shard, health, config.clone(), deps.clone(), beside);
        shards.push(tasks::spawn("allocator-shard", serving));
    }
    let version = env!("CARGO_PKG_VERSION");
    let here = HashMap::from([("instance".to_owned(), deps.instance.clone())]);
    let announced = chassis::announce(nats, subject::SERVICE_ALLOCATOR, version, here).await?;
    let result = tasks::all(shards, "the allocator", &deps.shutdown).await;
    drop(announced);
    result
}

/// What a shard says of itself on the health page.
struct Healths {
    owner: HealthHandle,
    journal: HealthHandle,
}

/// What a shard learns from beside it, and tells.
struct Beside {
    catalog: Catalog,
    /// The processes that shards are shared out among.
    present: watch::Receiver<Present>,
    /// How far the replica has read.
    reached: watch::Sender<u64>,
}

/// Follows one shard and contends for it.
async fn serve(
    shard: ShardId,
    health: Healths,
    config: Config,
    deps: Deps,
    beside: Beside,
) -> Result<(), Error> {
    let Beside { catalog, present, reached } = beside;
    let kept = kept_of(shard, &config, &deps).await?;
    let (nats, limits) = (deps.nats.clone(), config.limits());
    let recall = Recall::new(nats.clone(), kept.archive.clone());
    if let Some(keep) = config.journal_keep() {
        let trimmer = Trimmer::new(nats.clone(), &kept, keep, deps.shutdown.clone());
        tasks::spawn("allocator-trim", trimmer.run());
    }
    let (following, stop) = (nats.clone(), &deps.shutdown);
    let restored = Replica::restore(following, catalog.clone(), kept, limits, reached, stop).await;
    let Some(replica) = restored else { return Ok(()) };
    let (states, requests) = mpsc::channel(STATES_MAX);
    let (show, shows) = mpsc::channel(1);
    let following = replica.run(config, requests, shows, health.journal, deps.shutdown.clone());
    let following = tasks::spawn("allocator-replica", following);
    let (desk, desks) = watch::channel(None);
    #[cfg(all(feature = "testing", debug_assertions))]
    tasks::spawn(
        "allocator-door",
        crate::door::answer(nats.clone(), shard, desks.clone(), deps.shutdown.clone()),
    );
    let telling = tell::answer(nats.clone(), shard, show, deps.shutdown.clone());
    tasks::spawn("allocator-tell", telling);
    let times = ReplyTimes::default();
    let (looks, stop_telling) = (times.clone(), deps.shutdown.clone());
    let loads = load::tell(nats.clone(), shard, desks.clone(), looks, stop_telling);
    tasks::spawn("allocator-load", loads);
    let audits = inspect::answer(nats.clone(), shard, desks, deps.shutdown.clone());
    tasks::spawn("allocator-inspect", audits);
    let ownership = Ownership {
        nats,
        shard,
        spread: Spread::new(shard, &deps.instance, present),
        instance: deps.instance,
        catalog,
        states,
        limits,
        recall,
        desk,
        times,
        health: health.owner,
        stop: deps.shutdown.clone(),
    };
    let owning = tasks::spawn("allocator-owner", ownership.run());
    // Cancel-safe: both are handles of tasks that go on; the first to fail ends the stage.
    let ended = tokio::select! {
        ended = following => ended,
        ended = owning => ended.map(|ended| ended.map_err(Error::from)),
    };
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// What Postgres keeps of the shard over this incarnation of its journal, which is made if there is
/// none.
async fn kept_of(shard: ShardId, config: &Config, deps: &Deps) -> Result<Kept, chassis::Error> {
    let journal = stream_config(&stream::journal(shard), deps.nats.replicas);
    let journal = deps.nats.ensure_stream(&journal).await?;
    let created = journal.cached_info().created.unix_timestamp_nanos() / 1_000_000;
    let incarnation_ms = i64::try_from(created).expect("a time in milliseconds fits");
    let archive = Archive { pool: deps.postgres.clone(), shard, incarnation_ms };
    let store = Store {
        pool: deps.postgres.clone(),
        shard,
        incarnation_ms,
        instance: deps.instance.clone(),
        every: DurationMs(config.checkpoint_every_ms),
        base: None,
    };
    Ok(Kept { store, archive })
}
