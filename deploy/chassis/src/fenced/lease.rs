//! The lease: a key that the owner bumps, and when a contender may call it silent.

use std::{sync::Arc, time::Duration};

use async_nats::{
    HeaderMap, Subscriber,
    connection::State,
    jetstream::{kv, stream::StorageType},
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};

use super::{
    FenceSpec, PAUSE_FIRST, PAUSE_MAX,
    publish::{Answer, publish},
};
use crate::{Backoff, Cause, Error, Nats, outside};

/// How long the bucket remembers a key that nobody bumps.
const KEY_AGE_MAX: Duration = Duration::from_mins(10);

/// How long a release may take.
pub(super) const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// What the lease key and the probe keys hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Beat {
    /// The owner's epoch; 0 for probes.
    epoch: u64,
    count: u64,
    released: bool,
}

impl Beat {
    fn encode(self) -> Bytes {
        serde_json::to_vec(&self).expect("numbers become JSON").into()
    }

    fn decode(payload: &[u8]) -> Option<Beat> {
        serde_json::from_slice(payload).ok()
    }
}

fn subject(spec: &FenceSpec, key: &str) -> String {
    format!("$KV.{}.{key}", spec.lease_bucket)
}

pub(super) async fn ensure_bucket(nats: &Nats, bucket: &str) -> Result<(), Error> {
    let config = kv::Config {
        bucket: bucket.to_owned(),
        history: 1,
        max_age: KEY_AGE_MAX,
        storage: StorageType::Memory,
        num_replicas: nats.replicas,
        ..kv::Config::default()
    };
    match nats.jetstream.create_key_value(config).await {
        Ok(_) => Ok(()),
        Err(error) => match nats.jetstream.get_key_value(bucket).await {
            // It is there, made by somebody with other settings: as good.
            Ok(_) => Ok(()),
            Err(_) => Err(Error::unavailable(format!("make bucket {bucket}"), &error)),
        },
    }
}

/// Bumps the lease until a later epoch is seen on it.
pub(super) async fn beat(
    nats: Nats,
    spec: FenceSpec,
    epoch: u64,
    deposed: Arc<watch::Sender<bool>>,
) {
    let lease = subject(&spec, &spec.lease_key);
    let mut ticks = interval(Duration::from_millis(spec.lease_beat_ms));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = subscribe(&nats, &lease).await;
    let mut count = 0;
    loop {
        // Cancel-safe: a tick or a message that is not taken now is taken the next time.
        tokio::select! {
            _ = ticks.tick() => {
                count += 1;
                if nats.client.connection_state() == State::Connected {
                    let beat = Beat { epoch, count, released: false }.encode();
                    // A beat that cannot be sent is a silent lease, which is what it means.
                    if let Err(error) = nats.client.publish(lease.clone(), beat).await {
                        tracing::debug!(%error, lease, "lease not bumped");
                    }
                }
            }
            message = seen.next() => {
                let Some(message) = message else {
                    seen = subscribe(&nats, &lease).await;
                    continue;
                };
                if Beat::decode(&message.payload).is_some_and(|beat| epoch < beat.epoch) {
                    tracing::warn!(stream = spec.stream, epoch, "deposed: a later epoch beats");
                    deposed.send_replace(true);
                    return;
                }
            }
        }
    }
}

/// Says that `epoch` is over, so that a contender need not wait.
pub(super) async fn release(nats: &Nats, spec: &FenceSpec, epoch: u64) {
    let payload = Beat { epoch, count: 0, released: true }.encode();
    let lease = subject(spec, &spec.lease_key);
    let released = publish(nats, &lease, HeaderMap::new(), payload);
    match timeout(RELEASE_TIMEOUT, outside("release a stream", released)).await {
        Ok(Answer::Stored { .. }) => {}
        other => {
            tracing::info!(?other, stream = spec.stream, "lease not released: silence will do");
        }
    }
}

/// Returns when the owner with `epoch` has released its lease, or has been silent long enough.
///
/// Returns too when another epoch is seen: whoever tries to take over then learns it from the
/// stream.
pub(super) async fn wait_until_free(
    nats: &Nats,
    spec: &FenceSpec,
    epoch: u64,
) -> Result<(), Error> {
    let lease = subject(spec, &spec.lease_key);
    let probe = subject(spec, &spec.probe_key);
    let mut leases = subscribe(nats, &lease).await;
    let mut probes = subscribe(nats, &probe).await;
    if is_released(nats, spec, epoch).await? {
        return Ok(());
    }
    let beat = Duration::from_millis(spec.lease_beat_ms);
    let silence = Duration::from_millis(spec.lease_silence_ms);
    let mut watch = Silence::new(Instant::now(), silence, beat * 2);
    let mut ticks = interval(beat);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let connects_seen = *nats.connects.borrow();
    let mut reconnected = std::pin::pin!(nats.reconnected(connects_seen));
    let (mut count, mut proves_from) = (0, Instant::now());
    loop {
        let due = watch.due();
        // Cancel-safe: ticks and messages stay where they are, and `reconnected` is pinned outside.
        let message = tokio::select! {
            biased;
            message = leases.next() => Some(message),
            () = &mut reconnected => return Err(lost("reconnected")),
            _ = ticks.tick() => None,
            // Between two ticks: buyers wait for this moment.
            () = sleep_until(due), if proves_from < due => None,
        };
        let Some(message) = message else {
            count += 1;
            let sent_at = Instant::now();
            proves_from = sent_at;
            prove(nats, &probe, &mut probes, count).await?;
            // The leases that were stored before the probe have been handed over before it.
            while let Some(Some(message)) = leases.next().now_or_never() {
                if heard(&message.payload, epoch, &mut watch) {
                    return Ok(());
                }
            }
            if watch.proved(sent_at) {
                return Ok(());
            }
            continue;
        };
        let Some(message) = message else { return Err(lost("subscription ended")) };
        if heard(&message.payload, epoch, &mut watch) {
            return Ok(());
        }
    }
}

