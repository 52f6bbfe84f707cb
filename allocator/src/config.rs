//! What an operator may set for the allocator, and the limits that hold whatever is set.

use allocator_core::Limits;
use schema::{DurationMs, limits};
use serde::{Deserialize, Serialize};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Section `[allocator]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How often a changed shard is checkpointed; less often when that takes long.
    ///
    /// Longer means a longer tail to replay after a crash (a second replays minutes of a busy
    /// sale); shorter writes the whole state more often.
    pub checkpoint_every_ms: u64,
    /// Answers that a shard has in memory; 2,048 to 16,777,216. Older ones are looked up in
    /// Postgres, for a day.
    ///
    /// About 350 bytes each, in the owner and in each standby.
    pub answers_max: u32,
    /// How much later than its deadline a hold ends at most, by chance; 0 to 700.
    ///
    /// Nobody can be there at the very moment at which a seat is free. Places look taken as long.
    pub expiry_spread_ms: u64,
    /// Shares the shards out among all processes of this stage that are there; without it the first
    /// one has all, and the others wait for its end.
    pub spread: bool,
    /// How long a batch stays in the journal at least, so that what became of a seat can be told;
    /// 1,000 or more, 0 keeps all of it for ever.
    ///
    /// A batch that an unusable checkpoint or an unfinished payment still needs stays longer. A
    /// reader that was away for longer begins with a replica's state.
    pub journal_keep_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        let Limits { answers_max, expiry_spread, .. } = Limits::default();
        let expiry_spread_ms = expiry_spread.0;
        Self {
            checkpoint_every_ms: 30_000,
            answers_max,
            expiry_spread_ms,
            spread: true,
            journal_keep_ms: 604_800_000,
        }
    }
}

impl Config {
    /// The limits of a shard with what the operator has set.
    pub(crate) fn limits(&self) -> Limits {
        let answers_max = self.answers_max.clamp(ANSWERS_MIN, ANSWERS_MAX);
        let expiry_spread = DurationMs(self.expiry_spread_ms).min(limits::EXPIRY_SPREAD_MAX);
        let expiry_secret = RandomState::new().build_hasher().finish();
        Limits { answers_max, expiry_spread, expiry_secret, ..Limits::default() }
    }

    /// How long a batch stays in the journal; `None` for ever.
    pub(crate) fn journal_keep(&self) -> Option<DurationMs> {
        let keep = DurationMs(self.journal_keep_ms).max(JOURNAL_KEEP_MIN);
        (0 < self.journal_keep_ms).then_some(keep)
    }
}

/// Least and most answers that an operator may keep in memory: some batches, so that none leaves it
/// unarchived, and six gigabytes.
const ANSWERS_MIN: u32 = 2_048;
const ANSWERS_MAX: u32 = 1 << 24;

/// The shortest time to keep the journal for: that of the tests.
const JOURNAL_KEEP_MIN: DurationMs = DurationMs(1_000);

/// How often the journal is trimmed, or as often as it is kept for, if that is shorter.
///
/// Each time the server is asked about all its consumers, and once where nothing is old enough.
/// More often is for nothing, where days are kept; less often drops more at once.
pub(crate) const TRIM_EVERY: Duration = Duration::from_mins(1);

/// How often answers are archived, and of how many unarchived ones a follower archives at once:
/// well before the memory forgets the first of them.
pub(crate) const ARCHIVE_EVERY: Duration = Duration::from_secs(5);
pub(crate) const UNARCHIVED_SHARE: u32 = 4;

/// How long a follower waits when it could not archive, so that it does not try with each batch.
pub(crate) const ARCHIVE_PAUSE: Duration = Duration::from_millis(500);

/// Answers in one row of the archive, which is read as a whole to find one of them.
pub(crate) const ARCHIVE_ROW_ANSWERS_MAX: usize = 16_384;

/// Archived answers that a shard's owner looks up at once. Who finds no place is told to ask again.
pub(crate) const RECALLS_MAX: usize = 4;

/// Commands that wait in memory between the bus and the decider.
///
/// Two full batches: one is decided while the next is decoded. What does not fit waits in the
/// stream, which refuses when it is full.
pub(crate) const INTAKE_COMMANDS_MAX: usize = 2 * limits::BATCH_OUTCOMES_MAX;

/// Commands asked of the server in one pull.
pub(crate) const PULL_COMMANDS_MAX: usize = limits::BATCH_OUTCOMES_MAX;

/// How long one pull lives, and how often the server shows that it is there meanwhile.
pub(crate) const PULL_WAIT: Duration = Duration::from_secs(5);
pub(crate) const PULL_HEARTBEAT: Duration = Duration::from_millis(500);

/// How soon one batch may follow another that is not full.
///
/// Each batch is a message that the server syncs and five readers are woken for, whatever is in it.
/// Without this a busy shard sends hundreds of small ones a second and the machine is busy with
/// them; an idle one still answers at once. Longer adds as much to an answer under load.
pub(crate) const APPEND_EVERY: Duration = Duration::from_millis(4);

/// Outcomes that one tick may add to a batch, so that a wave of expiries does not hold up the
/// buyers.
pub(crate) const TICK_OUTCOMES_MAX: usize = 128;

/// Events whose deadlines are moved in one batch, more than a batch has of anything else.
///
/// A take-over between two batches would end the holds of the others without the time of the
/// outage. 8,192 of the longest are half of a message.
pub(crate) const MOVES_AT_ONCE_MAX: usize = 8_192;

/// How long the decider sleeps when nothing is due: the bound on how late it sees a stop.
pub(crate) const IDLE_WAIT: Duration = Duration::from_millis(50);

/// How long the journal of a shard with deadlines may be silent before its owner appends an empty
/// batch, which tells nothing but the time.
///
/// After an outage a hold is given back the time since the last batch, so it lives this much longer
/// than the outage at most. Longer, and it is not free within a second of its deadline (SEAT-3);
/// shorter, and a quiet shard syncs its journal for nothing.
pub(crate) const PULSE_AFTER: DurationMs = DurationMs(200);

/// Largest reply message; several are sent when one batch answers more to one asker.
pub(crate) const REPLY_BYTES_MAX: usize = 256 * 1024;

/// How long a decider is given to show its memory to the audit, and how often a full queue is tried
/// again.
///
/// It shows it between two batches, and copies all holds for it: the auditor waits as long.
pub(crate) const INSPECT_WAIT: Duration = Duration::from_secs(2);
pub(crate) const INSPECT_PAUSE: Duration = Duration::from_millis(5);

/// Checkpoints that share their unchanged parts. The next one writes everything anew.
///
/// A damaged part spoils all that name it, and then the journal is replayed from the last
/// checkpoint of the base before: more save writing, fewer shorten that tail (10 min at 30 s).
pub(crate) const CHECKPOINTS_OF_BASE: u32 = 20;

/// Bases kept per shard: the newest, and one before it in case a part of the newest is damaged.
pub(crate) const BASES_KEPT: i64 = 2;

/// After so many bytes of parts a statement is sent, so that a large state is not in memory twice.
pub(crate) const PARTS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How many times as long as a checkpoint took its shard makes none.
///
/// The first of a base copies and stores the whole state, which after some hundred thousand holds
/// takes seconds; this keeps it to a twentieth of the shard's time, and a start replays a longer
/// tail.
pub(crate) const CHECKPOINT_REST: u32 = 20;

/// How long a reader of the journal waits for the catalogue to show an event that an outcome names.
///
/// The owner knew the event when it decided, so the catalogue has it; only this process may be
/// behind.
pub(crate) const CATALOG_WAIT: Duration = Duration::from_secs(30);

/// How long a query of Postgres may take before the checkpoint is given up and tried at the next
/// turn.
pub(crate) const STORE_WAIT: Duration = Duration::from_secs(10);

/// How long the reading of a checkpoint may take before it is begun anew: of a shard of a million
/// seats it takes seconds.
pub(crate) const LOAD_WAIT: Duration = Duration::from_mins(1);

/// The pauses between attempts to load a checkpoint while Postgres is away.
pub(crate) const LOAD_AGAIN_FIRST: Duration = Duration::from_millis(100);
pub(crate) const LOAD_AGAIN_MAX: Duration = Duration::from_secs(2);

/// For how many turns a process leaves checkpoints to another that has stored one.
pub(crate) const ELSEWHERE_TURNS: u64 = 3;

const _: () = {
    let silent = Duration::from_millis(PULSE_AFTER.0 + limits::EXPIRY_SPREAD_MAX.0);
    assert!(silent.as_millis() + IDLE_WAIT.as_millis() < 1_000);
    assert!(TICK_OUTCOMES_MAX < limits::BATCH_OUTCOMES_MAX);
    assert!(limits::BATCH_OUTCOMES_MAX <= (ANSWERS_MIN - ANSWERS_MIN / UNARCHIVED_SHARE) as usize);
    assert!(REPLY_BYTES_MAX + limits::COMMAND_BYTES_MAX < schema::codec::MESSAGE_BYTES_MAX);
};

#[cfg(test)]
mod tests {
    use super::{Config, MOVES_AT_ONCE_MAX};
    use schema::codec::{MESSAGE_BYTES_MAX, encode_checked};
    use schema::{Batch, DurationMs, Outcome, OutcomeBody, UnixMillis};

    #[test]
    fn no_two_processes_end_holds_at_the_same_chance() {
        let secret = || Config::default().limits().expiry_secret;
        assert_ne!(secret(), secret());
    }

    #[test]
    fn the_moves_of_one_batch_fit_into_a_message() {
        let moved = Outcome {
            asked: None,
            event: "AN-ID-OF-24-CHARACTERS-0".parse().unwrap(),
            free_after: u32::MAX,
            body: OutcomeBody::DeadlinesMoved { by: DurationMs(u64::MAX) },
        };
        let outcomes = vec![moved; MOVES_AT_ONCE_MAX];
        let (epoch, number, time) = (u64::MAX, u64::MAX, UnixMillis(u64::MAX));
        let batch = Batch { epoch, number, time, outcomes, previous: u64::MAX };
        assert!(encode_checked(&batch).len() < MESSAGE_BYTES_MAX * 2 / 3);
    }
}
