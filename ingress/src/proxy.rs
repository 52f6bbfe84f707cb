//! Passes `/api/queue/*` on to a waiting room in another process.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use chassis::http::Peer;
use chassis::telemetry::TraceContext;
use chassis::{Nats, Problem, Shutdown};
use http::header::{CONNECTION, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use schema::subject::SERVICE_WAITING_ROOM;

use crate::problems;

/// How often to ask who is there, and how long to listen to the answers. A waiting room that died
/// is tried for as long as this at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOK_WAIT: Duration = Duration::from_millis(300);

/// How long a waiting room may take to begin its answer.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// Idle connections kept to each waiting room.
const IDLE_MAX: usize = 256;

/// The metadata of the service that holds its address, as `host:port` or a URL.
const ADDRESS_KEY: &str = "http";

struct Proxy {
    client: Client<HttpConnector, Body>,
    authorities: RwLock<Vec<http::uri::Authority>>,
    next: AtomicUsize,
}

/// Starts to look for waiting rooms and returns the routes that lead to them.
pub fn router(nats: Nats, shutdown: Shutdown) -> Router {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(Duration::from_secs(1)));
    let mut client = Client::builder(TokioExecutor::new());
    client.pool_max_idle_per_host(IDLE_MAX);
    let proxy = Arc::new(Proxy {
        client: client.build(connector),
        authorities: RwLock::new(Vec::new()),
        next: AtomicUsize::new(0),
    });
    let looker = Arc::clone(&proxy);
    chassis::tasks::spawn("ingress-find-rooms", async move {
        // Both branches are cancel-safe: a look that is dropped is repeated.
        while !shutdown.is_begun() {
            tokio::select! {
                () = looker.look(&nats) => {}
                () = shutdown.begun() => return,
            }
        }
    });
    Router::new().route("/api/queue/{*rest}", any(pass)).with_state(proxy)
}

impl Proxy {
    async fn look(&self, nats: &Nats) {
        match chassis::discover(nats, SERVICE_WAITING_ROOM, LOOK_WAIT).await {
            Ok(found) => {
                let address =
                    |info: &chassis::ServiceInfo| authority(info.metadata.get(ADDRESS_KEY)?);
                let authorities = found.iter().filter_map(address).collect();
                *self.authorities.write().unwrap_or_else(PoisonError::into_inner) = authorities;
            }
            // Those known may well live on: NATS is away, not they.
            Err(error) => tracing::debug!(%error, "the waiting rooms cannot be listed"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }

    fn choose(&self) -> Option<http::uri::Authority> {
        let authorities = self.authorities.read().unwrap_or_else(PoisonError::into_inner);
        // Relaxed: any order of turns is as good as another.
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let at = turn.checked_rem(authorities.len())?;
        authorities.get(at).cloned()
    }
}

fn authority(address: &str) -> Option<http::uri::Authority> {
    let address = address.strip_prefix("http://").unwrap_or(address);
    address.trim_end_matches('/').parse().ok()
}

async fn pass(State(proxy): State<Arc<Proxy>>, request: Request) -> Result<Response, Problem> {
    let unavailable = || {
        let detail = "the waiting room does not answer now; your place is kept: try again";
        problems::unavailable("WAITING_ROOM_UNAVAILABLE", detail)
    };
    let authority = proxy.choose().ok_or_else(unavailable)?;
    let request = forward(request, authority);
    let answer = proxy.client.request(request);
    let answer = tokio::time::timeout(ANSWER_WAIT, answer).await.map_err(|_| unavailable())?;
    let mut response = answer.map_err(|error| {
        tracing::debug!(%error, "the waiting room did not answer");
        unavailable()
    })?;
    for name in HOP_BY_HOP {
        response.headers_mut().remove(name);
    }
    Ok(response.map(Body::new))
}

/// Headers that speak of one connection only (RFC 9110 section 7.6.1).
const HOP_BY_HOP: [HeaderName; 5] =
    [CONNECTION, TE, TRANSFER_ENCODING, UPGRADE, HeaderName::from_static("keep-alive")];

fn forward(mut request: Request, authority: http::uri::Authority) -> Request {
    for name in HOP_BY_HOP {
        request.headers_mut().remove(name);
    }
    request.headers_mut().remove(HOST);
    let peer = request.extensions().get::<Peer>().map(|Peer(peer): &Peer| *peer);
    if let Some(value) = peer.and_then(|peer: SocketAddr| address_value(&peer)) {
        // Set, not appended: what the client claims about itself is not worth passing on.
        request.headers_mut().insert("x-forwarded-for", value);
    }
    if let Some(own) = TraceContext::current() {
        own.set_header(request.headers_mut());
    }
    let mut parts = request.uri().clone().into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(authority);
    *request.uri_mut() = Uri::from_parts(parts).expect("a request has a path");
    *request.version_mut() = http::Version::HTTP_11;
    request
}

fn address_value(peer: &SocketAddr) -> Option<HeaderValue> {
    HeaderValue::from_str(&peer.ip().to_string()).ok()
}
