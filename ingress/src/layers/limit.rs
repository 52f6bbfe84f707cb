//! How much one address may ask, and how much is served at once.

use std::net::IpAddr;
use std::sync::Arc;

use chassis::Problem;
use schema::UnixMillis;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::accounts::network;
use crate::buckets::{Buckets, Rate, Spot};
use crate::config::RequestLimits;
use crate::{metrics, problems};

/// Addresses that are remembered apart from each other: 2 MB.
const ADDRESSES: usize = 131_072;

/// What a proxy before another site asks for each request to that.
const GATE_PATH: &str = "/api/queue/authz";

/// What providers send from few addresses: of a sale of thousands an event for each payment. What
/// is too much comes again later.
const WEBHOOKS_PATH: &str = "/api/webhooks/";
const WEBHOOKS: Rate = Rate { burst: 1_000, per_minute: 12_000 };

/// What an address asks for; each has a bucket of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Purpose {
    Itself,
    Gate,
    Webhook,
}

impl Purpose {
    fn of(path: &str) -> Self {
        match path {
            GATE_PATH => Self::Gate,
            _ if path.starts_with(WEBHOOKS_PATH) => Self::Webhook,
            _ => Self::Itself,
        }
    }
}

/// The buckets and places of the public listener.
#[derive(Debug)]
pub struct Limiter {
    limits: RequestLimits,
    demo: bool,
    addresses: Buckets,
    places: Arc<Semaphore>,
}

/// A request that was counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    spot: Spot,
    rate: Rate,
}

impl Limiter {
    pub fn new(limits: RequestLimits, demo: bool) -> Self {
        let places = usize::try_from(limits.concurrent_max).expect("usize has 32 bits or more");
        let (addresses, places) = (Buckets::new(ADDRESSES), Arc::new(Semaphore::new(places)));
        Self { limits, demo, addresses, places }
    }

    fn rate(&self, address: IpAddr, purpose: Purpose) -> Rate {
        match (self.demo && address.is_loopback(), purpose) {
            (true, _) => self.limits.address_demo,
            (false, Purpose::Gate) => self.limits.gate,
            (false, Purpose::Webhook) => WEBHOOKS,
            (false, Purpose::Itself) => self.limits.address,
        }
    }

    /// Counts a request of the address, if it may ask now.
    pub(super) fn take(&self, address: IpAddr, now: UnixMillis) -> Option<Taken> {
        let rate = self.rate(address, Purpose::Itself);
        let spot = self.addresses.spot(&(network(address), Purpose::Itself));
        self.addresses.take_at(spot, rate, now).ok()?;
        Some(Taken { spot, rate })
    }

    /// Forgets a request that somebody else counts.
    pub(super) fn give_back(&self, taken: Taken) {
        self.addresses.give_back_at(taken.spot, taken.rate);
    }

    /// Lets a request to `path` in, for as long as it holds the place, or says why not: 429 for an
    /// address that asks too often, 503 when too many requests run.
    pub(super) fn enter(
        &self,
        address: Option<IpAddr>,
        path: &str,
        now: UnixMillis,
    ) -> Result<OwnedSemaphorePermit, Problem> {
        if let Some(address) = address {
            self.check(address, path, now)?;
        }
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            metrics::shed();
            problems::unavailable("OVERLOADED", "the service is at its limit; try again")
        })
    }

    fn check(&self, address: IpAddr, path: &str, now: UnixMillis) -> Result<(), Problem> {
        let purpose = Purpose::of(path);
        let key = (network(address), purpose);
        self.addresses.take(&key, self.rate(address, purpose), now).map_err(|wait| {
            metrics::rate_limited();
            let seconds = crate::buckets::seconds(wait);
            problems::too_many("RATE_LIMITED", "your address asks too often", seconds)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{GATE_PATH, Limiter, UnixMillis};
    use crate::buckets::Rate;
    use crate::config::RequestLimits;

    #[test]
    fn what_a_gate_asks_about_an_address_takes_nothing_from_what_that_may_ask_itself() {
        let [address, gate] = [2, 5].map(|burst| Rate { burst, per_minute: 60 });
        let limiter = Limiter::new(RequestLimits { address, gate, ..Default::default() }, false);
        let now = UnixMillis(1_800_000_000_000);
        let entered = |path: &str| {
            let all = (0..10).map(|_| limiter.enter(Some([192, 0, 2, 1].into()), path, now));
            all.flatten().count()
        };
        assert_eq!(entered(GATE_PATH), 5);
        assert_eq!(entered("/api/queue/EVT001/me"), 2);
        assert_eq!(entered("/api/events"), 0, "all else is one budget");
        assert_eq!(entered("/api/webhooks/stripe"), 10, "providers have one of their own");
        let other = limiter.enter(Some([192, 0, 2, 2].into()), GATE_PATH, now);
        assert!(other.is_ok(), "another address has its own");
    }
}
