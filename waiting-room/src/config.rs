//! What an operator may set for this stage, what it needs from its process, and its limits.

use chassis::http::HttpLimits;
use chassis::keys::KeyFolder;
use chassis::{Health, Nats, Redis, Shutdown};
use schema::{DurationMs, Shards};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;
use waiting_room_core::TOKEN_AGE_MAX;

/// Section `[waiting_room]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to serve the routes when this stage runs without the gateway; empty serves nowhere.
    pub listen: String,
    /// How often a leader decides. 100 to 250: shorter costs Redis, longer is seen as a jerky line.
    pub tick_ms: u64,
    /// Polls a second that all who wait in one room make together at most, at all processes: from
    /// so many on that they would make more, `pollAfterMs` grows with the line. 100 or more; the
    /// same in each process, for the leader waits so long for those who are silent.
    ///
    /// Less costs less, and a fan far from the front hears of a change later: at 20,000 a million
    /// are told to come back after 51 to 66 s. Nobody is told more than 300 s, or than the longer
    /// of 30 s and three quarters of the claim window; lines that would need longer ask more.
    pub polls_per_second_max: u32,
    /// What a stranger can take of the listener.
    pub http: HttpLimits,
}

/// Default of [`Config::polls_per_second_max`].
pub(crate) const POLLS_PER_SECOND_MAX: u32 = 20_000;

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: String::new(),
            tick_ms: 200,
            polls_per_second_max: POLLS_PER_SECOND_MAX,
            http: HttpLimits::default(),
        }
    }
}

impl Config {
    pub(crate) fn listen(&self) -> Option<Result<SocketAddr, std::net::AddrParseError>> {
        (!self.listen.is_empty()).then(|| self.listen.parse())
    }

    /// Asserts what the settings must be.
    pub(crate) fn check(&self) {
        assert!(100 <= self.polls_per_second_max, "a small room makes so many polls in a second");
    }

    pub(crate) fn tick(&self) -> Duration {
        Duration::from_millis(self.tick_ms.clamp(100, 250))
    }
}

/// What the stage needs from its process.
#[derive(Debug, Clone)]
pub struct Deps {
    pub nats: Nats,
    pub redis: Redis,
    pub keys: KeyFolder,
    pub health: Health,
    pub shutdown: Shutdown,
    /// This process, in leases and logs.
    pub instance: String,
    /// Of the system.
    pub shards: Shards,
}

/// Joins that wait for numbers in one room; more are answered 503.
///
/// A tenth of a second of the joins that one Redis can number. More would only wait longer.
pub(crate) const JOINS_WAITING_MAX: usize = 8_192;

/// Most joins that one call to Redis numbers: it takes about 0.2 ms there, and some times that if
/// all of them have a key.
pub(crate) const JOIN_BATCH_MAX: usize = 512;

/// How long a join waits for its number before it is answered 503.
///
/// Longer than an epoch change after Redis is back, shorter than a fan's patience.
pub(crate) const JOIN_WAIT: Duration = Duration::from_secs(5);

/// How long a join of a room that calls at once waits for its call, to be answered with it.
///
/// Two of the longest ticks. Who is not called by then waits like everybody, and polls.
pub(crate) const AT_ONCE_WAIT: Duration = Duration::from_millis(500);

/// The pause before asking Redis again when it gave no numbers.
pub(crate) const JOIN_AGAIN: Duration = Duration::from_millis(20);

/// How long numbers wait for this instance to hear of the epoch that they belong to.
pub(crate) const LEDGER_WAIT: Duration = Duration::from_secs(1);

/// How long a join's idempotency key is remembered at least, unless newer keys push it out; at most
/// twice as long.
pub(crate) const JOIN_KEYS_AGE: Duration = Duration::from_mins(10);

/// Keys of a generation. A room's Redis remembers this one's and those of the one before, so the
/// newest so many at least and twice as many at most, and one batch more.
///
/// As many as come with a key in three quarters of a second of the fastest rush that was measured,
/// at about 65 bytes each. Fewer and a fan who asks again after a crash in the rush loses the
/// place; more is memory of every room.
pub(crate) const JOIN_KEYS_GENERATION: usize = 32_768;

/// In how many hashes the keys of a generation are spread: with 64 in each Redis keeps them dense
/// and finds one in some microseconds.
pub(crate) const JOIN_KEYS_BUCKETS: u16 = 512;

/// Of joins by key, how many answers this process remembers by itself, of all its rooms: such a
/// repeat has its place though Redis lost all.
///
/// A fifth of a second of that rush, and some megabytes.
pub(crate) const JOINS_REMEMBERED_MAX: usize = 8_192;

/// How long the place of a person is remembered, where a room gives each only one, since somebody
/// asked for it last: as long as its token is good.
pub(crate) const PERSON_AGE_MAX: DurationMs = TOKEN_AGE_MAX;

/// As [`PERSON_AGE_MAX`], of a place in a pre-queue, whose token is good until the draw and for as
/// long as others from then on. Who gathers for longer may give a person a second place.
pub(crate) const PERSON_GATHERS_MAX: DurationMs = DurationMs(400 * 86_400_000);

/// In how many hashes of a room persons are spread, at about 100 bytes each. With a million of them
/// each has 250, which is small enough for Redis to keep it dense.
pub(crate) const PERSON_BUCKETS: u16 = 4_096;

