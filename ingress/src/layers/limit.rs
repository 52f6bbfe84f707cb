//! How much one address may ask, and how much is served at once.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chassis::Problem;
use chassis::http::Peer;
use schema::UnixMillis;
use tokio::sync::Semaphore;

use crate::accounts::network;
use crate::buckets::Buckets;
use crate::config::RequestLimits;
use crate::{metrics, problems};

/// Addresses that are remembered apart from each other: 2 MB.
const ADDRESSES: usize = 131_072;

/// The buckets and places of the public listener.
#[derive(Debug)]
pub struct Limiter {
    limits: RequestLimits,
    demo: bool,
    addresses: Buckets,
    places: Semaphore,
}

impl Limiter {
    pub fn new(limits: RequestLimits, demo: bool) -> Self {
        let places = usize::try_from(limits.concurrent_max).expect("usize has 32 bits or more");
        let (addresses, places) = (Buckets::new(ADDRESSES), Semaphore::new(places));
        Self { limits, demo, addresses, places }
    }

    fn check(&self, address: IpAddr, now: UnixMillis) -> Result<(), Problem> {
        let generous = self.demo && address.is_loopback();
        let rate = if generous { self.limits.address_demo } else { self.limits.address };
        self.addresses.take(&network(address), rate, now).map_err(|wait| {
            metrics::rate_limited();
            let seconds = crate::buckets::seconds(wait);
            problems::too_many("RATE_LIMITED", "your address asks too often", seconds)
        })
    }
}

/// Answers 429 or 503 instead of what is too much.
pub async fn limit(State(limiter): State<Arc<Limiter>>, request: Request, next: Next) -> Response {
    // Every connection of the listener has a peer; without one (a router under test) nothing is
    // counted.
    if let Some(Peer(peer)) = request.extensions().get::<Peer>()
        && let Err(problem) = limiter.check(peer.ip(), chassis::clock::now())
    {
        return problem.into_response();
    }
    let Ok(_place) = limiter.places.try_acquire() else {
        metrics::shed();
        let detail = "the service is at its limit; try again";
        return problems::unavailable("OVERLOADED", detail).into_response();
    };
    // The place is for the handler; a streamed body runs on under limits of its own.
    next.run(request).await
}
