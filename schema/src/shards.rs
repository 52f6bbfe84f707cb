//! How many shards a system has, and which of them an event belongs to.

use crate::id::{EventId, ShardId};
use serde::{Deserialize, Serialize};

/// How many shards the events of a system are divided into: 1 to [`SHARDS_MAX`].
///
/// Fixed for the life of a system, and the same in each of its processes: an event's shard, and so
/// the journal that knows its holds, follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u8")]
pub struct Shards(u8);

/// Most shards of a system.
///
/// Each costs every process a follower of its journal, and the allocators one contender each, all
/// the time: 64 on 16 machines are four for each. The id of a hold has place for 256.
pub const SHARDS_MAX: u8 = 64;

/// A count of shards that no system can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a system has 1 to {SHARDS_MAX} shards, not {0}")]
pub struct ShardsOutOfRange(u64);

impl Shards {
    /// `None` outside of 1 to [`SHARDS_MAX`].
    pub const fn new(count: u8) -> Option<Self> {
        if 0 < count && count <= SHARDS_MAX { Some(Self(count)) } else { None }
    }

    pub fn count(self) -> usize {
        self.0.into()
    }

    /// Every shard, in ascending order.
    pub fn all(self) -> impl DoubleEndedIterator<Item = ShardId> + ExactSizeIterator + Clone {
        (0..self.0).map(ShardId)
    }

    /// Names the shard of an event.
    ///
    /// FNV-1a of the text modulo the count. Frozen: another function would send an event's commands
    /// to a journal that does not know its holds.
    pub fn of(self, event: &EventId) -> ShardId {
        let hash = event.as_str().bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
        ShardId((hash % u64::from(self.0)).to_le_bytes()[0])
    }
}

impl Default for Shards {
    /// What suits one machine: more would share the syncs of one disk, fewer would let one hot
    /// event slow more of the others.
    fn default() -> Self {
        Self(4)
    }
}

impl TryFrom<u64> for Shards {
    type Error = ShardsOutOfRange;

    fn try_from(count: u64) -> Result<Self, ShardsOutOfRange> {
        u8::try_from(count).ok().and_then(Self::new).ok_or(ShardsOutOfRange(count))
    }
}

impl From<Shards> for u8 {
    fn from(shards: Shards) -> Self {
        shards.0
    }
}

#[cfg(test)]
mod tests {
    use super::{SHARDS_MAX, Shards};
    use crate::id::{EventId, ShardId};
    use std::collections::BTreeMap;

    fn event(name: &str) -> EventId {
        name.parse().unwrap()
    }

    #[test]
    fn a_system_has_one_shard_at_least_and_64_at_most() {
        for count in [1, 4, 16, SHARDS_MAX] {
            let shards = Shards::new(count).unwrap();
            assert_eq!(Shards::try_from(u64::from(count)), Ok(shards));
            assert_eq!((shards.count(), u8::from(shards)), (count.into(), count));
        }
        for count in [0, SHARDS_MAX + 1, u8::MAX] {
            assert_eq!(Shards::new(count), None);
        }
        for count in [0, 65, 256 + 4, u64::MAX] {
            let refused = Shards::try_from(count).unwrap_err().to_string();
            assert_eq!(refused, format!("a system has 1 to 64 shards, not {count}"));
        }
    }

    #[test]
    fn messages_and_settings_carry_the_number() {
        let shards = Shards::new(16).unwrap();
        let bytes = rmp_serde::to_vec(&shards).unwrap();
        assert_eq!(bytes, [16]);
        assert_eq!(rmp_serde::from_slice::<Shards>(&bytes).unwrap(), shards);
        assert!(rmp_serde::from_slice::<Shards>(&[65]).is_err());
    }

    #[test]
    fn all_are_counted_from_0() {
        let all: Vec<ShardId> = Shards::default().all().collect();
        assert_eq!(all, [0, 1, 2, 3].map(ShardId));
        assert_eq!(Shards::new(16).unwrap().all().next_back(), Some(ShardId(15)));
    }

    #[test]
    fn an_event_keeps_its_shard_for_ever() {
        let names = ["EVT001", "EVT002", "EVT003", "EVT004"].map(event);
        let of = |count: u8| names.each_ref().map(|name| Shards::new(count).unwrap().of(name).0);
        assert_eq!(of(4), OF_FOUR);
        assert_eq!(of(16), OF_SIXTEEN);
        assert_eq!(of(1), [0; 4]);
    }

    const OF_FOUR: [u8; 4] = [1, 0, 3, 2];
    const OF_SIXTEEN: [u8; 4] = [9, 0, 3, 2];

    #[test]
    fn each_of_16_shards_gets_some_of_1000_events() {
        let shards = Shards::new(16).unwrap();
        let mut counts: BTreeMap<ShardId, u32> = shards.all().map(|shard| (shard, 0)).collect();
        for number in 0..1_000 {
            let count = counts.get_mut(&shards.of(&event(&format!("E{number}")))).unwrap();
            *count += 1;
        }
        assert!(counts.values().all(|count| (30..=100).contains(count)), "{counts:?}");
    }
}
