//! How much one address may ask, and how much is served at once.

use std::net::IpAddr;
use std::time::Duration;

use chassis::Problem;
use schema::UnixMillis;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::accounts::network;
use crate::buckets::{Buckets, Rate};
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
    places: Semaphore,
}

impl Limiter {
    pub fn new(limits: RequestLimits, demo: bool) -> Self {
        let places = usize::try_from(limits.concurrent_max).expect("usize has 32 bits or more");
        let (addresses, places) = (Buckets::new(ADDRESSES), Semaphore::new(places));
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

    fn take(&self, address: IpAddr, purpose: Purpose, now: UnixMillis) -> Result<(), Duration> {
        let rate = self.rate(address, purpose);
        self.addresses.take(&(network(address), purpose), rate, now)
    }

    /// Says whether [`Limiter::enter`] would refuse the address now.
    pub(super) fn would_refuse(&self, address: IpAddr, now: UnixMillis) -> bool {
        let rate = self.rate(address, Purpose::Itself);
        self.addresses.check(&(network(address), Purpose::Itself), rate, now).is_err()
    }

    /// Counts a request that is answered already.
    pub(super) fn count(&self, address: IpAddr, now: UnixMillis) {
        // Others may have taken the last one meanwhile: then the bucket stays empty.
        self.take(address, Purpose::Itself, now).unwrap_or_default();
    }

    /// Lets a request to `path` in, for as long as it holds the place, or says why not: 429 for an
    /// address that asks too often, 503 when too many requests run.
    pub(super) fn enter(
        &self,
        address: Option<IpAddr>,
        path: &str,
        now: UnixMillis,
    ) -> Result<SemaphorePermit<'_>, Problem> {
        if let Some(address) = address {
            self.check(address, path, now)?;
        }
        self.places.try_acquire().map_err(|_| {
            metrics::shed();
            problems::unavailable("OVERLOADED", "the service is at its limit; try again")
        })
    }

    fn check(&self, address: IpAddr, path: &str, now: UnixMillis) -> Result<(), Problem> {
        self.take(address, Purpose::of(path), now).map_err(|wait| {
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
