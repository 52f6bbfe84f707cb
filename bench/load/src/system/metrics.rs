//! What the metrics page of an allocator says.

use std::collections::BTreeSet;

/// The series that says whether a process owns a shard, up to the shard's number.
const OWNED: &str = "usher_allocator_owned{shard=\"";

/// The shards that a metrics page shows as owned.
pub(super) fn owned(page: &str) -> BTreeSet<u8> {
    let shards = page.lines().filter_map(|line| {
        let (shard, value) = line.strip_prefix(OWNED)?.split_once("\"} ")?;
        (value.trim() == "1").then(|| shard.parse().ok())?
    });
    shards.collect()
}

#[cfg(test)]
mod tests {
    use super::owned;

    #[test]
    fn owned_shards_are_those_that_the_page_says_so_of() {
        let page = "# TYPE usher_allocator_owned gauge\n\
                    usher_allocator_owned{shard=\"0\"} 1\n\
                    usher_allocator_owned{shard=\"2\"} 0\n\
                    usher_allocator_owned{shard=\"3\"} 1\n\
                    usher_allocator_deposed_total{shard=\"2\"} 1\n";
        assert_eq!(owned(page).into_iter().collect::<Vec<_>>(), [0, 3]);
        assert!(owned("").is_empty());
    }
}
