//! Who is inside: called and not yet claimed, or holding a live pass.

use crate::ledger::push_range;
use crate::limits::PASS_LEEWAY;
use crate::mono::MonoMs;
use crate::number_set::NumberSet;
use std::collections::VecDeque;

/// One release, while any of its people may be inside.
#[derive(Debug, Clone)]
struct Batch {
    cursor_before: u64,
    cursor: u64,
    /// Whom it called from the line, first to last.
    line: Vec<(u64, u64)>,
    late: Vec<u64>,
    called: u32,
    claim_until: MonoMs,
    pass_until: MonoMs,
    /// How many have a pass at most; `None` while they still may claim and Redis knows who did.
    claimed: Option<u32>,
    completed: u32,
    /// How many gave their places up before a claim, for good.
    left: u32,
}

/// The releases whose passes may be live.
///
/// LINE-2: who was called counts until it is certain that the place was not claimed and cannot be
/// any more, was used up, or that its pass has ended. That a claim window is over makes nothing
/// certain: a claim may be under way. Whoever counts the claims first sees to it that there can be
/// no more of them. What is not known counts. Who leaves with a
/// pass counts too, unless it is given back for good: it stays good until it ends.
#[derive(Debug, Clone, Default)]
pub struct Inside {
    /// In ascending order of `cursor`: each begins where the one before it ends.
    batches: VecDeque<Batch>,
    /// Those of all `late`: hardly any number has to be looked for in them.
    late: NumberSet,
}

/// A release as [`Inside`] counts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub cursor_before: u64,
    pub cursor: u64,
    /// The numbers in `(cursor_before, cursor]` that were gone, as ascending ranges.
    pub skipped: Vec<(u64, u64)>,
    pub late: Vec<u64>,
    pub called: u32,
    pub claim_until: MonoMs,
    pub pass_until: MonoMs,
    /// How many claimed, if that is journaled; all, if Redis was lost before it was.
    pub claimed: Option<u32>,
}

/// A release whose claim window is over, and whose claims nobody has counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncounted {
    pub cursor_before: u64,
    pub cursor: u64,
    /// Whom it called from the line, first to last.
    pub line: Vec<(u64, u64)>,
    pub late: Vec<u64>,
}

impl Inside {
    pub fn called(&mut self, entry: Entry) {
        if entry.called == 0 {
            return;
        }
        assert!(entry.claim_until <= entry.pass_until);
        assert!(self.batches.back().is_none_or(|newest| newest.cursor <= entry.cursor_before));
        for &number in &entry.late {
            self.late.insert(number);
        }
        self.batches.push_back(Batch {
            cursor_before: entry.cursor_before,
            cursor: entry.cursor,
            line: between_skipped(entry.cursor_before, entry.cursor, &entry.skipped),
            late: entry.late,
            called: entry.called,
            claim_until: entry.claim_until,
            pass_until: entry.pass_until + PASS_LEEWAY,
            claimed: entry.claimed,
            completed: 0,
            left: 0,
        });
    }

    /// How many are inside at `now`. O(releases within a pass' life).
    pub fn count(&mut self, now: MonoMs) -> u32 {
        let late = &mut self.late;
        self.batches.retain(|batch| {
            let is_live = now < batch.pass_until;
            if !is_live {
                batch.late.iter().for_each(|&number| late.remove(number));
            }
            is_live
        });
        let inside = self.batches.iter().map(|batch| {
            let may_have_claimed = batch.called - batch.left;
            batch
                .claimed
                .unwrap_or(batch.called)
                .min(may_have_claimed)
                .saturating_sub(batch.completed)
        });
        inside.sum()
    }

    /// Nobody knows any more who claimed: all who were called count as if they had, but for those
    /// releases whose claims are closed and counted, which stay so.
    pub fn marks_lost(&mut self) {
        for batch in &mut self.batches {
            batch.claimed.get_or_insert(batch.called);
        }
    }

    /// The place bought, or gave its pass back: that is spent. Repeats are the caller's to leave
    /// out.
    pub fn completed(&mut self, number: u64) {
        if let Some(batch) = self.owner(number) {
            batch.completed = (batch.completed + 1).min(batch.called);
        }
    }

    /// The place was given up unclaimed and can never be claimed. Repeats are the caller's to leave
    /// out.
    pub fn left(&mut self, number: u64) {
        if let Some(batch) = self.owner(number) {
            batch.left = (batch.left + 1).min(batch.called);
        }
    }

