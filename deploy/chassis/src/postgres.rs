//! The pool of Postgres connections, the role of stages, and the migrations.

use std::time::Duration;

use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::{Instant, sleep, timeout};

use crate::{Backoff, Error, config::Url};

/// Section `[postgres]` of the configuration.
#[derive(Debug, Clone, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresConfig {
    pub url: Url,
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
            url: Url::new("postgres://postgres@127.0.0.1:5432/postgres"),
            connections: 8,
            connect_wait_ms: 30_000,
            acquire_timeout_ms: 2_000,
            statement_timeout_ms: 3_000,
            lock_timeout_ms: 2_000,
        }
    }
}

/// How long a transaction may sit idle before the server ends it.
///
/// A paused process would keep its row locks for ever; longer than this, and a successor waits for
/// them longer than it takes to notice that it must succeed.
const IDLE_IN_TRANSACTION_MS: &str = "1000";

/// A connection that was idle for longer is tried before it is used.
///
/// Busy connections are not, because it costs a round trip each time; an idle one may have lost its
/// server, and would fail the first query after each restart.
const UNTRIED_IDLE_MAX: Duration = Duration::from_millis(500);

/// The first and the longest pause between attempts to connect.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Opens a pool that is warm (`min = max`), waiting for the server up to the configured time.
///
/// `name` is how the server's lists call the connections.
pub async fn connect_postgres(config: &PostgresConfig, name: &str) -> Result<PgPool, Error> {
    connect(config, name, &[]).await
}

/// Takes the role of stages, and says its name. It can add to the ledger and to whatever else is
/// only ever added to, and change nothing there.
const TAKE_ROLE: &str = "SELECT set_config('role', 'usher_app', false)";

/// Brings the schema up to date as the configured login, then opens a pool for stages: in the role
/// `usher_app`, where the login may take it.
///
/// A login that can only take the role, and owns nothing, must find a schema that is up to date.
pub async fn connect_stages(config: &PostgresConfig, name: &str) -> Result<PgPool, Error> {
    let single = PostgresConfig { connections: 1, ..config.clone() };
    let login = connect_postgres(&single, name).await?;
    migrate(&login).await?;
    let taken: Result<String, _> = sqlx::query_scalar(TAKE_ROLE).fetch_one(&login).await;
    login.close().await;
    match taken {
        Ok(role) => connect(config, name, &[("role", &role)]).await,
        Err(error @ sqlx::Error::Database(_)) => {
            tracing::warn!(%error, "stages work as the login: triggers alone keep the ledger");
            connect_postgres(config, name).await
        }
        Err(error) => Err(Error::unavailable("take the role of stages".to_owned(), &error)),
    }
}

async fn connect(
    config: &PostgresConfig,
    name: &str,
    settings: &[(&str, &str)],
) -> Result<PgPool, Error> {
    let what = || "connect to Postgres".to_owned();
    let options: PgConnectOptions = config
        .url
        .expose()
        .parse()
        .map_err(|error: sqlx::Error| Error::rejected(what(), &error))?;
    let options = options.application_name(name).options([
        ("statement_timeout", config.statement_timeout_ms.to_string().as_str()),
        // A plan made while a table was empty would read all of it for ever.
        ("plan_cache_mode", "force_custom_plan"),
        ("lock_timeout", config.lock_timeout_ms.to_string().as_str()),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_MS),
    ]);
    let options = options.options(settings.iter().copied());
    let acquire_timeout = Duration::from_millis(config.acquire_timeout_ms);
    let pool = PgPoolOptions::new()
        .min_connections(config.connections)
        .max_connections(config.connections)
        .acquire_timeout(acquire_timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .before_acquire(move |connection, idle| {
            Box::pin(async move {
                if idle.idle_for <= UNTRIED_IDLE_MAX {
                    return Ok(true);
                }
                let tried = timeout(acquire_timeout, connection.ping()).await;
                Ok(tried.is_ok_and(|answer| answer.is_ok()))
            })
        });
    let deadline = Instant::now() + Duration::from_millis(config.connect_wait_ms);
    let mut backoff = Backoff::new(PAUSE_FIRST, PAUSE_MAX, None);
    loop {
        match pool.clone().connect_with(options.clone()).await {
            Ok(pool) => return Ok(pool),
            Err(error) if is_starting(&error) && Instant::now() < deadline => {
                sleep(backoff.next_delay().expect("attempts are not limited")).await;
            }
            Err(error) if is_starting(&error) => return Err(Error::unavailable(what(), &error)),
            Err(error) => return Err(Error::rejected(what(), &error)),
        }
    }
}

static MIGRATIONS: Migrator = sqlx::migrate!("../../schema/migrations");

/// How long a migration may take, the wait for another process's migration included.
const MIGRATION_WAIT: Duration = Duration::from_mins(2);

/// Brings the schema up to date, if it is not. Safe in several processes at once, and while
/// Postgres starts.
///
/// The migrator holds an advisory lock of the session for as long as it works, so a second process
/// waits, and then finds nothing to do. It works on a connection of its own, without the pool's
/// short timeouts.
pub async fn migrate(pool: &PgPool) -> Result<(), Error> {
    let what = || "migrate the database".to_owned();
    let options = (*pool.connect_options()).clone();
    let patient = options.options([
        ("statement_timeout", "0"),
        ("lock_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
    ]);
    let deadline = Instant::now() + MIGRATION_WAIT;
    let mut backoff = Backoff::new(PAUSE_FIRST, PAUSE_MAX, None);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let error = match timeout(left, migrate_once(&patient)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(elapsed) => return Err(Error::unavailable(what(), &elapsed)),
        };
        match &error {
            MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _)
                if is_starting(cause) =>
            {
                sleep(backoff.next_delay().expect("attempts are not limited")).await;
            }
            _ => return Err(Error::rejected(what(), &error)),
        }
    }
}

async fn migrate_once(options: &PgConnectOptions) -> Result<(), MigrateError> {
    let mut connection: PgConnection = options.connect().await?;
    if is_up_to_date(&mut connection).await {
        return Ok(connection.close().await?);
    }
    // The lock belongs to the session: an error on the way ends it by closing the connection.
    MIGRATIONS.run_direct(None, &mut connection, false).await?;
    Ok(connection.close().await?)
}

/// Whether all migrations were made, as they are here. To look takes no right but to read.
async fn is_up_to_date(connection: &mut PgConnection) -> bool {
    let made = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";
    let made: Result<Vec<(i64, Vec<u8>)>, _> = sqlx::query_as(made).fetch_all(connection).await;
    // No table, no rights, no server: the migrator finds out which.
    let Ok(made) = made else { return false };
    let ours = MIGRATIONS.iter().map(|one| (one.version, one.checksum.to_vec()));
    ours.eq(made)
}

/// The server is not there or not ready, which passes; anything else would be the same the next
/// time.
fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
        // 57P01 to 57P03: the server stops, crashed, or starts. 53300: it has no free connection
        // now.
        sqlx::Error::Database(refusal) => {
            let code = refusal.code().unwrap_or_default();
            ["57P01", "57P02", "57P03", "53300"].contains(&code.as_ref())
        }
        _ => false,
    }
}
