//! What a shard holds at most.

use schema::DurationMs;
use schema::limits::{ANSWER_MEMORY, ANSWER_MEMORY_OWNER, ANSWERS_KNOWN_MAX, EXPIRY_SPREAD_MAX};

/// Limits of one shard. All but those of time bound memory; reaching one of them refuses with
/// `Full`, except for answers and ended holds, of which the oldest are forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Events of the catalogue that belong to the shard. An event that nobody has asked for yet
    /// costs about 100 bytes; one that somebody has, 9 bytes a seat.
    pub events_max: u32,
    /// Holds that have not ended, sold ones among them. About 300 bytes each, and 760 with the
    /// pass, the account, the deadline and the answer, so 2 M take 1.6 GB; a smaller limit would
    /// refuse before a handful of stadiums are sold.
    pub holds_max: u32,
    /// Ended holds that are still known, so that their owner hears "ended" and not "unknown". 64
    /// bytes each.
    pub ended_max: u32,
    /// Places of waiting rooms that are bound to an account. 64 bytes each.
    pub passes_max: u32,
    /// Answers in memory, about 350 bytes each. 262,144 hold a quarter of an hour of 290 commands a
    /// second; beyond that rate an older one is looked up where it was archived.
    pub answers_max: u32,
    /// Commands that are known to be answered while their answers are archived, 18 bytes each.
    /// Beyond them the oldest are forgotten, and would be decided anew.
    pub archived_max: u32,
    /// How long an answer and an ended hold are remembered, in journal time.
    pub answer_memory: DurationMs,
    /// How long a command is known to be answered, in journal time.
    pub archived_memory: DurationMs,
    /// How much later than its deadline a hold ends at most.
    pub expiry_spread: DurationMs,
    /// Keeps how much later secret: who knows it and a hold's id can tell. Owners may have others,
    /// for only the end itself is journaled.
    pub expiry_secret: u64,
}

impl Limits {
    /// Checks that the limits fit each other.
    ///
    /// Slots are 32 bits and 0 is a slot, so that [`Limits::holds_max`] may be any count below
    /// 2^32; each live hold may end, so that forgetting an ended hold early is never forced by a
    /// single mass expiry of a quarter of all holds.
    pub fn assert_valid(&self) {
        assert!(0 < self.events_max);
        assert!(0 < self.holds_max);
        assert!(self.holds_max / 4 <= self.ended_max);
        assert!(0 < self.passes_max);
        assert!(0 < self.answers_max);
        assert!(0 < self.archived_max);
        assert!(self.expiry_spread <= EXPIRY_SPREAD_MAX);
        assert!(0 < self.answer_memory.0 && self.answer_memory <= self.archived_memory);
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            events_max: 65_536,
            holds_max: 1 << 21,
            ended_max: 1 << 19,
            passes_max: 1 << 21,
            answers_max: 1 << 18,
            archived_max: ANSWERS_KNOWN_MAX,
            answer_memory: ANSWER_MEMORY_OWNER,
            archived_memory: ANSWER_MEMORY,
            expiry_spread: EXPIRY_SPREAD_MAX,
            expiry_secret: 0,
        }
    }
}
