//! The connection to Redis, which knows at each moment to which server it talks.
//!
//! A command runs on a [`Session`]: one TCP connection whose server has already told its `run_id`.
//! A client that reconnects unseen would let a write meant for one server land in another one,
//! which may have lost everything: here the caller decides what a new session means before it uses
//! it.

mod session;

use std::{sync::Arc, time::Duration};

use redis::{AsyncConnectionConfig, Client};
use tokio::{sync::watch, time::timeout};

pub use self::session::Session;
use crate::{Backoff, Cause, Error, config::Url, metrics, tasks};

/// Section `[redis]` of the configuration.
#[derive(Debug, Clone, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    pub url: Url,
    /// How long a start waits for the server.
    pub connect_wait_ms: u64,
    /// How long one command may take, the wait for a connection included.
    pub response_timeout_ms: u64,
}

impl Default for RedisConfig {
    fn default() -> RedisConfig {
        RedisConfig {
            url: Url::new("redis://127.0.0.1:6379"),
            connect_wait_ms: 30_000,
            response_timeout_ms: 250,
        }
    }
}

/// A handle that outlives restarts of the server. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Redis {
    /// The generation of the newest session; 1 is the first. It rises with each new connection.
    pub generation: watch::Receiver<u64>,
    sessions: watch::Receiver<Option<Session>>,
    response_timeout: Duration,
    _keeper: Arc<Keeper>,
}

/// The first and the longest pause between attempts to connect.
///
/// The longest is far below the two seconds within which admission must resume after Redis is back.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// How often an idle connection is proved alive.
const PING_INTERVAL: Duration = Duration::from_millis(500);

impl Redis {
    /// Waits for the server up to the configured time.
    pub async fn connect(config: &RedisConfig) -> Result<Redis, Error> {
        let what = || "connect to Redis".to_owned();
        let client = Client::open(config.url.expose());
        let client = client.map_err(|error| Error::rejected(what(), &error))?;
        let response_timeout = Duration::from_millis(config.response_timeout_ms);
        let (generation_sender, generation) = watch::channel(0);
        let (sender, sessions) = watch::channel(None);
        let keep = keep_connected(client, response_timeout, sender, generation_sender);
        let keeper = Keeper(tasks::spawn("redis", keep).abort_handle());
        let redis = Redis { generation, sessions, response_timeout, _keeper: Arc::new(keeper) };
        let wait = Duration::from_millis(config.connect_wait_ms);
        let mut sessions = redis.sessions.clone();
        match timeout(wait, sessions.wait_for(Option::is_some)).await {
            Ok(connected) => drop(connected.expect("the keeper lives in `redis`")),
            Err(elapsed) => return Err(Error::unavailable(what(), &elapsed)),
        }
        Ok(redis)
    }

    /// The newest session that is not known to be broken; waits at most the response timeout for
    /// one.
    pub async fn session(&self) -> Result<Session, Error> {
        let mut sessions = self.sessions.clone();
        let usable = |session: &Option<Session>| session.as_ref().is_some_and(Session::is_usable);
        let waited = timeout(self.response_timeout, sessions.wait_for(usable)).await;
        let found = waited.map_err(|_| Error::Unavailable {
            what: "use Redis".to_owned(),
            source: Cause::text("not connected"),
        })?;
        let session = found.expect("the keeper lives in `self`").clone();
        Ok(session.expect("waited for a usable one"))
    }

    /// Runs one command; at most twice the response timeout. An error leaves open whether it ran.
    pub async fn query<T: ::redis::FromRedisValue>(
        &self,
        command: &::redis::Cmd,
    ) -> Result<T, Error> {
        self.session().await?.query(command).await
    }

    /// Runs commands in one round trip (`pipeline.atomic()` makes it MULTI).
    pub async fn pipeline<T: ::redis::FromRedisValue>(
        &self,
        pipeline: &::redis::Pipeline,
    ) -> Result<T, Error> {
        self.session().await?.pipeline(pipeline).await
    }

    /// Runs a script by its hash, loading it when the server does not know it.
    pub async fn script<T: ::redis::FromRedisValue>(
        &self,
        invocation: &::redis::ScriptInvocation<'_>,
    ) -> Result<T, Error> {
        self.session().await?.script(invocation).await
    }

    /// The `run_id` of the server of the newest session.
    pub async fn run_id(&self) -> Result<String, Error> {
        Ok(self.session().await?.run_id.to_string())
    }
}

/// Ends the background task with the last handle.
#[derive(Debug)]
struct Keeper(tokio::task::AbortHandle);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Keeps one working session in `sessions`, making a new one whenever the last has broken.
async fn keep_connected(
    client: Client,
    response_timeout: Duration,
    sessions: watch::Sender<Option<Session>>,
    generations: watch::Sender<u64>,
) {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(response_timeout))
        .set_response_timeout(Some(response_timeout));
    let mut backoff = Backoff::new(PAUSE_FIRST, PAUSE_MAX, None);
    let mut generation = 0;
    loop {
        let session = match Session::open(&client, &config, generation + 1).await {
            Ok(session) => session,
            Err(error) => {
                tracing::debug!(error = %Cause::of(&error), "Redis does not answer");
                let delay = backoff.next_delay().expect("attempts are not limited");
                tokio::time::sleep(delay).await;
                continue;
            }
        };
        generation += 1;
        backoff.reset();
        tracing::info!(generation, run_id = %session.run_id, "connected to Redis");
        metrics::redis_connected();
        sessions.send_replace(Some(session.clone()));
        generations.send_replace(generation);
        while session.is_usable() {
            // A quiet moment passes, or a command finds the session broken: both end in a look at
            // it.
            if timeout(PING_INTERVAL, session.broken()).await.is_err() {
                session.ping().await;
            }
        }
        tracing::warn!(generation, "connection to Redis is broken");
    }
}
