//! One connection from accept to close.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::accept::Server;
use super::forwarded::asker;
use super::lines::Lines;
use super::respond::respond;
use super::slots::Slot;
use super::stream::WatchedStream;
use super::watch::Watch;

/// What every request of one connection shares.
pub(super) struct Context {
    pub(super) server: Arc<Server>,
    pub(super) watch: Arc<Watch>,
    pub(super) peer: SocketAddr,
}

impl Context {
    /// Who asks with these headers.
    pub(super) fn asker(&self, headers: Lines<'_>) -> SocketAddr {
        asker(&self.server.limits.trusted_proxies, self.peer, headers)
    }
}

/// Serves the connection until it ends, is idle, or the shutdown's drain is over.
pub(super) async fn run(server: Arc<Server>, stream: TcpStream, peer: SocketAddr, slot: Slot) {
    let _slot = slot;
    if let Err(err) = stream.set_nodelay(true) {
        // The peer is gone already.
        tracing::debug!(error = %err, "set nodelay");
        return;
    }
    let watch = Arc::new(Watch::default());
    let context = Arc::new(Context { server: server.clone(), watch: watch.clone(), peer });
    let io = TokioIo::new(WatchedStream::new(stream, Arc::clone(&context)));
    let service = service_fn(move |request| respond(&context, request));
    let mut connection = pin!(server.builder.serve_connection(io, service));

    let idle = Duration::from(server.limits.idle_ms);
    let drain = Duration::from(server.limits.drain_ms);
    // A token of its own: all connections polling the shared one would meet at its lock.
    let closing = server.shutdown.closing_token();
    let mut closing = pin!(closing.cancelled());
    let mut timer = pin!(sleep(idle));
    let mut requests_before = u64::MAX;
    let mut draining = false;
    loop {
        // All three are pinned outside.
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, error, "connection ended");
                }
                return;
            }
            () = &mut closing, if !draining => {
                draining = true;
                timer.as_mut().reset(Instant::now() + drain);
                watch.progress().is_closing = true;
                // What hyper knows nothing of is answered first: it would close.
                if !watch.progress().is_owing {
                    connection.as_mut().graceful_shutdown();
                }
            }
            () = &mut timer => {
                if draining {
                    tracing::debug!(%peer, "connection cut at the end of the drain");
                    return;
                }
                let progress = *watch.progress();
                let requests = progress.requests + progress.bypassed;
                let is_idle = progress.in_flight == 0 && !progress.is_owing;
                if is_idle && requests == requests_before {
                    connection.as_mut().graceful_shutdown();
                }
                requests_before = requests;
                timer.as_mut().reset(Instant::now() + idle);
            }
        }
    }
}
