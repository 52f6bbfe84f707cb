//! The stage: one session after another, each from opening the index to the first failure.

use chassis::{Backoff, FolderLock, Health, HealthHandle, Nats, Pause, Shutdown, tasks};
use schema::{Shards, subject};
use std::collections::HashMap;
use std::future::pending;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::answer::Desk;
use crate::config::{Config, FED_WAITING_MAX};
use crate::search::Searches;
use crate::writer::Writer;
use crate::{Error, feed, metrics, store};

/// What the indexer is given.
#[derive(Debug, Clone)]
pub struct Deps {
    pub nats: Nats,
    pub health: Health,
    pub shutdown: Shutdown,
    /// Of the system.
    pub shards: Shards,
}

/// The first and the longest pause between two sessions. NATS is back within a second; a full disk
/// is not.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A session that lasted this long did not fail for the reason of the one before.
const SESSION_IS_SOUND: Duration = Duration::from_secs(30);

/// Indexes and answers until shutdown. Serving is announced and reported once the streams have been
/// read.
///
/// # Errors
/// If another process has the folder. Everything else is tried again until it works, with
/// the reason in the readiness page.
pub async fn run(config: Config, deps: Deps) -> Result<(), Error> {
    metrics::declare();
    let _lock = FolderLock::take(&config.dir)?;
    let ready = deps.health.register("indexer");
    let mut backoff = Backoff::new(PAUSE_FIRST, PAUSE_MAX, None);
    loop {
        let started = Instant::now();
        let Err(error) = session(&config, &deps, &ready).await else { return Ok(()) };
        let reason = chassis::telemetry::chain(&error).to_string();
        tracing::warn!(error = reason, "indexing begins again");
        ready.set_failing(reason);
        if error.is_cured_by_rebuild() {
            let dir = config.dir.clone();
            let made = tokio::task::spawn_blocking(move || store::create(&dir).map(drop));
            made.await.expect("making an index does not panic")?;
        }
        if SESSION_IS_SOUND < started.elapsed() {
            backoff.reset();
        }
        if backoff.pause(&deps.shutdown).await != Pause::Elapsed {
            return Ok(());
        }
    }
}

/// Runs until shutdown (`Ok`) or the first failure; the writer's thread has ended when it returns.
async fn session(config: &Config, deps: &Deps, ready: &HealthHandle) -> Result<(), Error> {
    let (nats, shards) = (&deps.nats, deps.shards);
    let ask = async {
        let origins = feed::origins(nats, shards).await?;
        Ok::<_, Error>((origins, feed::targets(nats, shards).await?))
    };
    // Cancel-safe: both only ask.
    let (origins, targets) = tokio::select! {
        asked = ask => asked?,
        () = deps.shutdown.begun() => return Ok(()),
    };
    let dir = config.dir.clone();
    let open = move || Writer::open(&dir, shards, &origins, targets);
    let writer = tokio::task::spawn_blocking(open).await.expect("opening does not panic")?;
    let positions = writer.positions.clone();
    let searches = Searches { reader: writer.store.reader.clone(), fields: writer.store.fields };
    let mut caught_up = writer.caught_up();

    let (fed, fed_rx) = mpsc::channel(FED_WAITING_MAX);
    let (ended, mut ended_rx) = oneshot::channel();
    let runtime = Handle::current();
    let thread = tasks::spawn_thread("indexer-writer", move || {
        let result = writer.run(&runtime, fed_rx);
        // Nobody listens if the session ended first.
        ended.send(result).ok();
    })?;
    let serve = async {
        if caught_up.wait_for(|is_caught_up| *is_caught_up).await.is_err() {
            // The writer has ended, and says why itself.
            return pending().await;
        }
        let version = env!("CARGO_PKG_VERSION");
        let _announced =
            chassis::announce(nats, subject::SERVICE_INDEXER, version, HashMap::new()).await?;
        let desk = Desk::open(nats, searches).await?;
        ready.set_ready();
        desk.serve().await
    };
    let (done, writer_has_ended) = tokio::select! {
        error = feed::read(nats, shards, &positions, fed) => (error, false),
        served = serve => (served, false),
        ended = &mut ended_rx => (ended.unwrap_or(Err(Error::WriterGone)), true),
        () = deps.shutdown.begun() => (Ok(()), false),
    };
    // The reader's half of the queue is gone by now: the writer commits what it has and ends.
    let last =
        if writer_has_ended { Ok(()) } else { ended_rx.await.unwrap_or(Err(Error::WriterGone)) };
    tokio::task::spawn_blocking(move || thread.join()).await.ok();
    // A full queue or a closed one is the writer's failure: its reason says more than the reader's.
    last.and(done)
}

#[cfg(test)]
mod tests;
