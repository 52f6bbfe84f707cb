//! Stretches of Redis bitmaps: one bit a number, the bit of the lowest number first in each byte.

/// The bits of the numbers from a multiple of 64 on. All others are 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bits {
    first_word: u64,
    /// The most significant bit is that of the lowest number, as in Redis.
    words: Vec<u64>,
}

impl Bits {
    /// Takes bytes as `GETRANGE` gives them, the first one holding the bits of `first_word * 64`
    /// on.
    pub fn from_redis(first_word: u64, bytes: &[u8]) -> Self {
        let words = bytes.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_be_bytes(word)
        });
        Self { first_word, words: words.collect() }
    }

    /// The bytes from word `first_word` on; zeros at the end too, which replace what was there.
    pub fn to_redis(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// No bits yet, with room for the numbers of `word_count` words.
    pub fn zeroed(first_word: u64, word_count: usize) -> Self {
        Self { first_word, words: vec![0; word_count] }
    }

    /// The word in which `number` has its bit.
    pub fn word_of(number: u64) -> u64 {
        number / 64
    }

    pub fn first_word(&self) -> u64 {
        self.first_word
    }

    pub fn contains(&self, number: u64) -> bool {
        self.word(number / 64) & mask(number) != 0
    }

    /// # Panics
    /// For a number outside of the stretch.
    pub fn set(&mut self, number: u64) {
        let idx = usize::try_from(number / 64 - self.first_word).expect("stretches fit in memory");
        self.words[idx] |= mask(number);
    }

    /// Sets the bits of all numbers in `(after, last]`, as far as they lie in the stretch.
    pub fn fill(&mut self, after: u64, last: u64) {
        for (word, bits) in (self.first_word..).zip(&mut self.words) {
            *bits |= between(word, after, last);
        }
    }

    /// Clears the bits that are set in `other`.
    pub fn clear(&mut self, other: &Self) {
        for (word, bits) in (self.first_word..).zip(&mut self.words) {
            *bits &= !other.word(word);
        }
    }

    /// The bits of 64 numbers from `word * 64` on, the lowest in the most significant bit.
    pub fn word(&self, word: u64) -> u64 {
        let idx = word.checked_sub(self.first_word).and_then(|idx| usize::try_from(idx).ok());
        idx.and_then(|idx| self.words.get(idx)).copied().unwrap_or(0)
    }

    /// How many bits are set in `(after, last]`. O(words).
    pub fn count(&self, after: u64, last: u64) -> u64 {
        if last <= after {
            return 0;
        }
        let end = self.first_word + self.words.len() as u64;
        let (from, to) = ((after + 1) / 64, last / 64 + 1);
        (from.max(self.first_word)..to.min(end))
            .map(|word| u64::from((self.word(word) & between(word, after, last)).count_ones()))
            .sum()
    }

    /// The numbers whose bits are set in `(after, last]`, ascending.
    pub fn iter(&self, after: u64, last: u64) -> impl Iterator<Item = u64> + '_ {
        let end = self.first_word + self.words.len() as u64;
        let (from, to) = ((after + 1) / 64, last / 64 + 1);
        (from.max(self.first_word)..to.min(end)).flat_map(move |word| {
            let bits = self.word(word) & between(word, after, last);
            (0..64).filter(move |idx| bits << idx >> 63 == 1).map(move |idx| word * 64 + idx)
        })
    }
}

/// The bits of `word` that belong to numbers in `(after, last]`.
pub(crate) fn between(word: u64, after: u64, last: u64) -> u64 {
    let from = word * 64;
    let after_mask = match (after + 1).saturating_sub(from) {
        skip @ 0..=63 => u64::MAX >> skip,
        _ => 0,
    };
    let last_mask = match last.checked_sub(from) {
        None => 0,
        Some(keep @ 0..=62) => !(u64::MAX >> (keep + 1)),
        Some(_) => u64::MAX,
    };
    after_mask & last_mask
}

fn mask(number: u64) -> u64 {
    1 << (63 - number % 64)
}

/// Who is alive in line, for counting the people ahead of a place in O(1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LiveIndex {
    bits: Bits,
    /// How many bits are set before each word.
    before: Vec<u32>,
    total: u32,
    /// The last number given out when the bits were read.
    pub last: u64,
}

impl LiveIndex {
    /// `last` is the last number given out when the bits were read; later ones are not known.
    pub fn new(mut bits: Bits, last: u64) -> Self {
        let kept = (Bits::word_of(last) + 1).saturating_sub(bits.first_word);
        bits.words.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        let ends_in_last_word = bits.words.len() as u64 == kept;
        if let Some(word) = bits.words.last_mut().filter(|_| ends_in_last_word) {
            *word &= between(Bits::word_of(last), 0, last);
        }
        let mut total = 0;
        let before = bits.words.iter().map(|word| {
            let before = total;
            total += word.count_ones();
            before
        });
        let before = before.collect();
        Self { bits, before, total, last }
    }