    /// The release that called the number: from the late lane, if it has passed there, whatever
    /// release passed it as gone before. O(log releases) for the line.
    fn owner(&mut self, number: u64) -> Option<&mut Batch> {
        if self.late.contains(number) {
            return self.batches.iter_mut().rev().find(|batch| batch.late.contains(&number));
        }
        let idx = self.batches.partition_point(|batch| batch.cursor < number);
        // Who was passed as gone there was called by another, which may have ended.
        let called = |batch: &&mut Batch| {
            let at = batch.line.partition_point(|&(_, last)| last < number);
            batch.line.get(at).is_some_and(|&(first, _)| first <= number)
        };
        self.batches.get_mut(idx).filter(called)
    }

    /// Releases whose claim window is over and whose claims have not been counted.
    pub fn uncounted(&self, now: MonoMs) -> Vec<Uncounted> {
        let is_over = |batch: &&Batch| batch.claimed.is_none() && batch.claim_until <= now;
        let uncounted = self.batches.iter().filter(is_over).map(|batch| Uncounted {
            cursor_before: batch.cursor_before,
            cursor: batch.cursor,
            line: batch.line.clone(),
            late: batch.late.clone(),
        });
        uncounted.collect()
    }

    /// Says how many of a release's people had claimed when it became impossible to claim.
    pub fn claimed(&mut self, cursor_before: u64, cursor: u64, late: &[u64], claimed: u32) {
        let found = self.batches.iter_mut().find(|batch| {
            batch.cursor_before == cursor_before && batch.cursor == cursor && batch.late == late
        });
        if let Some(batch) = found {
            batch.claimed = Some(claimed.min(batch.called).max(batch.completed));
        }
    }
}

/// The numbers in `(before, cursor]` that are not in `skipped`, first to last.
fn between_skipped(before: u64, cursor: u64, skipped: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut line = Vec::new();
    let mut from = before;
    for &(first, last) in skipped {
        assert!(from < first);
        assert!(last <= cursor);
        push_range(&mut line, from, first - 1);
        from = last;
    }
    push_range(&mut line, from, cursor);
    line
}

#[cfg(test)]
mod tests {
    use super::{Entry, Inside};
    use crate::mono::MonoMs;

    fn entry((cursor_before, cursor): (u64, u64), late: &[u64], pass_until: u64) -> Entry {
        Entry {
            cursor_before,
            cursor,
            skipped: Vec::new(),
            late: late.to_vec(),
            called: 10,
            claim_until: MonoMs(0),
            pass_until: MonoMs(pass_until),
            claimed: None,
        }
    }

    #[test]
    fn who_bought_makes_room_in_the_release_that_called_them_and_in_no_other() {
        let mut inside = Inside::default();
        inside.called(entry((0, 10), &[], 1_000_000));
        inside.called(entry((10, 10), &[3, 9], 2_000_000));
        inside.called(entry((20, 30), &[], 3_000_000));
        let bought = |inside: &Inside| -> Vec<u32> {
            inside.batches.iter().map(|batch| batch.completed).collect()
        };
        for number in [1, 10, 3, 11, 20, 21, 30, 31] {
            inside.completed(number);
        }
        assert_eq!(bought(&inside), [2, 1, 2], "3 was called late, and no release called 11 to 20");
        assert_eq!(inside.count(MonoMs(0)), 25);
        // Who is called late by the last of them is not looked for where the others were.
        assert_eq!(inside.count(MonoMs(2_500_000)), 8);
        assert!(!inside.late.contains(3), "who was called by a release that is over is not kept");
        inside.completed(9);
        inside.called(entry((30, 30), &[9], 3_000_000));
        inside.completed(9);
        assert_eq!(bought(&inside), [2, 1]);
    }

    #[test]
    fn who_is_over_makes_no_room_in_the_release_that_passed_them_as_gone() {
        let mut inside = Inside::default();
        inside.called(Entry { skipped: vec![(4, 5)], ..entry((0, 12), &[], 1_000_000) });
        for gone in [4, 5] {
            inside.completed(gone);
            inside.left(gone);
        }
        assert_eq!(inside.count(MonoMs(0)), 10, "a release that is over called them late");
        inside.completed(3);
        inside.completed(6);
        assert_eq!(inside.count(MonoMs(0)), 8);
    }
}
