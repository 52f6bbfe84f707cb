//! The connection to NATS: settings, version check, and a counter that rises with every
//! (re)connect.

use std::time::Duration;

use async_nats::{
    ConnectOptions, Event,
    jetstream::{
        ErrorCode,
        context::{ContextBuilder, CreateStreamErrorKind},
        kv,
        stream::{Config, StorageType, Stream},
    },
};
use tokio::{sync::watch, time::Instant};

use crate::{Backoff, Error, config::Url, metrics};

/// Section `[nats]` of the configuration.
#[derive(Debug, Clone, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct NatsConfig {
    /// One url, or several separated by commas.
    pub url: Url,
    /// Copies of each stream: 1, or 3 in a cluster.
    pub replicas: usize,
    /// How long a start waits for the server.
    pub connect_wait_ms: u64,
    /// How many publishes may wait for their acknowledgement at once; one more waits for a place.
    pub ack_inflight_max: usize,
}

impl Default for NatsConfig {
    fn default() -> NatsConfig {
        NatsConfig {
            url: Url::new("nats://127.0.0.1:4222"),
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
    /// A reader that keeps server-side state (a consumer, a memory stream's position) watches it
    /// and starts again when it rises.
    pub connects: watch::Receiver<u64>,
    /// How many copies the streams that callers create should have (`StreamConfig::num_replicas`).
    pub replicas: usize,
}

/// How long one JetStream question may take before it counts as unanswered.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the connection is proved alive. A half-open one is noticed after three; the client's
/// own default of a minute would hang a buyer for two.
const PING_INTERVAL: Duration = Duration::from_secs(1);

/// The longest pause between two attempts to reconnect.
///
/// Shorter than a lease's silence less one beat: after a restart of NATS the owner must be back
/// before a contender may conclude that it is gone.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_millis(200);

/// The first and the longest pause between attempts at the start of the process.
const CONNECT_PAUSE_FIRST: Duration = Duration::from_millis(20);
const CONNECT_PAUSE_MAX: Duration = Duration::from_millis(200);

impl Nats {
    /// Connects as `name`, waiting for the server up to the configured time, and checks its
    /// version.
    pub async fn connect(config: &NatsConfig, name: &str) -> Result<Nats, Error> {
        let (counter, connects) = watch::channel(0);
        let deadline = Instant::now() + Duration::from_millis(config.connect_wait_ms);
        let addresses: Vec<&str> = config.url.expose().split(',').map(str::trim).collect();
        let options = options(name, counter);
        let mut backoff = Backoff::new(CONNECT_PAUSE_FIRST, CONNECT_PAUSE_MAX, None);
        let client = loop {
            match options.clone().connect(&addresses).await {
                Ok(client) => break client,
                Err(error) if Instant::now() >= deadline => {
                    return Err(Error::unavailable(format!("connect to {}", config.url), &error));
                }
                Err(_) => {
                    let delay = backoff.next_delay().expect("attempts are not limited");
                    tokio::time::sleep(delay).await;
                }
            }
        };
        if !client.is_server_compatible(2, 12, 0) {
            return Err(Error::Version {
                server: "nats-server",
                found: client.server_info().version,
                wanted: "2.12",
                reason: "older ones ignore the epoch fence or break compare-and-set",
            });
        }
        let jetstream = ContextBuilder::new()
            .timeout(REQUEST_TIMEOUT)
            .ack_timeout(REQUEST_TIMEOUT)
            .max_ack_inflight(config.ack_inflight_max)
            .backpressure_on_inflight(true)
            .build(client.clone());
        let mut first = connects.clone();
        first.wait_for(|&count| 0 < count).await.expect("the client keeps the event callback");
        Ok(Nats { client, jetstream, connects, replicas: config.replicas })
    }

    /// Opens the key-value bucket, or creates it: on disk, with the newest value of each key.
    pub async fn ensure_bucket(&self, bucket: &str) -> Result<kv::Store, Error> {
        if let Ok(store) = self.jetstream.get_key_value(bucket).await {
            return Ok(store);
        }
        let config = kv::Config {
            bucket: bucket.to_owned(),
            history: 1,
            storage: StorageType::File,
            num_replicas: self.replicas,
            ..kv::Config::default()
        };
        let Err(error) = self.jetstream.create_key_value(config).await else {
            let made = self.jetstream.get_key_value(bucket).await;
            return made
                .map_err(|error| Error::unavailable(format!("open bucket {bucket}"), &error));
        };
        // Another process may have made it in between; its settings stand.
        let theirs = self.jetstream.get_key_value(bucket).await;
        theirs.map_err(|_| Error::unavailable(format!("ensure bucket {bucket}"), &error))
    }

    /// Creates the stream, or checks that the one there is configured the same.
    ///
    /// Safe in several processes at once.
    pub async fn ensure_stream(&self, config: &Config) -> Result<Stream, Error> {
        let name = &config.name;
        // The server itself accepts the creation of what is there, if it is the same.
        let error = match self.jetstream.create_stream(config).await {
            Ok(stream) => return Ok(stream),
            Err(error) => error,
        };
        let what = format!("ensure stream {name}");
        match error.kind() {
            CreateStreamErrorKind::JetStream(refusal)
                if refusal.error_code() == ErrorCode::STREAM_NAME_EXIST =>
            {
                let found = self.jetstream.get_stream(name).await;
                let found = found.map_err(|error| Error::unavailable(what.clone(), &error))?;
                match stream_difference(config, &found.cached_info().config) {
                    Some(difference) => Err(difference),
                    None => Err(Error::rejected(what, &error)),
                }
            }
            CreateStreamErrorKind::JetStream(refusal) if refusal.code() != 503 => {
                Err(Error::rejected(what, &error))
            }
            _ => Err(Error::unavailable(what, &error)),
        }
    }

    /// Resolves when the connection has been made anew since `connects_seen`; cancel-safe.
    pub async fn reconnected(&self, connects_seen: u64) {
        let mut connects = self.connects.clone();
        let waited = connects.wait_for(|&count| connects_seen < count).await;
        waited.expect("the client keeps the event callback");
    }
}

fn options(name: &str, counter: watch::Sender<u64>) -> ConnectOptions {
    ConnectOptions::new()
        .name(name)
        .ping_interval(PING_INTERVAL)
        .connection_timeout(REQUEST_TIMEOUT)
        .request_timeout(Some(REQUEST_TIMEOUT))
        .reconnect_delay_callback(|attempt| {
            let step = Duration::from_millis(10);
            step.saturating_mul(u32::try_from(attempt).unwrap_or(u32::MAX)).min(RECONNECT_PAUSE_MAX)
        })
        .event_callback(move |event| {
            on_event(&event, &counter);
            std::future::ready(())
        })
}

fn on_event(event: &Event, counter: &watch::Sender<u64>) {
    match event {
        Event::Connected => {
            metrics::nats_connected();
            counter.send_modify(|count| *count += 1);
        }
        Event::SlowConsumer(_) => {
            metrics::nats_slow_reader();
            tracing::warn!(%event, "NATS drops messages to a slow reader");
        }
        _ => tracing::info!(%event, "NATS connection"),
    }
}

/// The first field that differs.
fn stream_difference(wanted: &Config, found: &Config) -> Option<Error> {
    let mut pairs = comparable(wanted, wanted).into_iter().zip(comparable(found, wanted));
    let ((field, wanted_value), (_, found_value)) =
        pairs.find(|((_, wanted), (_, found))| wanted != found)?;
    let stream = wanted.name.clone();
    Some(Error::StreamDiffers { stream, field, found: found_value, wanted: wanted_value })
}

/// What we rely on in a stream, as text, with what the server makes of fields that `wanted` leaves
/// unset.
fn comparable(config: &Config, wanted: &Config) -> [(&'static str, String); 15] {
    let limit = |value: i64| if value == 0 { -1 } else { value }.to_string();
    let window_is_set = !wanted.duplicate_window.is_zero();
    let window = window_is_set.then_some(config.duplicate_window);
    [
        ("subjects", format!("{:?}", config.subjects)),
        ("storage", format!("{:?}", config.storage)),
        ("retention", format!("{:?}", config.retention)),
        ("discard", format!("{:?}", config.discard)),
        ("discard_new_per_subject", config.discard_new_per_subject.to_string()),
        ("max_bytes", limit(config.max_bytes)),
        ("max_messages", limit(config.max_messages)),
        ("max_messages_per_subject", limit(config.max_messages_per_subject)),
        ("max_message_size", limit(i64::from(config.max_message_size))),
        ("max_age", format!("{:?}", config.max_age)),
        ("duplicate_window", format!("{window:?}")),
        ("num_replicas", config.num_replicas.max(1).to_string()),
        ("deny_delete", config.deny_delete.to_string()),
        ("deny_purge", config.deny_purge.to_string()),
        ("allow_direct", config.allow_direct.to_string()),
    ]
}
