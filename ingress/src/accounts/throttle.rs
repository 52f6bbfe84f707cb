//! How often somebody may try to log in: two buckets that know nothing of each other.
//!
//! One bucket for account and address together would let a botnet try one password on each address.

use std::net::IpAddr;

use chassis::Problem;
use schema::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::buckets::{Buckets, Rate};
use crate::problems;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoginRates {
    /// Failed logins to one account, from anywhere.
    pub account: Rate,
    /// Logins and registrations from one address (IPv6: /64).
    pub address: Rate,
    /// The same from this machine, on demo data: one machine plays a crowd.
    pub address_demo: Rate,
}

impl Default for LoginRates {
    fn default() -> Self {
        Self {
            account: Rate { burst: 10, per_minute: 6 },
            address: Rate { burst: 60, per_minute: 60 },
            address_demo: Rate { burst: 100_000, per_minute: 600_000 },
        }
    }
}

/// Accounts and addresses that are remembered apart from each other.
const KEYS: usize = 65_536;

#[derive(Debug)]
pub struct Throttle {
    rates: LoginRates,
    demo: bool,
    accounts: Buckets,
    addresses: Buckets,
}

impl Throttle {
    pub fn new(rates: LoginRates, demo: bool) -> Self {
        Self { rates, demo, accounts: Buckets::new(KEYS), addresses: Buckets::new(KEYS) }
    }

    /// Counts a try from `address`.
    pub fn address(&self, address: IpAddr, now: UnixMillis) -> Result<(), Problem> {
        let generous = self.demo && address.is_loopback();
        let rate = if generous { self.rates.address_demo } else { self.rates.address };
        self.addresses.take(&network(address), rate, now).map_err(too_many)
    }

    /// Says whether `email` may try: not after too many failures.
    pub fn account(&self, email: &str, now: UnixMillis) -> Result<(), Problem> {
        self.accounts.check(&email, self.rates.account, now).map_err(too_many)
    }

    /// Counts a try of `email` that did not succeed.
    pub fn account_failed(&self, email: &str, now: UnixMillis) -> Result<(), Problem> {
        self.accounts.take(&email, self.rates.account, now).map_err(too_many)
    }
}

fn too_many(wait: std::time::Duration) -> Problem {
    // The same text for both buckets: which one was empty would say whether the account exists.
    let seconds = crate::buckets::seconds(wait);
    problems::too_many("LOGIN_THROTTLED", "too many logins; wait a little", seconds)
}

/// What counts as one address: an IPv6 subscriber has at least a /64 to choose from.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{LoginRates, Throttle, network};
    use schema::UnixMillis;
    use std::net::IpAddr;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_account_is_throttled_whatever_the_address_and_an_address_whatever_the_account() {
        let throttle = Throttle::new(LoginRates::default(), true);
        let now = UnixMillis(1_000_000);
        let tries = (0..20).filter(|_| throttle.account_failed("fan@usher.test", now).is_ok());
        assert_eq!(tries.count(), 10);
        assert!(throttle.account("fan@usher.test", now).is_err());
        assert!(throttle.account("other@usher.test", now).is_ok());
        let tries = (0..200).filter(|_| throttle.address(ip("192.0.2.1"), now).is_ok());
        assert_eq!(tries.count(), 60);
        let tries = (0..200).filter(|_| throttle.address(ip("127.0.0.1"), now).is_ok());
        assert_eq!(tries.count(), 200, "one machine plays a crowd");
    }

    #[test]
    fn neighbours_in_a_64_are_one_address() {
        assert_eq!(network(ip("2001:db8::1")), network(ip("2001:db8::ffff:1")));
        assert_ne!(network(ip("2001:db8::1")), network(ip("2001:db8:0:1::1")));
        assert_eq!(network(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
    }
}
