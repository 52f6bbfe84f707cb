//! What JetStream appends at most, with the streams and the messages of Usher's journals.

use crate::record::Latency;
use anyhow::Context as _;
use async_nats::jetstream;
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use bytes::Bytes;
use schema::{ShardId, Shards, stream, subject};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long one append may take.
const ACK_WAIT: Duration = Duration::from_secs(5);

/// What the file of a stream has of a message besides subject, headers and payload.
const RECORD_BYTES: usize = 30;

/// What is appended: to each shard's stream one message after the other, the next one when the one
/// before was acknowledged, as an owner does it.
#[derive(Debug, Clone)]
pub struct Appending {
    pub url: String,
    /// Of a message as the stream counts it, with its subject and its headers.
    pub message_bytes: usize,
    pub time: Duration,
}

/// Appends for the time; returns messages a second and how long one took.
pub async fn append(appending: &Appending) -> anyhow::Result<(f64, Latency)> {
    let client = async_nats::connect(&appending.url).await.context("connect to NATS")?;
    let context = jetstream::new(client);
    for shard in Shards::default().all() {
        let made = context.get_or_create_stream(config(shard)).await;
        made.context("make a stream")?;
    }
    // The clock starts when the streams are there: Usher's are too before its turn begins.
    let begun = Instant::now();
    let until = begun + appending.time;
    let mut shards = JoinSet::new();
    for shard in Shards::default().all() {
        let subject = subject::journal(shard);
        let around = RECORD_BYTES + subject.len();
        let payload_bytes = appending.message_bytes.saturating_sub(around).max(1);
        let payload = Bytes::from(vec![0x5a; payload_bytes]);
        shards.spawn(append_to(context.clone(), subject, payload, until));
    }
    let mut latency = Latency::default();
    while let Some(done) = shards.join_next().await {
        latency.merge(&done??);
    }
    Ok((crate::measure::rate(latency.count(), begun.elapsed()), latency))
}

async fn append_to(
    context: jetstream::Context,
    subject: String,
    payload: Bytes,
    until: Instant,
) -> anyhow::Result<Latency> {
    let mut latency = Latency::default();
    loop {
        let asked = Instant::now();
        if until <= asked {
            return Ok(latency);
        }
        let appended = async { context.publish(subject.clone(), payload.clone()).await?.await };
        let appended = tokio::time::timeout(ACK_WAIT, appended).await;
        appended.context("no acknowledgement in time")?.context("append")?;
        latency.add(asked.elapsed());
    }
}

/// The stream of a shard's journal, as Usher makes it.
fn config(shard: ShardId) -> Config {
    let spec = stream::journal(shard);
    Config {
        name: spec.name,
        subjects: spec.subjects,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        max_messages: -1,
        max_bytes: -1,
        max_message_size: i32::try_from(spec.message_bytes_max).expect("below 2 GiB"),
        duplicate_window: spec.duplicate_window.into(),
        num_replicas: 1,
        ..Config::default()
    }
}
