//! Who is here: each process bumps a key of its own, and knows the others by theirs.
//!
//! A process is gone when its key is silent, or when it says so. Silence counts only while this
//! process' own key is stored and seen by itself, so a NATS that is away makes nobody disappear.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::{HeaderMap, Subscriber, connection::State};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{
    lease::{RELEASE_TIMEOUT, ensure_bucket, subscribe},
    publish::{Answer, publish},
};
use crate::{Nats, Shutdown, tasks};

/// Where processes of a kind say that they are here.
#[derive(Debug, Clone)]
pub struct PresenceSpec {
    /// A KV bucket, made when missing: in memory, and leases may be in it too.
    pub bucket: String,
    /// The key of this process alone.
    pub key: String,
    /// The keys of all, with a wildcard.
    pub keys: String,
    pub beat_ms: u64,
    pub silence_ms: u64,
}

/// Those who are here and say that they are ready.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Present {
    /// Sorted, each once.
    pub names: Vec<String>,
    /// Since when these are the names, with NATS at work all the time; `None` while it is not.
    pub since: Option<Instant>,
}

/// Most processes that are taken notice of: more than a system has, so that keys of strangers do
/// not fill the memory.
const PROCESSES_MAX: usize = 256;

/// Says that `name` is here until the doors of the process close, and tells who else is.
///
/// It is among those who are told of as soon as it is `ready` and NATS has carried its word.
pub fn attend(
    nats: Nats,
    spec: &PresenceSpec,
    name: &str,
    ready: watch::Receiver<bool>,
    shutdown: &Shutdown,
) -> watch::Receiver<Present> {
    assert!(0 < spec.beat_ms);
    assert!(spec.beat_ms * 3 <= spec.silence_ms, "one lost beat is no silence");
    let beat = Duration::from_millis(spec.beat_ms);
    let (present, told) = watch::channel(Present::default());
    let subject = |key: &str| format!("$KV.{}.{key}", spec.bucket);
    let attendance = Attendance {
        nats,
        bucket: spec.bucket.clone(),
        own: subject(&spec.key),
        all: subject(&spec.keys),
        name: name.to_owned(),
        count: 0,
        ready,
        roll: Roll::new(Duration::from_millis(spec.silence_ms), beat * 2),
        present,
    };
    tasks::spawn("presence", attendance.run(beat, shutdown.clone()));
    told
}

/// What a key holds.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Sign {
    name: String,
    count: u64,
    ready: bool,
    leaves: bool,
}

struct Attendance {
    nats: Nats,
    bucket: String,
    /// The subjects of this one's key, and of all keys.
    own: String,
    all: String,
    name: String,
    count: u64,
    ready: watch::Receiver<bool>,
    roll: Roll,
    present: watch::Sender<Present>,
}

impl Attendance {
    async fn run(mut self, beat: Duration, shutdown: Shutdown) {
        let mut signs = subscribe(&self.nats, &self.all).await;
        let mut ticks = interval(beat);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Cancel-safe: a switch, and a tick or a message that is not taken now is taken later.
            tokio::select! {
                biased;
                () = shutdown.closing() => break,
                sign = signs.next() => if let Some(sign) = sign {
                    self.hear(&sign.payload);
                } else {
                    self.roll.interrupted();
                    signs = subscribe(&self.nats, &self.all).await;
                },
                _ = ticks.tick() => self.show(&mut signs).await,
            }
            self.tell();
        }
        self.leave().await;
    }

    /// Shows that this one is here. That its sign is stored and seen proves that signs are carried.
    async fn show(&mut self, signs: &mut Subscriber) {
        self.count += 1;
        let sent_at = Instant::now();
        let answer = publish(&self.nats, &self.own, HeaderMap::new(), self.sign(false)).await;
        if matches!(answer, Answer::Stored { .. }) && self.sees_itself(signs).await {
            self.roll.proved(sent_at);
            return;
        }
        tracing::debug!(?answer, own = self.own, "nobody knows who is here");
        self.roll.interrupted();
        self.make_bucket().await;
    }

    async fn sees_itself(&mut self, signs: &mut Subscriber) -> bool {
        let seen = async {
            while let Some(sign) = signs.next().await {
                if self.hear(&sign.payload) {
                    return true;
                }
            }
            false
        };
        timeout(RELEASE_TIMEOUT, seen).await.unwrap_or(false)
    }

    /// Takes a sign into account; returns whether it is this one's newest.
    fn hear(&mut self, payload: &[u8]) -> bool {
        let Ok(sign) = serde_json::from_slice::<Sign>(payload) else { return false };
        let is_newest = sign.name == self.name && sign.count == self.count;
        if sign.leaves {
            self.roll.left(Instant::now(), &sign.name);
        } else {
            self.roll.heard(Instant::now(), sign.name, sign.ready);
        }
        is_newest
    }

    /// The bucket was in memory, and its server may have restarted.
    async fn make_bucket(&self) {
        if self.nats.client.connection_state() == State::Connected
            && let Err(error) = ensure_bucket(&self.nats, &self.bucket).await
        {
            tracing::debug!(%error, bucket = self.bucket, "no bucket yet");
        }
    }

    /// Tells this process who is here, when that has changed.
    fn tell(&self) {
        let present = self.roll.present();
        self.present.send_if_modified(|told| {
            if told.names != present.names {
                tracing::info!(here = ?present.names, "others have come, gone or become ready");
            }
            let differs = *told != present;
            *told = present;
            differs
        });
    }

    /// Says that this one goes, so that nobody need wait for its silence.
    async fn leave(mut self) {
        self.roll.left(Instant::now(), &self.name);
        self.tell();
        let told = publish(&self.nats, &self.own, HeaderMap::new(), self.sign(true));
        if !matches!(timeout(RELEASE_TIMEOUT, told).await, Ok(Answer::Stored { .. })) {
            tracing::info!(own = self.own, "nobody heard the farewell: silence will do");
        }
    }

    fn sign(&self, leaves: bool) -> Bytes {
        let (name, ready) = (self.name.clone(), *self.ready.borrow());
        let sign = Sign { name, count: self.count, ready, leaves };
        serde_json::to_vec(&sign).expect("a text and numbers become JSON").into()
    }
}

