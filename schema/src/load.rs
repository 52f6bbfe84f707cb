//! How much the stages behind the waiting rooms have to do, as they tell it every [`LOAD_EVERY`].
//!
//! Plain messages that nobody stores: the next one is as good. Who hears none for a while knows
//! nothing.
//!
//! [`LOAD_EVERY`]: crate::limits::LOAD_EVERY

use crate::id::ShardId;
use crate::time::DurationMs;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// The word of a shard's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocatorLoad {
    pub shard: ShardId,
    /// Commands that wait to be decided.
    pub pending: u32,
    /// Of 100 commands answered in the last second 99 had to wait no longer from their decision to
    /// their answer. A batch that is still under way counts with its age.
    pub reply_p99: DurationMs,
}

/// The word of one settlement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementLoad {
    pub instance: CompactString,
    /// Orders that it works on, and how many it can work on at once.
    pub orders: u32,
    pub orders_max: u32,
    /// How long the oldest payment that it has read of has been waiting to become an order.
    pub commit_wait: DurationMs,
    /// Its payment provider does not answer.
    #[serde(default, skip_serializing_if = "is_false")]
    pub provider_down: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}
