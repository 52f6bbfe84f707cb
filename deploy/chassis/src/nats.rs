//! The connection to NATS: settings, version check, and a counter that rises with every (re)connect.

use tokio::sync::watch;

use crate::Error;

/// Section `[nats]` of the configuration.
#[derive(Debug, Clone, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct NatsConfig {
    /// One url, or several separated by commas.
    pub url: String,
    /// Copies of each stream: 1, or 3 in a cluster.
    pub replicas: usize,
    /// How long a start waits for the server.
    pub connect_wait_ms: u64,
    /// How many publishes may wait for their PubAck at once; one more waits for a place.
    pub ack_inflight_max: usize,
}

impl Default for NatsConfig {
    fn default() -> NatsConfig {
        NatsConfig {
            url: "nats://127.0.0.1:4222".to_owned(),
            replicas: 1,
            connect_wait_ms: 30_000,
            ack_inflight_max: 4_096,
        }
    }
}

/// A connection that outlives restarts of the server. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Nats {
    pub client: async_nats::Client,
    pub jetstream: async_nats::jetstream::Context,
    /// 1 at the first connect, one more at each reconnect; 0 never shows.
    ///
    /// A reader that keeps server-side state (a consumer, a memory stream's position) watches it and
    /// starts again when it rises.
    pub connects: watch::Receiver<u64>,
    /// How many copies the streams that callers create should have (`StreamConfig::num_replicas`).
    pub replicas: usize,
}

impl Nats {
    /// Connects as `name`, waiting for the server up to the configured time, and checks its version.
    pub async fn connect(config: &NatsConfig, name: &str) -> Result<Nats, Error> {
        todo!("{config:?} {name}")
    }

    /// Creates the stream, or checks that the one there is configured the same. Safe in several processes at once.
    pub async fn ensure_stream(
        &self,
        config: &async_nats::jetstream::stream::Config,
    ) -> Result<async_nats::jetstream::stream::Stream, Error> {
        todo!("{config:?}")
    }
}
