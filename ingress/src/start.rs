//! Starts the stage: opens what it needs, listens, serves until the shutdown.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use chassis::Announcement;
use chassis::http::Routes;
use schema::subject::SERVICE_INGRESS;

use crate::app::{App, Deps};
use crate::config::Config;
use crate::error::Error;
use crate::openapi::{self, Served};
use crate::{metrics, proxy, router};

/// Where the waiting room's routes are.
#[derive(Debug)]
pub enum QueueRoutes {
    /// In this process: merged into the own ones.
    Here(Routes),
    /// In another process, found on the bus; requests are passed on.
    Elsewhere,
}

/// The running stage. It is listed as a service until this is dropped.
#[derive(Debug)]
pub struct Ingress {
    /// Where it listens; a configured port 0 is a real one here.
    pub address: SocketAddr,
    _announcement: Announcement,
}

/// Starts the stage and returns once it listens. `readyz` says when it has caught up.
pub async fn start(config: Config, deps: Deps, queue: QueueRoutes) -> Result<Ingress, Error> {
    // Taken first: a port that somebody has is the failure to hear of before all others.
    let listener = chassis::http::bind(config.listen)?;
    let address = listener.local_addr().map_err(|source| chassis::Error::Io {
        what: "ask the listener for its address".to_owned(),
        source,
    })?;
    metrics::declare(deps.shards);
    let limits = config.http.clone();
    if config.bench_door {
        tracing::warn!(
            %address,
            "THE BENCH DOOR IS OPEN: POST /bench/accounts gives accounts to anybody who asks. \
             For measurements only, never where strangers come"
        );
    }
    let app = Arc::new(App::start(config, &deps).await?);
    let queue = match queue {
        QueueRoutes::Here(routes) => routes,
        QueueRoutes::Elsewhere => proxy::router(deps.nats.clone(), deps.shutdown.clone()).into(),
    };
    let served = Served::new(&openapi::document(deps.queue_document));
    let routes = router::routes(app, queue, served, &deps.health);
    let metadata = HashMap::from([
        ("http".to_owned(), format!("http://{address}")),
        ("instance".to_owned(), deps.instance),
    ]);
    let version = env!("CARGO_PKG_VERSION");
    let announcement = chassis::announce(&deps.nats, SERVICE_INGRESS, version, metadata).await?;
    let shutdown = deps.shutdown;
    chassis::tasks::spawn("ingress-http", async move {
        if let Err(error) = chassis::http::serve(listener, routes, limits, shutdown.clone()).await {
            let chain = chassis::telemetry::chain(&error).to_string();
            shutdown.begin(format!("the HTTP listener failed: {chain}"));
        }
    });
    Ok(Ingress { address, _announcement: announcement })
}
