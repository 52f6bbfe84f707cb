//! The order of a pre-queue: a keyed permutation instead of a stored shuffle, and who of it counts
//! as alive when it is made.

use crate::bits::Bits;
use crate::cohort::Cohort;

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

/// Who of a closed pre-queue counts as alive when it is drawn, by number given out.
///
/// The closed cohort says who has a number, and nothing else does: no token of a place that is not
/// in it was answered, or ever will be. So of those in it everybody counts who is alive in `live`,
/// or has one of the `decided` numbers, which were in doubt and therefore in no bit; and nobody
/// else. The bits beside the cohort in its first and last word are as they were.
pub fn cohort_live(live: &Bits, cohort: &Cohort, decided: &[(u64, u64)]) -> Bits {
    let mut settled = beside(live, cohort.base(), cohort.last());
    let was_in_doubt = |number| {
        let idx = decided.partition_point(|&(_, last)| last < number);
        decided.get(idx).is_some_and(|&(first, _)| first <= number)
    };
    let alive = |&number: &u64| live.contains(number) || was_in_doubt(number);
    cohort.numbers().filter(alive).for_each(|number| settled.set(number));
    settled
}

/// The numbers in line of a draw that nobody has: those of places that are not in its cohort.
pub fn drawn_to_nobody(cohort: &Cohort, prf: &dyn Fn(u8, u64) -> u64) -> Bits {
    let (base, last) = (cohort.base(), cohort.last());
    let mut nobodys = beside(&Bits::default(), base, last);
    let permutation = Permutation::new(last - base, prf);
    for number in cohort.nobodys() {
        nobodys.set(base + 1 + permutation.apply(number - base - 1));
    }
    nobodys
}

/// The words of the numbers in `(base, last]`, with the bits beside these as they are in `live`.
fn beside(live: &Bits, base: u64, last: u64) -> Bits {
    assert!(base <= last);
    let first_word = Bits::word_of(base + 1);
    let word_count = Bits::word_of(last).saturating_sub(first_word) + 1;
    let word_count = usize::try_from(word_count).expect("stretches fit in memory");
    let mut bits = Bits::zeroed(first_word, word_count);
    for number in live.iter((first_word * 64).saturating_sub(1), base) {
        bits.set(number);
    }
    for number in live.iter(last, Bits::word_of(last) * 64 + 63) {
        bits.set(number);
    }
    bits
}

/// Moves the live bits of a pre-queue to the numbers in line of their places.
///
/// `live` holds the bits by number given out; the result those of `(base, last]` by number in line,
/// and the bits beside them in the first and the last word as they were.
pub fn draw_live(live: &Bits, base: u64, last: u64, prf: &dyn Fn(u8, u64) -> u64) -> Bits {
    let mut drawn = beside(live, base, last);
    let permutation = Permutation::new(last - base, prf);
    for number in live.iter(base, last) {
        drawn.set(base + 1 + permutation.apply(number - base - 1));
    }
    assert!(drawn.count(base, last) == live.count(base, last), "a permutation loses nobody");
    drawn
}

#[cfg(test)]
mod tests {
    use super::{Bits, Cohort, Permutation, cohort_live, draw_live, drawn_to_nobody};
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

    /// The places above 100 up to 140, of which these are entered.
    fn cohort(entered: &[u64]) -> Cohort {
        let mut cohort = Cohort::new(100);
        for &number in entered {
            cohort.enter(number, [7; 32]);
        }
        cohort.close(140);
        cohort
    }

    fn bits(numbers: &[u64]) -> Bits {
        let mut bits = Bits::zeroed(0, 4);
        for &number in numbers {
            bits.set(number);
        }
        bits
    }

    #[test]
    fn the_cohort_alone_says_who_has_a_number_when_it_is_drawn() {
        let cohort = cohort(&[101, 103, 110, 120, 121, 122]);
        // 103 has left. 102 was given out and never entered; 110 to 120 were in doubt.
        let live = bits(&[99, 101, 102, 121, 122, 141]);
        let settled = cohort_live(&live, &cohort, &[(105, 107), (110, 120), (130, 140)]);
        assert_eq!(settled.iter(0, 1_000).collect::<Vec<_>>(), [99, 101, 110, 120, 121, 122, 141]);
        let nobody = cohort_live(&Bits::default(), &cohort, &[]);
        assert_eq!(nobody.iter(0, 1_000).count(), 0);
        let late = cohort_live(&Bits::default(), &cohort, &[(101, 140)]);
        assert_eq!(late.count(100, 140), 6, "also where Redis has no bits that far");
    }

    #[test]
    fn the_numbers_of_nobody_and_those_of_the_cohort_are_all_that_were_drawn() {
        let prf = mix(9);
        let cohort = cohort(&[101, 103, 139]);
        let nobodys = drawn_to_nobody(&cohort, &prf);
        let drawn =
            draw_live(&cohort_live(&Bits::default(), &cohort, &[(101, 140)]), 100, 140, &prf);
        assert_eq!((nobodys.count(0, 1_000), drawn.count(0, 1_000)), (37, 3));
        for number in 101..=140 {
            assert!(nobodys.contains(number) != drawn.contains(number), "{number}");
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
