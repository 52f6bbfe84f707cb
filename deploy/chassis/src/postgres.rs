//! The pool of Postgres connections, and the migrations.

use sqlx::PgPool;

use crate::Error;

/// Section `[postgres]` of the configuration.
#[derive(Debug, Clone, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresConfig {
    pub url: String,
    /// Connections of one pool, all open from the start.
    pub connections: u32,
    /// How long a start waits for the server.
    pub connect_wait_ms: u64,
    /// How long a query waits for a free connection.
    pub acquire_timeout_ms: u64,
    pub statement_timeout_ms: u64,
    pub lock_timeout_ms: u64,
}

impl Default for PostgresConfig {
    fn default() -> PostgresConfig {
        PostgresConfig {
            url: "postgres://postgres@127.0.0.1:5432/postgres".to_owned(),
            connections: 4,
            connect_wait_ms: 30_000,
            acquire_timeout_ms: 2_000,
            statement_timeout_ms: 3_000,
            lock_timeout_ms: 2_000,
        }
    }
}

/// Opens a pool that is warm (`min = max`), waiting for the server up to the configured time.
pub async fn connect_postgres(config: &PostgresConfig, name: &str) -> Result<PgPool, Error> {
    todo!("{config:?} {name}")
}

/// Brings the schema up to date. Safe in several processes at once, and while Postgres starts.
pub async fn migrate(pool: &PgPool) -> Result<(), Error> {
    todo!("{pool:?}")
}
