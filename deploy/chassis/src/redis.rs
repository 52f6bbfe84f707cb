//! The connection to Redis: reconnects by itself, rebuilds on READONLY, and says which server it talks to.

use tokio::sync::watch;

use crate::Error;

/// Section `[redis]` of the configuration.
#[derive(Debug, Clone, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    pub url: String,
    /// How long a start waits for the server.
    pub connect_wait_ms: u64,
    /// How long one command may take.
    pub response_timeout_ms: u64,
}

impl Default for RedisConfig {
    fn default() -> RedisConfig {
        RedisConfig {
            url: "redis://127.0.0.1:6379".to_owned(),
            connect_wait_ms: 30_000,
            response_timeout_ms: 250,
        }
    }
}

/// A shared connection that outlives restarts of the server. Cloning shares it.
#[derive(Clone)]
pub struct Redis {
    /// Rises each time the connection is made anew; begins at 1.
    pub generation: watch::Receiver<u64>,
}

impl Redis {
    pub async fn connect(config: &RedisConfig) -> Result<Redis, Error> {
        todo!("{config:?}")
    }

    /// Runs one command; at most the response timeout.
    pub async fn query<T: ::redis::FromRedisValue>(
        &self,
        command: &::redis::Cmd,
    ) -> Result<T, Error> {
        todo!("{command:?}")
    }

    /// Runs commands in one round trip (`pipeline.atomic()` makes it MULTI).
    pub async fn pipeline<T: ::redis::FromRedisValue>(
        &self,
        pipeline: &::redis::Pipeline,
    ) -> Result<T, Error> {
        todo!("{pipeline:?}")
    }

    /// Runs a script by its hash, loading it when the server does not know it.
    pub async fn script<T: ::redis::FromRedisValue>(
        &self,
        invocation: &::redis::ScriptInvocation<'_>,
    ) -> Result<T, Error> {
        todo!("{invocation:p}")
    }

    /// The `run_id` of the server that answers now; another one means another process, and maybe lost data.
    pub async fn run_id(&self) -> Result<String, Error> {
        todo!()
    }
}
