//! A queue that grows without moving what is in it.

use std::collections::VecDeque;

/// Most entries of a chunk.
///
/// Larger, a shard that is hardly asked keeps more memory for nothing; smaller, there are more
/// chunks to find an entry among.
const CHUNK: usize = 1 << 10;

/// Entries in order, of which the oldest go first.
///
/// As a `VecDeque`, but that it grows by chunks: one that doubles copies all of its entries at
/// once, and of answers that are a hundred megabytes, while every command of the shard waits.
#[derive(Debug)]
pub(crate) struct Log<T> {
    /// None is empty, and all between the first and the last are full.
    chunks: VecDeque<VecDeque<T>>,
    len: usize,
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self { chunks: VecDeque::new(), len: 0 }
    }
}

impl<T> Log<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push(&mut self, entry: T) {
        let is_full = |newest: &VecDeque<T>| newest.len() == CHUNK;
        if self.chunks.back().is_none_or(is_full) {
            self.chunks.push_back(VecDeque::with_capacity(CHUNK));
        }
        self.chunks.back_mut().expect("there is one now").push_back(entry);
        self.len += 1;
    }

    pub(crate) fn first(&self) -> Option<&T> {
        self.chunks.front()?.front()
    }

    /// Drops the oldest entry, if there is one.
    pub(crate) fn forget_first(&mut self) {
        let Some(oldest) = self.chunks.front_mut() else { return };
        oldest.pop_front();
        self.len -= 1;
        if oldest.is_empty() {
            self.chunks.pop_front();
        }
    }

    /// The entry at a position, counted from the oldest.
    pub(crate) fn get(&self, position: usize) -> Option<&T> {
        let (chunk, within) = self.place(position);
        self.chunks.get(chunk)?.get(within)
    }

    /// The entries from a position on.
    pub(crate) fn since(&self, position: usize) -> impl Iterator<Item = &T> {
        let (chunk, within) = self.place(position);
        self.chunks.iter().skip(chunk).flatten().skip(within)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    /// The position of the first entry of which `is_before` is false, of entries in which it is
    /// true up to there. O(log entries).
    pub(crate) fn partition_point(&self, is_before: impl Fn(&T) -> bool) -> usize {
        let (mut from, mut to) = (0, self.len);
        while from < to {
            let middle = from.midpoint(to);
            if is_before(self.get(middle).expect("below the length")) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        from
    }

    /// The chunk of a position, and where in it.
    fn place(&self, position: usize) -> (usize, usize) {
        let first = self.chunks.front().map_or(0, VecDeque::len);
        match position.checked_sub(first) {
            None => (0, position),
            Some(behind) => (1 + behind / CHUNK, behind % CHUNK),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Log};
    use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
    use std::collections::VecDeque;

    /// Whether to push or to forget, and how often.
    fn steps() -> impl Strategy<Value = Vec<(bool, usize)>> {
        proptest::collection::vec((any::<bool>(), 0..CHUNK * 2), 0..24)
    }

    proptest! {
        #[test]
        fn a_log_is_a_queue(steps in steps()) {
            let (mut log, mut queue) = (Log::default(), VecDeque::new());
            for (pushes, count) in steps {
                for _ in 0..count {
                    if pushes {
                        log.push(queue.back().map_or(0, |last| last + 1));
                        queue.push_back(queue.back().map_or(0, |last| last + 1));
                    } else {
                        log.forget_first();
                        queue.pop_front();
                    }
                }
                prop_assert_eq!(log.len(), queue.len());
                prop_assert_eq!(log.first(), queue.front());
                prop_assert_eq!(log.get(count), queue.get(count));
                prop_assert_eq!(log.get(queue.len()), None);
                prop_assert_eq!(log.iter().collect::<Vec<_>>(), queue.iter().collect::<Vec<_>>());
                let from = count.min(queue.len());
                let since: Vec<&usize> = log.since(from).collect();
                prop_assert_eq!(since, queue.range(from..).collect::<Vec<_>>());
                let before = queue.get(from).copied().unwrap_or(usize::MAX);
                let point = log.partition_point(|entry| *entry < before);
                prop_assert_eq!(point, queue.partition_point(|entry| *entry < before));
            }
        }
    }
}