/// Who has been heard of, and when each counts as gone. Pure.
#[derive(Debug)]
struct Roll {
    heard: BTreeMap<String, Heard>,
    /// The last proof that signs are carried, and the first of those that followed each other
    /// until then, no two further apart than `gap_max`.
    proved: Option<Instant>,
    unbroken: Option<Instant>,
    /// Since when the same are ready.
    since: Option<Instant>,
    silence: Duration,
    gap_max: Duration,
}

#[derive(Debug)]
struct Heard {
    at: Instant,
    ready: bool,
}

impl Roll {
    fn new(silence: Duration, gap_max: Duration) -> Roll {
        assert!(gap_max < silence, "one proof alone must not be enough");
        let heard = BTreeMap::new();
        Roll { heard, proved: None, unbroken: None, since: None, silence, gap_max }
    }

    fn heard(&mut self, now: Instant, name: String, ready: bool) {
        if PROCESSES_MAX <= self.heard.len() && !self.heard.contains_key(&name) {
            return;
        }
        let before = self.heard.insert(name, Heard { at: now, ready });
        if before.is_some_and(|before| before.ready) != ready {
            self.changed(now);
        }
    }

    fn left(&mut self, now: Instant, name: &str) {
        if self.heard.remove(name).is_some_and(|heard| heard.ready) {
            self.changed(now);
        }
    }

    /// A sign of our own that was sent at `sent_at` came through: who is silent by then is gone.
    fn proved(&mut self, sent_at: Instant) {
        let before = self.proved.replace(sent_at);
        let follows = before.is_some_and(|before| sent_at - before <= self.gap_max);
        let unbroken = match self.unbroken {
            Some(unbroken) if follows => unbroken,
            _ => {
                self.since = Some(sent_at);
                sent_at
            }
        };
        self.unbroken = Some(unbroken);
        let (silence, mut was_ready) = (self.silence, false);
        self.heard.retain(|_, heard| {
            let here = sent_at < heard.at.max(unbroken) + silence;
            was_ready |= !here && heard.ready;
            here
        });
        if was_ready {
            self.changed(sent_at);
        }
    }

    /// Signs are not carried: until they are again, nobody is taken for gone.
    fn interrupted(&mut self) {
        (self.proved, self.unbroken, self.since) = (None, None, None);
    }

    fn present(&self) -> Present {
        let ready = self.heard.iter().filter(|(_, heard)| heard.ready);
        Present { names: ready.map(|(name, _)| name.clone()).collect(), since: self.since }
    }

    fn changed(&mut self, now: Instant) {
        self.since = self.since.map(|_| now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{PROCESSES_MAX, Roll};

    /// Plays what a process sees, each with its time in ms. `=> NAMES TIME` is who is here then,
    /// and since when.
    fn check(script: &str) {
        let start = Instant::now() + Duration::from_mins(1);
        let at = |time: &str| start + Duration::from_millis(time.parse().unwrap());
        let mut roll = Roll::new(Duration::from_secs(1), Duration::from_millis(600));
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["ready", name, time] => roll.heard(at(time), name.to_owned(), true),
                ["behind", name, time] => roll.heard(at(time), name.to_owned(), false),
                ["left", name, time] => roll.left(at(time), name),
                ["proof", time] => roll.proved(at(time)),
                ["cut"] => roll.interrupted(),
                ["=>", names, since] => {
                    let present = roll.present();
                    assert_eq!(present.names.join(","), names, "{line}");
                    let since_then = (since != "never").then(|| at(since));
                    assert_eq!(present.since, since_then, "{line}");
                }
                _ => panic!("{line}"),
            }
        }
    }

    #[test]
    fn who_is_ready_is_here_and_a_change_starts_the_time_anew() {
        check(
            "ready b 0
             => b never
             proof 1
             => b 1
             behind a 100
             => b 1
             ready a 300
             => a,b 300
             ready a 600
             => a,b 300
             left b 700
             => a 700
             left c 800
             => a 700",
        );
    }

    #[test]
    fn a_second_without_a_sign_while_proofs_pass_is_gone() {
        check(
            "ready a 0
             proof 0
             ready a 300
             ready b 310
             proof 300
             ready a 600
             proof 600
             ready a 900
             proof 900
             ready a 1200
             proof 1200
             => a,b 310
             proof 1310
             => a 1310",
        );
    }

    #[test]
    fn nobody_disappears_while_signs_are_not_carried_nor_right_after() {
        check(
            "ready a 0
             ready b 0
             proof 0
             cut
             => a,b never
             proof 9000
             => a,b 9000
             proof 9500
             proof 9999
             => a,b 9000
             ready a 9999
             proof 10000
             => a 10000",
        );
        // A pause of our own process is a gap, too.
        check(
            "ready a 0
             proof 0
             proof 5000
             => a 5000",
        );
    }

    #[test]
    fn keys_of_strangers_do_not_fill_the_memory() {
        let (mut roll, now) = (Roll::new(Duration::from_secs(1), Duration::ZERO), Instant::now());
        for number in 0..2 * PROCESSES_MAX {
            roll.heard(now, number.to_string(), true);
        }
        assert_eq!(roll.present().names.len(), PROCESSES_MAX);
    }
}
