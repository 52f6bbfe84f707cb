//! Whether a server answers.

use std::time::Duration;

use sqlx::Connection;

use super::Which;
use crate::{Cause, Error, Nats, NatsConfig, config::Url};

/// How long one question may take. Shorter than the wait for the start, so that a connection which
/// the server accepted too early is not waited for.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);

/// Asks the server something that only a working one can answer.
pub(super) async fn ask(which: Which, url: &str) -> Result<(), Error> {
    let answer = async {
        match which {
            Which::Nats => ask_nats(url).await,
            Which::Redis => ask_redis(url).await.map_err(|error| not_ready(which, &error)),
            Which::Postgres => ask_postgres(url).await.map_err(|error| not_ready(which, &error)),
        }
    };
    tokio::time::timeout(QUESTION_TIMEOUT, answer)
        .await
        .unwrap_or_else(|elapsed| Err(not_ready(which, &elapsed)))
}

fn not_ready(which: Which, error: &(dyn std::error::Error + 'static)) -> Error {
    Error::unavailable(format!("ask {}", which.name()), error)
}

async fn ask_nats(url: &str) -> Result<(), Error> {
    let config = NatsConfig { url: Url::new(url), connect_wait_ms: 0, ..NatsConfig::default() };
    let nats = Nats::connect(&config, "usher-ready").await?;
    match nats.jetstream.query_account().await {
        Ok(_) => Ok(()),
        Err(error) => {
            Err(Error::Unavailable { what: "ask JetStream".to_owned(), source: Cause::of(&error) })
        }
    }
}

async fn ask_redis(url: &str) -> redis::RedisResult<()> {
    let client = redis::Client::open(url)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd("PING").query_async(&mut connection).await
}

async fn ask_postgres(url: &str) -> Result<(), sqlx::Error> {
    let mut connection = sqlx::PgConnection::connect(url).await?;
    connection.ping().await?;
    connection.close().await
}
