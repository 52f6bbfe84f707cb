//! Waits that were told, until it shows whether they were true.

use crate::mono::MonoMs;
use std::collections::BTreeMap;

/// How many told waits are followed at once: 32 bytes each. Fewer measure less of a long line.
const FOLLOWED_MAX: usize = 4_096;

/// When a place is called in half of the cases, and in nine of ten, if it was told the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Until {
    pub p50: MonoMs,
    pub p90: MonoMs,
}

/// The followed ones of those who were told how long they will wait.
///
/// Of a line that is longer than [`FOLLOWED_MAX`] every second place is followed, every fourth, and
/// so on: those that came early are no better measured than those that came late.
#[derive(Debug, Clone)]
pub struct Told {
    until: BTreeMap<u64, Until>,
    stride: u64,
}

impl Default for Told {
    fn default() -> Self {
        Self { until: BTreeMap::new(), stride: 1 }
    }
}

impl Told {
    /// What the place with `number` was told. The first word counts.
    pub fn note(&mut self, number: u64, until: Until) {
        if self.until.is_empty() {
            self.stride = 1;
        }
        if !number.is_multiple_of(self.stride) {
            return;
        }
        self.until.entry(number).or_insert(until);
        while FOLLOWED_MAX < self.until.len() {
            self.stride *= 2;
            let stride = self.stride;
            self.until.retain(|number, _| number.is_multiple_of(stride));
        }
    }

    /// The followed places up to `cursor`, which leave: by number, what each was told.
    pub fn passed(&mut self, cursor: u64) -> BTreeMap<u64, Until> {
        if self.until.first_key_value().is_none_or(|(&first, _)| cursor < first) {
            return BTreeMap::new();
        }
        let ahead = self.until.split_off(&(cursor + 1));
        std::mem::replace(&mut self.until, ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::{FOLLOWED_MAX, Told, Until};
    use crate::mono::MonoMs;

    fn until(p90: u64) -> Until {
        Until { p50: MonoMs(p90 / 2), p90: MonoMs(p90) }
    }

    #[test]
    fn what_was_told_first_is_kept_until_the_cursor_has_passed() {
        let mut told = Told::default();
        for number in [3, 7, 9] {
            told.note(number, until(number * 100));
        }
        told.note(7, until(1));
        assert!(told.passed(2).is_empty());
        assert_eq!(
            told.passed(7).into_iter().collect::<Vec<_>>(),
            [(3, until(300)), (7, until(700))]
        );
        assert!(told.passed(8).is_empty());
        assert_eq!(told.passed(100).len(), 1);
    }

    #[test]
    fn a_long_line_is_followed_evenly_in_bounded_memory() {
        let mut told = Told::default();
        for number in 1..=1_000_000 {
            told.note(number, until(0));
            assert!(told.until.len() <= FOLLOWED_MAX);
        }
        let (early, late) = (told.passed(500_000).len(), told.passed(1_000_000).len());
        assert!(FOLLOWED_MAX / 2 <= early + late, "{early} and {late}");
        assert!(early.abs_diff(late) <= 1, "{early} and {late}");
        told.note(1_000_001, until(0));
        assert_eq!(told.passed(2_000_000).len(), 1, "a new line is followed as a whole");
    }
}
