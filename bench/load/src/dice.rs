//! Chance that can be repeated: eight bytes of state for each person.

use crate::scenario::Range;
use std::time::Duration;

/// A stream of random numbers (`SplitMix64`), the same one for the same seed and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dice(u64);

impl Dice {
    /// The stream of the person with this number.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0xd6e8_feb8_6659_fd93) ^ number);
        // Neighbours begin far from each other.
        Self(dice.roll())
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `[0, bound)`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        let scaled = (self.roll() >> 32) * u64::from(bound);
        u32::try_from(scaled >> 32).expect("32 bits are left")
    }

    /// A number in `[0, 1)`.
    pub fn share(&mut self) -> f64 {
        let bits = u32::try_from(self.roll() >> 32).expect("32 bits are left");
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }

    pub fn hits(&mut self, share: f64) -> bool {
        self.share() < share
    }

    /// Milliseconds of a range as a time.
    pub fn within(&mut self, Range(from, to): Range) -> Duration {
        let ms = from + self.below(to.saturating_sub(from).saturating_add(1));
        Duration::from_millis(ms.into())
    }

    /// An index into `weights`, the likelier the larger its weight.
    pub fn choose(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let mut left = self.share() * weights.clone().sum::<f64>();
        let mut last = 0;
        for (idx, weight) in weights.enumerate() {
            if 0.0 < weight {
                last = idx;
            }
            if left < weight {
                return idx;
            }
            left -= weight;
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;
    use crate::scenario::Range;

    #[test]
    fn numbers_stay_in_their_bounds_and_fill_them() {
        let mut dice = Dice::new(1, 2);
        let mut seen = [0; 6];
        for _ in 0..6_000 {
            seen[usize::try_from(dice.below(6)).unwrap()] += 1;
            let share = dice.share();
            assert!((0.0..1.0).contains(&share));
            assert!((5..=7).contains(&dice.within(Range(5, 7)).as_millis()));
        }
        assert!(seen.iter().all(|count| (850..1_150).contains(count)), "{seen:?}");
        assert_eq!(dice.below(0), 0);
    }

    #[test]
    fn what_has_no_weight_is_never_chosen() {
        let mut dice = Dice::new(3, 4);
        let mut seen = [0; 3];
        for _ in 0..1_000 {
            seen[dice.choose([1.0, 0.0, 3.0].into_iter())] += 1;
        }
        assert_eq!(seen[1], 0);
        assert!((200..300).contains(&seen[0]), "{seen:?}");
    }
}
