//! The order of a pre-queue: a keyed permutation instead of a stored shuffle.

use crate::bits::Bits;

/// Rounds of the Feistel network. Four make a strong pseudorandom permutation of a random
/// function's rounds (Luby and Rackoff).
const ROUNDS: u8 = 4;

/// A permutation of `0..count` that is as unforeseeable as its function.
///
/// A balanced Feistel network over the smallest even number of bits that holds `count`, with cycle
/// walking: a result outside of the range goes round again. That ends, because the network is a
/// bijection and its argument is inside; the expected number of walks is below four.
pub struct Permutation<'a> {
    count: u64,
    half_bits: u32,
    /// Round and half-block to pseudorandom bits, of which the lowest are taken.
    prf: &'a dyn Fn(u8, u64) -> u64,
}

impl<'a> Permutation<'a> {
    pub fn new(count: u64, prf: &'a dyn Fn(u8, u64) -> u64) -> Self {
        assert!(count < 1 << 62);
        let bits = u64::BITS - count.saturating_sub(1).leading_zeros();
        Self { count, half_bits: bits.div_ceil(2).max(1), prf }
    }

    /// Where `index` goes.
    pub fn apply(&self, index: u64) -> u64 {
        assert!(index < self.count);
        let mut value = self.network(index);
        while self.count <= value {
            value = self.network(value);
        }
        value
    }

    fn network(&self, value: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ ((self.prf)(round, right) & mask));
        }
        left << self.half_bits | right
    }
}

/// Moves the live bits of a pre-queue to the numbers in line of their places.
///
/// `live` holds the bits by number given out; the result those of `(base, last]` by number in line,
/// and the bits beside them in the first and the last word as they were.
pub fn draw_live(live: &Bits, base: u64, last: u64, prf: &dyn Fn(u8, u64) -> u64) -> Bits {
    assert!(base <= last);
    let first_word = Bits::word_of(base + 1);
    let word_count = Bits::word_of(last).saturating_sub(first_word) + 1;
    let word_count = usize::try_from(word_count).expect("stretches fit in memory");
    let mut drawn = Bits::zeroed(first_word, word_count);
    for number in live.iter((first_word * 64).saturating_sub(1), base) {
        drawn.set(number);
    }
    for number in live.iter(last, Bits::word_of(last) * 64 + 63) {
        drawn.set(number);
    }
    let permutation = Permutation::new(last - base, prf);
    for number in live.iter(base, last) {
        drawn.set(base + 1 + permutation.apply(number - base - 1));
    }
    assert!(drawn.count(base, last) == live.count(base, last), "a permutation loses nobody");
    drawn
}

#[cfg(test)]
mod tests {
    use super::{Bits, Permutation, draw_live};
    use proptest::prelude::*;

    fn mix(key: u64) -> impl Fn(u8, u64) -> u64 {
        move |round, half| {
            let mut x = key ^ half ^ u64::from(round) << 56;
            for _ in 0..3 {
                x = (x ^ x >> 31).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            }
            x ^ x >> 32
        }
    }

    proptest! {
        #[test]
        fn every_place_gets_one_number_and_every_number_one_place(
            count in 1_u64..3_000, key in any::<u64>(),
        ) {
            let prf = mix(key);
            let permutation = Permutation::new(count, &prf);
            let mut taken = vec![false; usize::try_from(count).unwrap()];
            for index in 0..count {
                let to = usize::try_from(permutation.apply(index)).unwrap();
                prop_assert!(!std::mem::replace(&mut taken[to], true));
            }
        }

        #[test]
        fn the_living_stay_alive_at_their_drawn_numbers(
            base in 0_u64..200, people in prop::collection::btree_set(0_u64..500, 1..100),
        ) {
            let prf = mix(base);
            let last = base + 500;
            let mut live = Bits::zeroed(0, 12);
            for index in &people {
                live.set(base + 1 + index);
            }
            let drawn = draw_live(&live, base, last, &prf);
            let permutation = Permutation::new(500, &prf);
            for index in people {
                prop_assert!(drawn.contains(base + 1 + permutation.apply(index)));
            }
        }
    }

    #[test]
    fn every_tenth_of_the_places_spreads_over_the_whole_line() {
        let prf = mix(42);
        let permutation = Permutation::new(10_000, &prf);
        let mut counts = [0_u32; 10];
        for index in 0..1_000 {
            counts[usize::try_from(permutation.apply(index) / 1_000).unwrap()] += 1;
        }
        // 100 expected, standard deviation 9.5: five of them.
        assert!(counts.iter().all(|count| (52..=148).contains(count)), "{counts:?}");
    }
}
