//! A set of numbers that lie close together.

use std::collections::BTreeMap;

/// A sparse bitmap: 16 bytes and some for each stretch of 64 numbers that has one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NumberSet {
    words: BTreeMap<u64, u64>,
    len: usize,
}

impl NumberSet {
    /// Adds a number; says whether it is new.
    pub fn insert(&mut self, number: u64) -> bool {
        let word = self.words.entry(number / 64).or_default();
        let is_new = *word & bit(number) == 0;
        *word |= bit(number);
        self.len += usize::from(is_new);
        is_new
    }

    /// Takes a number out; does nothing if it is not in.
    pub fn remove(&mut self, number: u64) {
        let Some(word) = self.words.get_mut(&(number / 64)) else { return };
        self.len -= usize::from(*word & bit(number) != 0);
        *word &= !bit(number);
        if *word == 0 {
            self.words.remove(&(number / 64));
        }
    }

    pub fn contains(&self, number: u64) -> bool {
        self.words.get(&(number / 64)).is_some_and(|word| word & bit(number) != 0)
    }

    /// The highest number.
    pub fn last(&self) -> Option<u64> {
        let (stretch, word) = self.words.last_key_value()?;
        Some(stretch * 64 + 63 - u64::from(word.leading_zeros()))
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.words.iter().flat_map(|(stretch, word)| {
            (0..64).filter(move |idx| word >> idx & 1 == 1).map(move |idx| stretch * 64 + idx)
        })
    }
}

fn bit(number: u64) -> u64 {
    1 << (number % 64)
}

#[cfg(test)]
mod tests {
    use super::NumberSet;

    #[test]
    fn a_set_holds_each_number_once_in_order() {
        let mut set = NumberSet::default();
        assert!(set.is_empty());
        assert_eq!(set.last(), None);
        for number in [64, 3, u64::MAX, 3, 63] {
            set.insert(number);
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [3, 63, 64, u64::MAX]);
        assert_eq!(set.len(), 4);
        assert_eq!(set.last(), Some(u64::MAX));
        assert!(set.contains(63));
        assert!(!set.contains(65));
        assert!(!set.insert(64));
        set.remove(64);
        set.remove(65);
        assert_eq!(set.iter().collect::<Vec<_>>(), [3, 63, u64::MAX]);
        assert_eq!(set.len(), 3);
    }
}
