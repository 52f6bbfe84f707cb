//! How much one address may ask, and how much is served at once.

use std::net::IpAddr;

use chassis::Problem;
use schema::UnixMillis;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::accounts::network;
use crate::buckets::{Buckets, Rate};
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

    fn rate(&self, address: IpAddr) -> Rate {
        let generous = self.demo && address.is_loopback();
        if generous { self.limits.address_demo } else { self.limits.address }
    }

    /// Says whether [`Limiter::enter`] would refuse the address now.
    pub(super) fn would_refuse(&self, address: IpAddr, now: UnixMillis) -> bool {
        self.addresses.check(&network(address), self.rate(address), now).is_err()
    }

    /// Counts a request that is answered already.
    pub(super) fn count(&self, address: IpAddr, now: UnixMillis) {
        // Others may have taken the last one meanwhile: then the bucket stays empty.
        self.addresses.take(&network(address), self.rate(address), now).unwrap_or_default();
    }

    /// Lets a request in, for as long as it holds the place, or says why not: 429 for an address
    /// that asks too often, 503 when too many requests run.
    pub(super) fn enter(
        &self,
        address: Option<IpAddr>,
        now: UnixMillis,
    ) -> Result<SemaphorePermit<'_>, Problem> {
        if let Some(address) = address {
            self.check(address, now)?;
        }
        self.places.try_acquire().map_err(|_| {
            metrics::shed();
            problems::unavailable("OVERLOADED", "the service is at its limit; try again")
        })
    }

    fn check(&self, address: IpAddr, now: UnixMillis) -> Result<(), Problem> {
        self.addresses.take(&network(address), self.rate(address), now).map_err(|wait| {
            metrics::rate_limited();
            let seconds = crate::buckets::seconds(wait);
            problems::too_many("RATE_LIMITED", "your address asks too often", seconds)
        })
    }
}