    /// The index that follows this one in the same order of the line: who was gone stays gone, so
    /// that nobody's position rises because somebody came back.
    #[must_use]
    pub fn followed_by(&self, mut bits: Bits, last: u64) -> Self {
        for (word, bits) in (bits.first_word..).zip(&mut bits.words) {
            if self.bits.first_word <= word {
                *bits &= self.bits.word(word) | !between(word, 0, self.last);
            }
        }
        Self::new(bits, last.max(self.last))
    }

    /// How many live numbers lie in `(cursor, number)`, of those that were read.
    pub fn ahead(&self, cursor: u64, number: u64) -> u64 {
        let (to, from) = (self.below(number), self.below(cursor + 1));
        u64::from(to.saturating_sub(from))
    }

    /// How many live numbers of the stretch are below `number`.
    fn below(&self, number: u64) -> u32 {
        let Some(idx) = (number / 64).checked_sub(self.bits.first_word) else { return 0 };
        let before = usize::try_from(idx).ok().and_then(|idx| self.before.get(idx));
        let Some(before) = before else { return self.total };
        let word = self.bits.word(number / 64);
        before + (word & !(u64::MAX >> (number % 64))).count_ones()
    }
}

#[cfg(test)]
mod tests {
    use super::{Bits, LiveIndex};
    use proptest::prelude::*;

    #[test]
    fn bits_are_where_redis_has_them() {
        // SETBIT key 64 1, SETBIT key 71 1, SETBIT key 130 1.
        let bytes = [0b1000_0001, 0, 0, 0, 0, 0, 0, 0, 0b0010_0000];
        let bits = Bits::from_redis(1, &bytes);
        assert_eq!(bits.iter(0, 1_000).collect::<Vec<_>>(), [64, 71, 130]);
        assert!(bits.contains(64));
        assert!(!bits.contains(65));
        let written = bits.to_redis();
        assert_eq!(written[..9], bytes);
        assert_eq!(written[9..], [0; 7], "who has left is written as gone");
    }

    #[test]
    fn bits_beyond_the_last_number_given_out_are_not_counted() {
        let bits = Bits::from_redis(0, &[0b0111_1100]);
        let index = LiveIndex::new(bits, 3);
        assert_eq!(index.ahead(0, 4), 3);
        assert_eq!(index.ahead(0, 10), 3);
        assert_eq!(index.ahead(2, 10), 1);
        assert_eq!(index.ahead(5, 10), 0);
    }

    #[test]
    fn who_comes_back_is_not_counted_again_and_who_is_new_is() {
        let index = LiveIndex::new(Bits::from_redis(0, &[0b0110_1100]), 5);
        let next = index.followed_by(Bits::from_redis(0, &[0b0111_1011]), 7);
        // The third was gone, the fourth is there still, the fifth left, and two are new.
        assert_eq!([3, 4, 5, 6, 7, 8].map(|number| next.ahead(0, number)), [2, 2, 3, 3, 4, 5]);
        assert_eq!(next.followed_by(Bits::from_redis(0, &[0b0111_1111]), 6).last, 7);
    }

    proptest! {
        #[test]
        fn no_position_rises(
            reads in prop::collection::vec(prop::collection::vec(any::<u8>(), 24), 1..20),
            number in 1_u64..192,
        ) {
            let mut index = LiveIndex::new(Bits::zeroed(0, 0), 0);
            let mut ahead_before = number - 1;
            for (read, bytes) in (1_u64..).zip(&reads) {
                let last = (read * 20).min(191);
                index = index.followed_by(Bits::from_redis(0, bytes), last);
                // As the ledger counts: numbers that were not read count as alive.
                let unread = (number - 1).saturating_sub(index.last);
                let ahead = index.ahead(0, number) + unread;
                prop_assert!(ahead <= ahead_before, "{ahead} after {ahead_before}");
                ahead_before = ahead;
            }
        }

        #[test]
        fn counting_and_listing_agree_with_a_plain_set(
            numbers in prop::collection::btree_set(128_u64..700, 0..200),
            after in 0_u64..800,
            last in 0_u64..800,
        ) {
            let mut bits = Bits::zeroed(2, 9);
            for &number in &numbers {
                bits.set(number);
            }
            let inside: Vec<u64> =
                numbers.iter().copied().filter(|&n| after < n && n <= last).collect();
            prop_assert_eq!(bits.count(after, last), inside.len() as u64);
            prop_assert_eq!(bits.iter(after, last).collect::<Vec<_>>(), inside);
            let ahead = numbers.iter().filter(|&&n| after < n && n < last).count() as u64;
            prop_assert_eq!(LiveIndex::new(bits, 800).ahead(after, last), ahead);
        }
    }
}
