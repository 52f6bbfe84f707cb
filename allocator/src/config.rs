//! What an operator may set for the allocator, and the limits that hold whatever is set.

use schema::{DurationMs, limits};
use serde::{Deserialize, Serialize};
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
}

impl Default for Config {
    fn default() -> Self {
        Self { checkpoint_every_ms: 30_000 }
    }
}

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

/// How long the decider sleeps when nothing is due: the bound on how late it sees a stop.
pub(crate) const IDLE_WAIT: Duration = Duration::from_millis(100);

/// How long the journal of a shard with deadlines may be silent before its owner appends an empty
/// batch, which tells nothing but the time.
///
/// After an outage a hold is given back the time since the last batch, so it lives this much longer
/// than the outage at most. Longer, and it is not free within a second of its deadline (SEAT-3);
/// shorter, and a quiet shard syncs its journal for nothing.
pub(crate) const PULSE_AFTER: DurationMs = DurationMs(500);

/// Largest reply message; several are sent when one batch answers more to one asker.
pub(crate) const REPLY_BYTES_MAX: usize = 256 * 1024;

/// How long a decider is given to show its memory to the audit, and how often a full queue is tried
/// again.
///
/// It shows it between two batches, and copies all holds for it: the auditor waits as long.
pub(crate) const INSPECT_WAIT: Duration = Duration::from_secs(2);
pub(crate) const INSPECT_PAUSE: Duration = Duration::from_millis(5);

/// Checkpoints kept per shard: the newest, and one before it in case the newest is damaged.
pub(crate) const CHECKPOINTS_KEPT: i64 = 2;

/// How many times as long as a checkpoint took its shard makes none.
///
/// A checkpoint copies and stores the whole state, which after some hundred thousand holds takes
/// seconds; this keeps it to a twentieth of the shard's time, and a start replays a longer tail.
pub(crate) const CHECKPOINT_REST: u32 = 20;

/// Largest checkpoint. Postgres takes 1 GB in a value; a shard that needs more has outgrown one
/// value.
pub(crate) const CHECKPOINT_BYTES_MAX: usize = 512 * 1024 * 1024;

/// How long a reader of the journal waits for the catalogue to show an event that an outcome names.
///
/// The owner knew the event when it decided, so the catalogue has it; only this process may be
/// behind.
pub(crate) const CATALOG_WAIT: Duration = Duration::from_secs(30);

/// How long a query of Postgres may take before the checkpoint is given up and tried at the next
/// turn.
pub(crate) const STORE_WAIT: Duration = Duration::from_secs(10);

const _: () = {
    assert!(IDLE_WAIT.as_millis() + Duration::from_millis(PULSE_AFTER.0).as_millis() < 1_000);
    assert!(TICK_OUTCOMES_MAX < limits::BATCH_OUTCOMES_MAX);
    assert!(REPLY_BYTES_MAX + limits::COMMAND_BYTES_MAX < schema::codec::MESSAGE_BYTES_MAX);
};
