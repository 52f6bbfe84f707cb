//! One connection to one known server process.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, InfoDict, Pipeline, RedisError,
    RedisResult, ScriptInvocation, ServerErrorKind, aio::MultiplexedConnection,
};
use tokio_util::sync::CancellationToken;

use crate::Error;

/// One connection to one known server process; it breaks rather than reconnects. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Session {
    pub generation: u64,
    /// Names the server process; another one means another process, which may have lost data.
    pub run_id: Arc<str>,
    connection: MultiplexedConnection,
    broken: CancellationToken,
    timeouts: Arc<AtomicU32>,
}

/// How many commands in a row may time out before the connection counts as dead.
///
/// One alone is a slow moment of the server; replacing the connection for it would add to its work.
/// A connection whose other end vanished without a word fails every command.
const TIMEOUTS_MAX: u32 = 4;

impl Session {
    pub(super) async fn open(
        client: &Client,
        config: &AsyncConnectionConfig,
        generation: u64,
    ) -> RedisResult<Session> {
        let mut connection = client.get_multiplexed_async_connection_with_config(config).await?;
        let mut info = redis::cmd("INFO");
        let info: InfoDict =
            info.arg("server").arg("replication").query_async(&mut connection).await?;
        let role: Option<String> = info.get("role");
        if role.is_some_and(|role| role != "master") {
            return Err((ErrorKind::Client, "the server is a replica").into());
        }
        let run_id: String = info.get("run_id").ok_or((ErrorKind::Parse, "INFO has no run_id"))?;
        Ok(Session {
            generation,
            run_id: run_id.into(),
            connection,
            broken: CancellationToken::new(),
            timeouts: Arc::default(),
        })
    }

    /// Runs one command; at most the response timeout. An error leaves open whether it ran.
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        let mut connection = self.connection.clone();
        self.judged(command.query_async(&mut connection).await)
    }

    /// Runs commands in one round trip (`pipeline.atomic()` makes it MULTI).
    pub async fn pipeline<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, Error> {
        let mut connection = self.connection.clone();
        self.judged(pipeline.query_async(&mut connection).await)
    }

    /// Runs a script by its hash, loading it when the server does not know it.
    pub async fn script<T: FromRedisValue>(
        &self,
        invocation: &ScriptInvocation<'_>,
    ) -> Result<T, Error> {
        let mut connection = self.connection.clone();
        self.judged(invocation.invoke_async(&mut connection).await)
    }

    pub fn is_usable(&self) -> bool {
        !self.broken.is_cancelled()
    }

    /// Resolves once the session is known to be broken. Cancel-safe.
    pub async fn broken(&self) {
        self.broken.cancelled().await;
    }

    pub(super) async fn ping(&self) {
        if let Err(error) = self.query::<()>(&redis::cmd("PING")).await {
            tracing::debug!(%error, "Redis does not answer a ping");
        }
    }

    /// Learns from a command's result whether the connection still works.
    fn judged<T>(&self, result: RedisResult<T>) -> Result<T, Error> {
        let error = match result {
            Ok(value) => {
                // Relaxed: a hint for replacing the connection; nothing is ordered by it.
                self.timeouts.store(0, Ordering::Relaxed);
                return Ok(value);
            }
            Err(error) => error,
        };
        if self.breaks(&error) {
            self.broken.cancel();
        }
        if is_refusal(&error) {
            return Err(Error::rejected("use Redis", &error));
        }
        Err(Error::unavailable("use Redis", &error))
    }

    fn breaks(&self, error: &RedisError) -> bool {
        if error.is_timeout() {
            // Relaxed: as above.
            return TIMEOUTS_MAX <= self.timeouts.fetch_add(1, Ordering::Relaxed) + 1;
        }
        // READONLY: the server became a replica; its successor is found by connecting again.
        let demoted = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
        demoted || error.is_unrecoverable_error() || error.is_io_error()
    }
}

/// The server understood and refused, so that the same command would be refused again.
fn is_refusal(error: &RedisError) -> bool {
    let passing = [
        ServerErrorKind::ReadOnly,
        ServerErrorKind::BusyLoading,
        ServerErrorKind::TryAgain,
        ServerErrorKind::MasterDown,
    ];
    match error.kind() {
        ErrorKind::Server(kind) => !passing.contains(&kind),
        ErrorKind::UnexpectedReturnType | ErrorKind::InvalidClientConfig => true,
        _ => false,
    }
}