/// Takes one lease message into account; returns whether it ends the wait.
fn heard(payload: &[u8], epoch: u64, watch: &mut Silence) -> bool {
    match Beat::decode(payload) {
        // A deposed owner that has not noticed yet.
        Some(beat) if beat.epoch < epoch => false,
        Some(beat) if beat.epoch == epoch && !beat.released => {
            watch.heard(Instant::now());
            false
        }
        Some(_) => true,
        None => false,
    }
}

async fn is_released(nats: &Nats, spec: &FenceSpec, epoch: u64) -> Result<bool, Error> {
    let what = || format!("read lease {}", spec.lease_key);
    let bucket = nats.jetstream.get_key_value(&spec.lease_bucket).await;
    let bucket = match bucket {
        Ok(bucket) => bucket,
        Err(error) => {
            // It was in memory, and its server has restarted.
            ensure_bucket(nats, &spec.lease_bucket).await?;
            return Err(Error::unavailable(what(), &error));
        }
    };
    let value = bucket.get(&spec.lease_key).await;
    let value = value.map_err(|error| Error::unavailable(what(), &error))?;
    let beat = value.and_then(|payload| Beat::decode(&payload));
    Ok(beat.is_some_and(|beat| beat.released && epoch <= beat.epoch))
}

/// Writes the probe and waits until it is both stored and seen: NATS works, for us and for others.
async fn prove(nats: &Nats, probe: &str, probes: &mut Subscriber, count: u64) -> Result<(), Error> {
    let payload = Beat { epoch: 0, count, released: false }.encode();
    match publish(nats, probe, HeaderMap::new(), payload).await {
        Answer::Stored { .. } => {}
        other => return Err(lost(&format!("probe not stored: {other:?}"))),
    }
    let seen = async {
        while let Some(message) = probes.next().await {
            if Beat::decode(&message.payload).is_some_and(|beat| beat.count == count) {
                return true;
            }
        }
        false
    };
    match timeout(RELEASE_TIMEOUT, seen).await {
        Ok(true) => Ok(()),
        _ => Err(lost("probe not seen")),
    }
}

fn lost(why: &str) -> Error {
    Error::Unavailable { what: "watch a lease".to_owned(), source: Cause::text(why) }
}

/// Subscribes; waits while the client cannot take it.
pub(super) async fn subscribe(nats: &Nats, subject: &str) -> Subscriber {
    let mut backoff = Backoff::new(PAUSE_FIRST, PAUSE_MAX, None);
    loop {
        match nats.client.subscribe(subject.to_owned()).await {
            Ok(subscriber) => return subscriber,
            Err(error) => tracing::warn!(%error, subject, "cannot subscribe now"),
        }
        sleep(backoff.next_delay().expect("attempts are not limited")).await;
    }
}

/// Decides when silence is long enough. Pure.
///
/// Silence counts only while NATS demonstrably works: from proof to proof, no two further apart
/// than `gap_max`. A server that restarts, a network that is cut or a pause of our own process
/// starts it anew.
#[derive(Debug)]
struct Silence {
    since: Instant,
    proved: Option<Instant>,
    needed: Duration,
    gap_max: Duration,
}

impl Silence {
    fn new(now: Instant, needed: Duration, gap_max: Duration) -> Silence {
        assert!(gap_max < needed, "one proof alone must not be enough");
        Silence { since: now, proved: None, needed, gap_max }
    }

    fn heard(&mut self, now: Instant) {
        self.since = self.since.max(now);
    }

    /// When the silence is long enough, if it goes on and NATS works.
    fn due(&self) -> Instant {
        self.since + self.needed
    }

    /// A probe that was sent at `sent_at` came through; returns whether the lease is silent.
    fn proved(&mut self, sent_at: Instant) -> bool {
        let unbroken = self.proved.is_some_and(|before| sent_at - before <= self.gap_max);
        if !unbroken {
            self.since = self.since.max(sent_at);
        }
        self.proved = Some(sent_at);
        self.due() <= sent_at
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Silence;

    /// Plays what a contender sees: `beat` or `proof`, each with its time in ms.
    fn check(script: &str) {
        let start = Instant::now();
        let at = |time: &str| start + Duration::from_millis(time.parse().unwrap());
        let (needed, gap_max) = (Duration::from_secs(1), Duration::from_millis(600));
        let mut silence = Silence::new(start, needed, gap_max);
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["beat", time] => silence.heard(at(time)),
                ["proof", time] => assert!(!silence.proved(at(time)), "{line}"),
                ["proof", time, "=>", "silent"] => assert!(silence.proved(at(time)), "{line}"),
                _ => panic!("{line}"),
            }
        }
    }

    #[test]
    fn a_second_without_a_beat_while_probes_pass_is_silence() {
        check(
            "proof 0
             proof 300
             beat 310
             proof 600
             proof 900
             proof 1200
             proof 1309
             proof 1310 => silent",
        );
    }

    #[test]
    fn a_gap_between_probes_starts_the_silence_anew() {
        check(
            "proof 0
             proof 500
             proof 1200
             proof 1800
             proof 2199
             proof 2200 => silent",
        );
    }

    #[test]
    fn one_probe_after_a_long_pause_proves_nothing() {
        check(
            "beat 10
             proof 5000
             proof 5600
             proof 5999
             proof 6000 => silent",
        );
    }
}
