//! What a system's servers count of themselves: calls of Redis and its memory, and transactions of
//! Postgres.

use anyhow::Context as _;
use redis::aio::MultiplexedConnection;
use sqlx::{Connection as _, PgConnection};
use std::collections::BTreeMap;
use std::path::Path;

/// What asking costs itself: `INFO`, and how a connection says who it is.
const OF_ASKING: [&str; 3] = ["info", "hello", "client"];

/// Commands of Redis and how often they were called.
pub type Calls = BTreeMap<String, u64>;

/// The Redis of a system.
pub struct RedisCounters(MultiplexedConnection);

/// The Postgres of a system.
pub struct PostgresCounters(PgConnection);

/// How many transactions a database has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transactions {
    /// All that were committed (`xact_commit`), those that only read among them. Sessions tell it
    /// late, an idle one ten seconds late.
    pub committed: i64,
    /// Those that wrote something, told at once.
    pub wrote: i64,
}

impl RedisCounters {
    /// Connects to the Redis of the system in `data`.
    pub async fn open(data: &Path) -> anyhow::Result<Self> {
        let url = super::running(data)?.redis.context("usher.json does not say where Redis is")?;
        let client = redis::Client::open(url).context("read the address of Redis")?;
        let connection = client.get_multiplexed_async_connection().await;
        Ok(Self(connection.context("connect to Redis")?))
    }

    /// Since its start, but for those of asking.
    pub async fn calls(&mut self) -> anyhow::Result<Calls> {
        Ok(read_calls(&self.info("commandstats").await?))
    }

    /// The bytes that Redis has allocated, its buffers among them.
    pub async fn used_bytes(&mut self) -> anyhow::Result<u64> {
        let info = self.info("memory").await?;
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        line.context("Redis does not tell its memory")?.trim().parse().context("read used_memory")
    }

    async fn info(&mut self, section: &str) -> anyhow::Result<String> {
        let asked = redis::cmd("INFO").arg(section).to_owned();
        asked.query_async(&mut self.0).await.context("ask Redis for INFO")
    }
}

impl PostgresCounters {
    /// Connects to the database of the system in `data`.
    pub async fn open(data: &Path) -> anyhow::Result<Self> {
        let url = super::running(data)?.postgres;
        let url = url.context("usher.json does not say where Postgres is")?;
        Ok(Self(PgConnection::connect(&url).await.context("connect to Usher's Postgres")?))
    }

    pub async fn transactions(&mut self) -> anyhow::Result<Transactions> {
        let asked = sqlx::query_as::<_, (i64, i64)>(
            "SELECT xact_commit, pg_snapshot_xmax(pg_current_snapshot())::text::bigint \
             FROM pg_stat_database WHERE datname = current_database()",
        );
        let (committed, wrote) = asked.fetch_one(&mut self.0).await.context("ask Postgres")?;
        Ok(Transactions { committed, wrote })
    }
}

/// What was called from one look to the other.
pub fn made_between(before: &Calls, after: &Calls) -> Calls {
    let made = after.iter().filter_map(|(command, count)| {
        let made = count.saturating_sub(before.get(command).copied().unwrap_or_default());
        (0 < made).then(|| (command.clone(), made))
    });
    made.collect()
}

/// Reads lines such as `cmdstat_get:calls=7,usec=21,..`.
fn read_calls(info: &str) -> Calls {
    let calls = info.lines().filter_map(|line| {
        let (command, told) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let (whole, _) = command.split_once('|').unwrap_or((command, ""));
        let count = told.split(',').next()?.parse().ok()?;
        (!OF_ASKING.contains(&whole)).then(|| (command.to_owned(), count))
    });
    calls.collect()
}

#[cfg(test)]
mod tests {
    use super::{Calls, made_between, read_calls};

    #[test]
    fn calls_are_those_of_others() {
        let before = "# Commandstats\r\ncmdstat_evalsha:calls=7,usec=21,usec_per_call=3.00\r\n\
                      cmdstat_info:calls=1,usec=90\r\ncmdstat_client|setinfo:calls=2,usec=9\r\n";
        let after = "cmdstat_evalsha:calls=9,usec=30\r\ncmdstat_info:calls=2,usec=180\r\n\
                     cmdstat_getrange:calls=1,usec=2\r\ncmdstat_get:calls=0,usec=0\r\n";
        let (before, after) = (read_calls(before), read_calls(after));
        assert_eq!(before, Calls::from([("evalsha".to_owned(), 7)]));
        let made = [("evalsha".to_owned(), 2), ("getrange".to_owned(), 1)];
        assert_eq!(made_between(&before, &after), Calls::from(made));
    }
}
