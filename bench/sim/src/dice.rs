//! Chance that can be repeated: everything that a run does by chance comes from one stream.

/// A stream of random numbers (`SplitMix64`), the same one for the same seed.
#[derive(Debug, Clone, Copy)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        let mut dice = Self(seed);
        // Neighbours begin far from each other.
        Self(dice.roll())
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `[from, to]`.
    pub fn within(&mut self, from: u64, to: u64) -> u64 {
        assert!(from <= to);
        from + self.roll() % (to - from + 1)
    }

    /// An index into something of `count` parts, at least one.
    pub fn index(&mut self, count: usize) -> usize {
        assert!(0 < count);
        let count = u64::try_from(count).expect("a count in memory");
        usize::try_from(self.roll() % count).expect("below a count in memory")
    }

    pub fn hits(&mut self, percent: u64) -> bool {
        self.within(1, 100) <= percent
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn numbers_stay_in_their_bounds_and_fill_them() {
        let mut dice = Dice::new(1);
        let mut seen = [0; 6];
        for _ in 0..6_000 {
            seen[dice.index(6)] += 1;
            assert!((5..=7).contains(&dice.within(5, 7)));
        }
        assert!(seen.iter().all(|count| (850..1_150).contains(count)), "{seen:?}");
        assert!(!dice.hits(0));
        assert!(dice.hits(100));
    }
}
