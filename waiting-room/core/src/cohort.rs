//! The cohort of a pre-queue: its places in the order in which they were given out, each by the
//! hash of its token.

use crate::merkle::{Sha256, Tree, leaf};

/// What stands for a place whose token nobody got.
pub const EMPTY: [u8; 32] = [0; 32];

/// The places above `base`, as far as they are entered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cohort {
    base: u64,
    hashes: Vec<[u8; 32]>,
    entered: u64,
}

impl Cohort {
    pub fn new(base: u64) -> Self {
        Self { base, ..Self::default() }
    }

    pub fn base(&self) -> u64 {
        self.base
    }

    /// The last place, as far as the cohort goes by now.
    pub fn last(&self) -> u64 {
        self.base + self.hashes.len() as u64
    }

    /// The numbers of the places that were entered, as given out, ascending.
    pub fn numbers(&self) -> impl Iterator<Item = u64> + '_ {
        self.places(true)
    }

    /// The numbers of the places that were not: nobody has a token of one.
    pub fn nobodys(&self) -> impl Iterator<Item = u64> + '_ {
        self.places(false)
    }

    fn places(&self, is_entered: bool) -> impl Iterator<Item = u64> + '_ {
        let numbered = (self.base + 1..).zip(&self.hashes);
        numbered.filter(move |&(_, hash)| (*hash != EMPTY) == is_entered).map(|(number, _)| number)
    }

    /// Takes the hash of the token of the place with `number`. The first one counts.
    pub fn enter(&mut self, number: u64, token_hash: [u8; 32]) {
        let Some(at) = self.at(number).filter(|_| token_hash != EMPTY) else { return };
        if self.hashes.len() <= at {
            self.hashes.resize(at + 1, EMPTY);
        }
        if self.hashes[at] == EMPTY {
            self.hashes[at] = token_hash;
            self.entered += 1;
        }
    }

    /// Ends it at the place with number `last`; what was entered behind it is dropped.
    pub fn close(&mut self, last: u64) {
        assert!(self.base <= last);
        let count = usize::try_from(last - self.base).expect("a cohort fits in memory");
        self.hashes.resize(count, EMPTY);
        self.entered = self.hashes.iter().filter(|&&hash| hash != EMPTY).count() as u64;
    }

    /// Whether the place with `number` was entered with this hash.
    pub fn holds(&self, number: u64, token_hash: &[u8; 32]) -> bool {
        let found = self.at(number).and_then(|at| self.hashes.get(at));
        found == Some(token_hash) && *token_hash != EMPTY
    }

    /// How many places were entered.
    pub fn entered(&self) -> u64 {
        self.entered
    }

    /// By index, from 0; [`EMPTY`] for those that were not entered.
    pub fn hashes(&self) -> &[[u8; 32]] {
        &self.hashes
    }

    /// The tree over all places. O(n) hashes: a million take some tenths of a second.
    pub fn tree(&self, sha256: Sha256) -> Tree {
        let leaves = (0..).zip(&self.hashes).map(|(index, hash)| leaf(sha256, index, hash));
        Tree::new(sha256, leaves.collect())
    }

    fn at(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.base + 1)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Cohort, EMPTY};

    #[test]
    fn the_first_hash_of_a_place_counts_in_whatever_order_they_come() {
        let mut cohort = Cohort::new(100);
        cohort.enter(103, [3; 32]);
        cohort.enter(101, [1; 32]);
        cohort.enter(103, [9; 32]);
        cohort.enter(100, [7; 32]);
        cohort.enter(7, [7; 32]);
        cohort.enter(102, EMPTY);
        assert_eq!(cohort.hashes(), [[1; 32], EMPTY, [3; 32]]);
        assert_eq!(cohort.entered(), 2);
        assert!(cohort.holds(103, &[3; 32]));
        for (number, hash) in [(103, [9; 32]), (102, EMPTY), (100, [7; 32]), (104, [3; 32])] {
            assert!(!cohort.holds(number, &hash), "{number}");
        }
    }

    #[test]
    fn a_closed_cohort_has_as_many_places_as_were_given_out() {
        let mut cohort = Cohort::new(100);
        cohort.enter(101, [1; 32]);
        cohort.enter(105, [5; 32]);
        let mut shorter = cohort.clone();
        shorter.close(103);
        assert_eq!(shorter.hashes(), [[1; 32], EMPTY, EMPTY]);
        assert_eq!(shorter.entered(), 1);
        assert_eq!(shorter.last(), 103);
        assert_eq!(shorter.numbers().collect::<Vec<_>>(), [101]);
        assert_eq!(shorter.nobodys().collect::<Vec<_>>(), [102, 103]);
        cohort.close(106);
        assert_eq!((cohort.hashes().len(), cohort.entered()), (6, 2));
        let mut nobody = Cohort::new(100);
        nobody.close(100);
        assert_eq!(nobody.hashes(), [EMPTY; 0]);
    }
}
