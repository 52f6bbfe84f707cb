//! Which process a shard is to be owned by, where several could. Pure, so that all of them come to
//! the same answer without a word to each other.

use schema::ShardId;

/// Returns the process that is to own `shard`; `None` where nobody is there.
///
/// `names` is sorted and has each process once. They take turns, so that one owns at most one shard
/// more than another.
pub fn preferred(names: &[String], shard: ShardId) -> Option<&str> {
    debug_assert!(names.is_sorted());
    let idx = usize::from(shard.0).checked_rem(names.len())?;
    names.get(idx).map(String::as_str)
}

/// Returns the process that is to take `shard`, which `last` had and has no more.
///
/// It is the preferred one, unless that is `last` itself: it has ended, and is not missed yet.
pub fn successor<'a>(names: &'a [String], shard: ShardId, last: Option<&str>) -> Option<&'a str> {
    let preferred = preferred(names, shard)?;
    if last != Some(preferred) {
        return Some(preferred);
    }
    let others = names.len() - 1;
    let idx = usize::from(shard.0).checked_rem(others)?;
    names.iter().filter(|name| *name != preferred).nth(idx).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::{preferred, successor};
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::{Strategy, any, proptest};
    use schema::ShardId;
    use std::collections::BTreeMap;

    fn names() -> impl Strategy<Value = Vec<String>> {
        btree_set("[a-f0-9]{1,4}", 1..9).prop_map(|names| names.into_iter().collect())
    }

    /// How many shards each of `names` has.
    fn counts(owners: &[String], names: &[String]) -> Vec<usize> {
        let mut counts: BTreeMap<&String, usize> = names.iter().map(|name| (name, 0)).collect();
        for owner in owners {
            *counts.get_mut(owner).expect("owners are there") += 1;
        }
        counts.into_values().collect()
    }

    fn owners_by_choice(names: &[String], shard_count: u8) -> Vec<String> {
        let shards = (0..shard_count).map(ShardId);
        shards.map(|shard| preferred(names, shard).expect("somebody is there").to_owned()).collect()
    }

    #[test]
    fn where_nobody_is_there_nobody_is_preferred() {
        assert_eq!(preferred(&[], ShardId(3)), None);
        assert_eq!(successor(&[], ShardId(3), None), None);
        let alone = ["a".to_owned()];
        assert_eq!(preferred(&alone, ShardId(3)), Some("a"));
        assert_eq!(successor(&alone, ShardId(3), Some("a")), None);
    }

    proptest! {
        #[test]
        fn nobody_has_two_shards_more_than_another(names in names(), shard_count in 1_u8..64) {
            let counts = counts(&owners_by_choice(&names, shard_count), &names);
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(most - least <= 1, "{counts:?}");
        }

        /// Whoever owns what: one hand-over of each misplaced shard later all are where they are
        /// preferred, and no owner has a reason to hand over again.
        #[test]
        fn a_shard_that_was_handed_over_stays(
            names in names(),
            wrong in vec(any::<proptest::sample::Index>(), 16),
        ) {
            for (shard, wrong) in (0..).map(ShardId).zip(wrong) {
                let owner = wrong.get(&names);
                let to = preferred(&names, shard).unwrap();
                if to != owner {
                    // The one that hands over contends too, and knows that it is not its turn.
                    assert_eq!(successor(&names, shard, Some(owner)), Some(to));
                }
            }
        }

        /// Those who have missed a process that has ended and those who have not agree on who takes
        /// what it had by preference.
        #[test]
        fn all_agree_on_the_successor_of_one_that_has_just_ended(
            names in names(),
            shard in (0_u8..64).prop_map(ShardId),
        ) {
            let ended = preferred(&names, shard).unwrap();
            let left: Vec<String> = names.iter().filter(|name| *name != ended).cloned().collect();
            assert_eq!(
                successor(&names, shard, Some(ended)),
                successor(&left, shard, Some(ended)),
            );
        }
    }
}