/// How long the entry of a pre-queue's places in their cohort may take, before they are given up
/// and their fans get others.
///
/// Some restarts of a stream's leader; with [`LEDGER_WAIT`] it leaves [`JOIN_WAIT`] a second try.
pub(crate) const ENTER_WAIT: Duration = Duration::from_millis(1_500);

/// How long the record of a pass that is given back may take, before its fan is told to ask again.
///
/// As an entry: what is in doubt may be repeated. Longer, and who leaves waits for a server that is
/// away.
pub(crate) const GIVE_BACK_WAIT: Duration = ENTER_WAIT;

/// How long a start waits for the streams of rooms without seats.
///
/// Some hundred thousand records are read in a second. Until they are, a gate of the room says that
/// it does not know (503); longer would keep all else from being served.
pub(crate) const BEGIN_WAIT: Duration = Duration::from_secs(10);

/// How long a draw waits for entries of places that were given out before its pre-queue closed.
///
/// An instance that is well needs some milliseconds. Whatever comes later gets a place behind the
/// draw; longer would hold up everybody for the place of one instance that died.
pub(crate) const ENTRIES_WAIT: DurationMs = DurationMs(1_000);

/// A leader's status older than this is no news of now.
///
/// Many ticks and one change of leader.
pub(crate) const STATUS_AGE_MAX: Duration = Duration::from_secs(3);

/// How often an instance flushes check-ins, and how often it reads who is alive for positions.
pub(crate) const PULSE: Duration = Duration::from_millis(200);
pub(crate) const INDEX_AGE_MAX: Duration = Duration::from_secs(1);

/// Check-ins that wait for one flush; more are dropped, and the leader is told that they failed.
pub(crate) const CHECK_INS_MAX: usize = 65_536;

/// Returners that one tick may call, and that one flush brings to the late lane.
pub(crate) const LATE_SEEN_MAX: usize = 1_024;

/// Places at the head of the late lane that one tick looks at to find those who are there: 6.5 ms
/// of Redis if all are silent (the loop of `look.lua` alone, by `INFO commandstats`). While nobody
/// may be passed as gone whoever is behind more that are silent waits.
pub(crate) const LATE_LOOKED_MAX: usize = 4 * LATE_SEEN_MAX;

/// How often an instance says what it has given out, and how often at once in a new epoch: once is
/// lost with its message.
pub(crate) const REPORT_EVERY: Duration = Duration::from_secs(10);
pub(crate) const REPORTS_FIRST: usize = 5;

/// How long an instance is silent before it may give out nothing until the leader knows it anew.
///
/// Shorter and a busy one asks for every join; longer and one that has died leaves more losses of
/// Redis with a doubt.
pub(crate) const GIVER_SILENCE_MS: u64 = 30_000;

/// How long a new epoch waits for the word of those who gave out numbers in the last one.
///
/// Some pulses. Longer would not leave the line two seconds to go on in (LINE-3).
pub(crate) const REPORTS_WAIT: Duration = Duration::from_secs(1);

/// Leaves that one tick deals with; more wait for the next one. One record of them is 40 KB.
pub(crate) const LEAVES_SEEN_MAX: usize = 4_096;

/// How long a leave waits for the end of a draw, and how often it looks.
pub(crate) const LEAVE_WAIT: Duration = Duration::from_secs(2);
pub(crate) const LEAVE_AGAIN: Duration = Duration::from_millis(50);

/// Settlements whose load is remembered; of more the oldest words are forgotten.
///
/// Each process names itself anew, so they would add up for ever.
pub(crate) const SETTLEMENTS_MAX: usize = 256;

/// How often a leader of a room that fails tries again to lead, and a follower to follow.
pub(crate) const AGAIN_FIRST: Duration = Duration::from_millis(50);
pub(crate) const AGAIN_MAX: Duration = Duration::from_secs(2);

/// How long each part of a replica's state may take, which it copies and packs first.
pub(crate) const STATE_PART_WAIT: Duration = Duration::from_secs(10);

/// How long an owner of a room may be silent before another tries to take it, and how often it
/// beats.
///
/// Three beats and a margin: shorter and a busy machine deposes itself, longer and the line stands.
pub(crate) const LEASE_BEAT_MS: u64 = 300;
pub(crate) const LEASE_SILENCE_MS: u64 = 1_000;

const _: () = {
    assert!(2 * waiting_room_core::TICK_MAX.0 as u128 <= AT_ONCE_WAIT.as_millis());
    assert!(JOIN_BATCH_MAX < JOINS_WAITING_MAX);
    assert!(JOIN_BATCH_MAX <= schema::cohort::ENTRIES_MAX);
    assert!((ENTER_WAIT.as_millis() + LEDGER_WAIT.as_millis()) * 2 <= JOIN_WAIT.as_millis());
    assert!(JOIN_AGAIN.as_millis() < JOIN_WAIT.as_millis());
    assert!(PERSON_BUCKETS.is_power_of_two());
    assert!(JOIN_KEYS_BUCKETS.is_power_of_two());
    assert!(REPORT_EVERY.as_millis() * 2 < GIVER_SILENCE_MS as u128);
    assert!(PULSE.as_millis() * 2 < REPORTS_WAIT.as_millis());
    assert!(LEASE_BEAT_MS * 3 <= LEASE_SILENCE_MS);
};
