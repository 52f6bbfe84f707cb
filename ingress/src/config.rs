//! Section `[ingress]` of the configuration.

use schema::DurationMs;
use serde::{Deserialize, Serialize};

use crate::accounts::{LoginRates, PasswordLimits};
use crate::buckets::Rate;
use crate::views::Keep;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where fans, partners and operators connect.
    pub listen: std::net::SocketAddr,
    /// Demo data is loaded: requests from this machine have the `_demo` rates, so that it can play
    /// a crowd.
    pub demo: bool,
    /// `POST /bench/accounts` gives anybody who asks any number of new accounts with their tokens,
    /// and requests from this machine have the `_demo` rates. For measurements only.
    pub bench_door: bool,
    /// Serves waiting rooms alone: in front of another site, without accounts, seats, orders or
    /// search, and so without Postgres and without any stage but the waiting room.
    pub rooms_only: bool,
    pub http: chassis::http::HttpLimits,
    pub passwords: PasswordLimits,
    pub logins: LoginRates,
    pub requests: RequestLimits,
    /// Codes of channels that an account may name wrongly, in each process.
    pub channel_codes: Rate,
    /// Life of an account token. Shorter ones ask the store more often; a longer one outlives a
    /// change of roles.
    pub token_ttl_s: u64,
    /// Life of a login without use of its refresh token.
    pub refresh_ttl_s: u64,
    /// How long confirm waits for the end of a payment before it answers 202.
    pub confirm_wait_ms: u64,
    /// Open seat streams. Each costs a connection and some kilobytes.
    pub streams_max: u32,
    /// Seat maps rendered at the same time; each fills a core for milliseconds.
    pub renderings_max: u32,
    /// How long ended reservations can be looked up, and how many of a shard at most.
    pub ended_holds_ms: DurationMs,
    pub ended_holds_max: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 8080).into(),
            demo: false,
            bench_door: false,
            rooms_only: false,
            http: chassis::http::HttpLimits::default(),
            passwords: PasswordLimits::default(),
            logins: LoginRates::default(),
            requests: RequestLimits::default(),
            channel_codes: Rate { burst: 10, per_minute: 6 },
            token_ttl_s: 3_600,
            refresh_ttl_s: 30 * 86_400,
            confirm_wait_ms: 10_000,
            streams_max: 8_192,
            renderings_max: 2,
            ended_holds_ms: DurationMs::from_secs(900),
            ended_holds_max: 200_000,
        }
    }
}

/// What an address may ask, and how much is served at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestLimits {
    /// Requests of one address (IPv6: /64). An office or a mobile network is one address to us, so
    /// this stops machines, not crowds.
    pub address: Rate,
    /// Questions of a gate about requests of one address to another site, apart from those.
    ///
    /// A page of that site is some dozen of them, and many who are admitted may share an address.
    /// Each takes 0.2 ms at most, with four passes that are none: with more, one address could keep
    /// a processor busy.
    pub gate: Rate,
    /// Both from this machine, on demo data.
    pub address_demo: Rate,
    /// Requests at the same time; more are answered 503. Above what the pipeline carries in a
    /// second, more would only wait longer.
    pub concurrent_max: u32,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            address: Rate { burst: 600, per_minute: 6_000 },
            gate: Rate { burst: 6_000, per_minute: 60_000 },
            address_demo: Rate { burst: 1_000_000, per_minute: 60_000_000 },
            concurrent_max: 8_192,
        }
    }
}

impl Config {
    /// Asserts the relations of the limits.
    pub fn check(&self) {
        let request_ms = self.http.request_ms.0;
        assert!(self.confirm_wait_ms + schema::limits::ASK_WAIT.0 < request_ms);
        assert!(self.passwords.wait_ms < request_ms);
        assert!(self.token_ttl_s < self.refresh_ttl_s);
        assert!(0 < self.renderings_max);
        assert!(!(self.rooms_only && self.bench_door), "there are no accounts to give");
        assert!(0 < self.requests.concurrent_max);
    }

    /// Whether requests from this machine are a crowd's.
    pub fn plays_crowd(&self) -> bool {
        self.demo || self.bench_door
    }

    pub fn keep(&self) -> Keep {
        let ended_max = usize::try_from(self.ended_holds_max).expect("usize has 32 bits or more");
        Keep { ended_for: self.ended_holds_ms, ended_max }
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn the_defaults_keep_their_relations() {
        Config::default().check();
    }
}
