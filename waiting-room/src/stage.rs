//! The stage: follows what it needs, opens rooms, serves their routes.

use crate::config::{BEGIN_WAIT, Config, Deps};
use crate::error::Error;
use crate::eviction;
use crate::follow;
use crate::http::{self, App};
use crate::journal::Journal;
use crate::last::last_sequence;
use crate::loads;
use crate::metrics;
use crate::rooms::Rooms;
use chassis::http::Routes;
use chassis::{Announcement, Cause, Nats, Shutdown, stream_config, tasks};
use schema::{stream, subject};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// The running stage. Its tasks end with the process' shutdown.
#[derive(Debug)]
pub struct Stage {
    /// All of `/api/queue/*`, for a gateway in the same process.
    pub routes: Routes,
    /// Where the routes are served by this stage itself.
    pub address: Option<SocketAddr>,
    // Listed for as long as the stage lives.
    _announcement: Announcement,
}

/// Starts the stage; returns when it has read settings, catalogue and rooms without seats.
///
/// # Errors
/// [`Error`] when a stream cannot be prepared, Redis evicts, or the address is taken.
pub async fn start(config: Config, deps: Deps) -> Result<Stage, Error> {
    config.check();
    metrics::declare();
    let health = deps.health.register("waiting room");
    let (nats, shutdown) = (deps.nats.clone(), deps.shutdown.clone());
    eviction::check(&deps.redis).await?;
    nats.ensure_stream(&stream_config(&stream::catalog(), nats.replicas)).await?;
    for shard in deps.shards.all() {
        nats.ensure_stream(&stream_config(&stream::journal(shard), nats.replicas)).await?;
    }
    nats.ensure_bucket(subject::SETTINGS).await?;
    let app = Arc::new(App::new(&deps, &config)?);
    let rooms = Arc::clone(&app.rooms);
    let ticks = Arc::clone(&rooms);
    tasks::spawn("room-ticks", follow::statuses(ticks, nats.clone(), shutdown.clone()));
    let listening = loads::listen(Arc::clone(&rooms.loads), nats.clone(), shutdown.clone());
    tasks::spawn("room-loads", listening);
    read_settings(&rooms, &nats, &shutdown).await?;
    read_catalog(&rooms, &nats).await?;
    rooms.begun(BEGIN_WAIT).await;
    for shard in deps.shards.all() {
        let health = deps.health.register(format!("waiting room journal {shard}"));
        let (rooms, nats, shutdown) = (Arc::clone(&rooms), nats.clone(), shutdown.clone());
        tasks::spawn("room-journal", Journal { shard, rooms, nats, health, shutdown }.run());
    }
    let routes = http::routes(app);
    let address = serve(&config, &deps, routes.clone())?;
    let mut here = HashMap::from([("instance".to_owned(), deps.instance.clone())]);
    here.extend(address.map(|address| ("http".to_owned(), format!("http://{address}"))));
    let (service, version) = (subject::SERVICE_WAITING_ROOM, env!("CARGO_PKG_VERSION"));
    let announcement = chassis::announce(&nats, service, version, here).await?;
    health.set_ready();
    Ok(Stage { routes, address, _announcement: announcement })
}

/// Follows the settings and waits until all that are stored now have been read: before that a room
/// that an operator has closed would be open.
async fn read_settings(rooms: &Arc<Rooms>, nats: &Nats, shutdown: &Shutdown) -> Result<(), Error> {
    let stored = chassis::last_sequence(nats, &follow::settings_stream()).await?;
    let (read, mut read_to) = watch::channel(0);
    let settings = follow::settings(Arc::clone(rooms), nats.clone(), shutdown.clone(), read);
    tasks::spawn("room-settings", settings);
    // The sender is dropped at shutdown only; then nothing matters any more.
    read_to.wait_for(|&sequence| stored <= sequence).await.map(drop).unwrap_or_default();
    Ok(())
}

/// Follows the catalogue and waits until all that is stored now has been read.
async fn read_catalog(rooms: &Arc<Rooms>, nats: &Nats) -> Result<(), Error> {
    let stored = last_sequence(nats, subject::CATALOG, subject::CATALOG_EVENTS).await?;
    let (read, mut read_to) = watch::channel(0);
    tasks::spawn("room-catalog", Arc::clone(rooms).follow_catalog(read));
    // The sender is dropped at shutdown only; then nothing matters any more.
    read_to.wait_for(|&sequence| stored <= sequence).await.map(drop).unwrap_or_default();
    Ok(())
}

/// Serves the routes where the configuration says so.
fn serve(config: &Config, deps: &Deps, routes: Routes) -> Result<Option<SocketAddr>, Error> {
    let Some(address) = config.listen() else { return Ok(None) };
    let failed = |source| Error::Listen { address: config.listen.clone(), source };
    let address = address.map_err(|error| failed(Cause::of(&error)))?;
    let listener = chassis::http::bind(address)?;
    let address = listener.local_addr().map_err(|error| failed(Cause::of(&error)))?;
    let (limits, shutdown) = (config.http.clone(), deps.shutdown.clone());
    tasks::spawn("room-http", async move {
        if let Err(error) = chassis::http::serve(listener, routes, limits, shutdown.clone()).await {
            shutdown.begin(format!("the waiting room's listener failed: {error}"));
        }
    });
    Ok(Some(address))
}
