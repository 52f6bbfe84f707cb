//! What the rooms tell the other stages, and what their stream remembers.

use crate::catalog::RoomMode;
use crate::id::EventId;
use crate::time::{DurationMs, UnixMillis};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// A record of a room's stream: cursor, window, called and active are rebuilt from these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdmissionRecord {
    /// A new epoch of numbers starts: Redis was lost or is new. Numbers go on above `number_floor`.
    EpochStarted { epoch: u32, number_floor: u64, redis_run_id: CompactString, at: UnixMillis },
    /// Numbers up to this may be given out: the durable high-water mark.
    MarkRaised { epoch: u32, number_max: u64 },
    /// A batch was called: every live number in `(cursor_before, cursor]`.
    Released(Release),
}

/// One batch of admissions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    pub epoch: u32,
    pub cursor_before: u64,
    pub cursor: u64,
    /// How many of the numbers were alive, and so called.
    pub called: u32,
    pub at: UnixMillis,
    /// Until when a called person may claim, and until when the pass then made is good.
    pub claim_until: UnixMillis,
    pub pass_until: UnixMillis,
    /// The numbers in `(cursor_before, cursor]` that were gone.
    pub skipped: Vec<(u64, u64)>,
}

/// The leader's tick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomStatus {
    pub event: EventId,
    pub mode: RoomMode,
    pub epoch: u32,
    pub cursor: u64,
    /// The last number given out.
    pub number_last: u64,
    pub live_ahead: u64,
    pub rate_per_minute: u32,
    pub limited_by: LimitedBy,
    pub seats_remaining: SeatsBand,
    pub called_last_minute: u32,
    pub active: u32,
    pub at: UnixMillis,
    /// How long until the next tick at most; a status older than a few of these is stale.
    pub tick: DurationMs,
}

/// Which limit bound the last release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitedBy {
    /// Nobody waits.
    Nothing,
    Rate,
    Active,
    Seats,
    Allocator,
    Settlement,
    /// The mode calls nobody.
    Mode,
    /// Trouble: the room holds until a server is back.
    Recovery,
}

/// How many seats are left, coarsely: exact figures would help those who hoard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeatsBand {
    Many,
    Some,
    Few,
    None,
    Unknown,
}

impl SeatsBand {
    /// Many above a quarter of all, few below a twentieth.
    pub fn of(free: u32, total: u32) -> Self {
        let (free, total) = (u64::from(free), u64::from(total));
        if free == 0 {
            Self::None
        } else if free * 20 < total {
            Self::Few
        } else if free * 4 <= total {
            Self::Some
        } else {
            Self::Many
        }
    }
}
