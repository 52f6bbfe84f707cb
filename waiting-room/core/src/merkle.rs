//! A Merkle tree in the shape of RFC 6962: of an odd count of nodes the last one goes up as it is.

/// SHA-256 of the parts one after the other, as the caller computes it.
pub type Sha256 = fn(&[&[u8]]) -> [u8; 32];

/// What the hash of a leaf begins with, and what that of a node: neither can be taken for the
/// other.
const LEAF: u8 = 0;
const NODE: u8 = 1;

/// The tree over the leaves of a cohort, with every node: 64 bytes for each leaf.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The leaves first, the root alone last; empty for no leaves.
    levels: Vec<Vec<[u8; 32]>>,
    root: [u8; 32],
}

/// The leaf of the place with `index` in its cohort.
pub fn leaf(sha256: Sha256, index: u64, token_hash: &[u8; 32]) -> [u8; 32] {
    sha256(&[&[LEAF], &index.to_be_bytes(), token_hash])
}

fn node(sha256: Sha256, left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    sha256(&[&[NODE], left, right])
}

impl Tree {
    /// Builds the tree: one hash for each leaf but the first. Without leaves its root is the hash
    /// of nothing.
    pub fn new(sha256: Sha256, leaves: Vec<[u8; 32]>) -> Self {
        let mut levels = Vec::new();
        let mut level = leaves;
        while 1 < level.len() {
            let above = level.chunks(2).map(|pair| match pair {
                [left, right] => node(sha256, left, right),
                alone => alone[0],
            });
            let above = above.collect();
            levels.push(std::mem::replace(&mut level, above));
        }
        let root = level.first().copied().unwrap_or_else(|| sha256(&[]));
        levels.push(level);
        Self { levels, root }
    }

    pub fn root(&self) -> [u8; 32] {
        self.root
    }

    /// The siblings on the way from a leaf to the root, from below.
    ///
    /// # Panics
    /// If there is no such leaf.
    pub fn path(&self, index: u64) -> Vec<[u8; 32]> {
        let mut at = usize::try_from(index).expect("a tree fits in memory");
        assert!(at < self.levels[0].len(), "no leaf {index}");
        let mut path = Vec::new();
        for level in &self.levels {
            path.extend(level.get(at ^ 1));
            at /= 2;
        }
        path
    }
}

/// The root that a leaf's path leads to, if the path is as long as it is for this leaf of `count`.
pub fn climb(
    sha256: Sha256,
    (index, count): (u64, u64),
    leaf: [u8; 32],
    path: &[[u8; 32]],
) -> Option<[u8; 32]> {
    if count <= index {
        return None;
    }
    let (mut at, mut width, mut found) = (index, count, leaf);
    let mut siblings = path.iter();
    while 1 < width {
        if at ^ 1 < width {
            let sibling = siblings.next()?;
            let (left, right) = if at & 1 == 0 { (&found, sibling) } else { (sibling, &found) };
            found = node(sha256, left, right);
        }
        (at, width) = (at / 2, width.div_ceil(2));
    }
    siblings.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::{Tree, climb, leaf, node};
    use crate::hash_for_tests::sha256;
    use proptest::prelude::*;

    fn leaves(count: u64) -> Vec<[u8; 32]> {
        (0..count).map(|index| leaf(sha256, index, &sha256(&[&index.to_be_bytes()]))).collect()
    }

    /// RFC 6962 as it is written: the tree is cut at the largest power of two below its size.
    fn by_the_book(leaves: &[[u8; 32]]) -> [u8; 32] {
        match leaves {
            [] => sha256(&[]),
            [one] => *one,
            more => {
                let (left, right) = more.split_at(more.len().next_power_of_two() / 2);
                node(sha256, &by_the_book(left), &by_the_book(right))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_the_standard_for_every_small_count() {
        for count in 0..70 {
            let leaves = leaves(count);
            assert_eq!(Tree::new(sha256, leaves.clone()).root(), by_the_book(&leaves), "{count}");
        }
    }

    proptest! {
        #[test]
        fn every_path_leads_to_the_root_and_no_other_place_does(
            count in 1_u64..200, index in any::<prop::sample::Index>(), bit in 0_usize..256,
        ) {
            let leaves = leaves(count);
            let at = index.index(leaves.len());
            let (tree, index) = (Tree::new(sha256, leaves.clone()), at as u64);
            let path = tree.path(index);
            let root = Some(tree.root());
            let climb = |index, count, leaf, path: &[[u8; 32]]| {
                climb(sha256, (index, count), leaf, path)
            };
            prop_assert_eq!(climb(index, count, leaves[at], &path), root);
            let mut forged = leaves[at];
            forged[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(climb(index, count, forged, &path), root);
            let longer = [&path[..], &[[0; 32]]].concat();
            prop_assert_eq!(climb(index, count, leaves[at], &longer), None);
            if let Some((_, shorter)) = path.split_last() {
                prop_assert_eq!(climb(index, count, leaves[at], shorter), None);
            }
            prop_assert_eq!(climb(count, count, leaves[at], &path), None);
            if 1 < count {
                prop_assert_ne!(climb((index + 1) % count, count, leaves[at], &path), root);
            }
        }
    }
}
