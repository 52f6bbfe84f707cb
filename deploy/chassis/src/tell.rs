//! Words that a stage says again and again, and that nobody stores.

use std::time::Duration;

use async_nats::Subject;
use bytes::Bytes;
use tokio::time::MissedTickBehavior;

use crate::{Nats, Shutdown};

/// Publishes what `word` says now and again `every` so often, until `stop` begins; nothing at a
/// time that it has none for.
///
/// A word that NATS does not take until the next one is due is left: that says it again.
pub async fn tell_every(
    nats: &Nats,
    every: Duration,
    stop: &Shutdown,
    mut word: impl FnMut() -> Option<(Subject, Bytes)>,
) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // Cancel-safe: both only wait.
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.begun() => return,
        }
        let Some((subject, payload)) = word() else { continue };
        let told = nats.client.publish(subject.clone(), payload);
        match tokio::time::timeout(every, told).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%subject, %error, "a word was not told"),
            Err(_) => tracing::debug!(%subject, "NATS takes no word now"),
        }
    }
}
