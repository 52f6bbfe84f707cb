//! Entries of a log that forgets its oldest: each has a number, counted from the first of the
//! journal, so that two followers call the same entry by the same number.

use crate::log::Log;
use serde::{Deserialize, Serialize};

/// Entries that follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbered<T> {
    /// The number of the first; without entries, of the next to come.
    pub from: u64,
    pub entries: Vec<T>,
}

impl<T: Clone> Numbered<T> {
    /// Those numbered `number` or higher of a log whose first has number `first`.
    pub(crate) fn since(first: u64, log: &Log<T>, number: u64) -> Self {
        let count = u64::try_from(log.len()).expect("a count in memory");
        let from = number.clamp(first, first + count);
        let skipped = usize::try_from(from - first).expect("a position in memory");
        Self { from, entries: log.since(skipped).cloned().collect() }
    }
}

impl<T> Numbered<T> {
    /// The number of the next to come.
    pub fn to(&self) -> u64 {
        self.from + u64::try_from(self.entries.len()).expect("a count in memory")
    }

    /// Appends what follows, of which the beginning may be here already; whether nothing is missing
    /// between.
    #[must_use]
    pub fn follow(&mut self, next: Self) -> bool {
        let to = self.to();
        if to < next.from {
            return false;
        }
        let known = usize::try_from(to - next.from).unwrap_or(usize::MAX);
        self.entries.extend(next.entries.into_iter().skip(known));
        true
    }
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { from: 0, entries: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::Numbered;
    use crate::log::Log;

    #[test]
    fn entries_keep_their_numbers_when_older_ones_are_forgotten() {
        let mut log = Log::default();
        for entry in [7_u8, 8, 9] {
            log.push(entry);
        }
        let since = |number| Numbered::since(7, &log, number);
        assert_eq!(since(0), Numbered { from: 7, entries: vec![7, 8, 9] });
        assert_eq!(since(8), Numbered { from: 8, entries: vec![8, 9] });
        assert_eq!(since(99), Numbered { from: 10, entries: vec![] });
        assert_eq!(since(8).to(), 10);
    }

    #[test]
    fn what_follows_may_overlap_and_must_not_leave_a_gap() {
        let mut log = Numbered { from: 3, entries: vec!['d', 'e'] };
        assert!(log.follow(Numbered { from: 1, entries: vec!['b', 'c', 'd', 'e', 'f'] }));
        assert!(log.follow(Numbered { from: 6, entries: vec!['g'] }));
        assert!(!log.follow(Numbered { from: 8, entries: vec!['i'] }));
        assert_eq!(log, Numbered { from: 3, entries: vec!['d', 'e', 'f', 'g'] });
    }
}
