//! One number for the whole state: two followers that differ anywhere differ here.
//!
//! Each entry of each map is hashed by itself and the hashes are added up, so that the order in
//! which a map yields its entries does not matter. Covered are also the maps that follow from
//! others: they are what decisions are made with. O(state): for checks at rest, not for the way
//! of a command.

use crate::Shard;
use crate::inspect::IdsView;
use serde::Serialize;

impl Shard {
    /// A digest of all maps: seats, holds, ended holds, answers, answered ids, passes, limits,
    /// areas, pools, deadlines.
    ///
    /// Equal for an owner, for a follower that has applied the same outcomes, and for a shard
    /// restored from either and fully listed, if all have the same limits, secret included. Not a
    /// defence against a forger.
    pub fn digest(&self) -> u64 {
        let mut sum = entry(0, &(self.id, self.time, self.pass_count));
        let mut add = |hash: u64| sum = sum.wrapping_add(hash);
        for state in &self.catalogue.events {
            let Some(sale) = &state.sale else { continue };
            let event = entry(1, &state.id);
            for (seat, word) in sale.words() {
                add(mix(mix(event, u64::from(seat.0)), word.encode()));
            }
            for (account, places) in &sale.accounts {
                add(entry(2, &(event, account, places)));
            }
            for (place, used) in &sale.passes {
                add(entry(3, &(event, place, used)));
            }
            for (area, counts) in (0_u64..).zip(&sale.areas).filter(|(_, area)| !is_free(area)) {
                add(entry(4, &(event, area, counts)));
            }
            for (pool, counts) in (0_u64..).zip(&sale.pools).filter(|(_, pool)| !is_free(pool)) {
                add(entry(12, &(event, pool, counts)));
            }
            for slot in &sale.blocked {
                add(entry(5, &(event, slot)));
            }
            if !is_free(&sale.counts) {
                add(entry(6, &(event, sale.counts)));
            }
        }
        for (slot, held) in self.holds.iter() {
            add(entry(7, &(slot, &self.catalogue.events[held.event].id, &held.hold)));
        }
        self.deadlines.iter().for_each(|due| add(entry(8, &due)));
        self.ended.iter().for_each(|ended| add(entry(9, ended)));
        self.answers.iter().for_each(|answer| add(entry(10, answer)));
        self.answers.ids().iter().for_each(|(id, number)| add(IdsView::hash(id, number)));
        sum
    }
}

/// An untouched part leaves no trace, so that the owner's sale, made for a refused command, does
/// not differ from the follower's that was never made.
fn is_free(counts: &schema::PlaceCounts) -> bool {
    *counts == schema::PlaceCounts { free: counts.free, ..schema::PlaceCounts::default() }
}

/// The hash of one entry of the map with number `map`.
fn entry(map: u64, value: &impl Serialize) -> u64 {
    let bytes = rmp_serde::to_vec(value).expect("the state holds only encodable types");
    let seed = mix(map, u64::try_from(bytes.len()).expect("a length in memory"));
    bytes.chunks(8).fold(seed, |hash, part| {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        mix(hash, u64::from_le_bytes(word))
    })
}

/// One round of the `SplitMix64` finisher over a hash and the next word.
pub(crate) fn mix(hash: u64, word: u64) -> u64 {
    let mut z = hash.rotate_left(29) ^ word.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
