//! A shard as it stands at one batch of its journal: what a reader begins with when the journal is
//! trimmed before that batch.

use crate::command::PassPlace;
use crate::id::{AccountId, EventId, HoldId};
use crate::journal::{Applied, Batch, Step};
use crate::money::Currency;
use crate::outcome::{Held, Released};
use crate::time::{DurationMs, UnixMillis};
use serde::{Deserialize, Serialize};

/// What a replica tells over the bus, sealed and in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardState {
    /// The last batch that it includes: whoever takes the state reads on behind it.
    pub applied: Applied,
    /// Journal time of that batch; `None` before there was one.
    pub time: Option<UnixMillis>,
    /// How long ago the replica read that batch.
    pub ago: DurationMs,
    /// The events with traces of outcomes, in order of id.
    pub events: Vec<EventState>,
    /// The holds that ended lately, in the order of their end.
    pub ended: Vec<EndedHold>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventState {
    pub event: EventId,
    /// The stream sequence of the last batch that named it.
    pub version: u64,
    /// Free places.
    pub free: u32,
    /// The holds that have not ended.
    pub holds: Vec<LiveHold>,
    /// The places in line that have bought.
    pub spent: Vec<PassPlace>,
}

/// A hold that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveHold {
    pub phase: Phase,
    /// The last payment attempt, 0 before the first.
    pub attempt: u32,
    /// As it is now: parts that were given back are not in it, the deadline is the present one.
    pub held: Held,
}

/// Where a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    Held,
    Paying,
    Sold,
    /// An allotment or a kill.
    Blocked,
}

/// A hold that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedHold {
    pub hold: HoldId,
    pub event: EventId,
    pub account: AccountId,
    pub currency: Currency,
    pub why: Released,
    /// Journal time.
    pub at: UnixMillis,
}

impl ShardState {
    /// Whether a reader that has this state can go on with a batch that it found in the journal at
    /// `sequence`: the state includes it, or it follows.
    pub fn reaches(&self, batch: &Batch, sequence: u64) -> bool {
        self.applied.step(batch, sequence) != Step::Gap
    }
}
