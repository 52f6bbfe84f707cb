//! The cohorts of a room: the places of its pre-queues by the hashes of their tokens, as its stream
//! has them.

use crate::away::away;
use chassis::keys::sha256;
use schema::admission::AdmissionRecord;
use schema::cohort::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OnceCell;
use waiting_room_core::{Cohort, Tree};

/// Every cohort of the room: 32 bytes a place for the life of the process.
#[derive(Debug, Default)]
pub(crate) struct Cohorts {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Of the pre-queue that gathers.
    open: Option<Cohort>,
    closed: Vec<Arc<Closed>>,
}

/// A cohort that is final.
#[derive(Debug)]
pub(crate) struct Closed {
    pub cohort: Arc<Cohort>,
    /// Built when it is first asked for: 64 bytes a place besides.
    tree: OnceCell<Arc<Tree>>,
}

/// Whether a place is in its cohort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entered {
    Yes,
    NotYet,
    /// The cohort was closed without it.
    Never,
}

impl Cohorts {
    /// Takes in the next record of the stream.
    pub(crate) fn follow(&self, record: &AdmissionRecord) {
        let mut known = self.lock();
        match *record {
            AdmissionRecord::Committed { base, .. } => known.open = Some(Cohort::new(base)),
            AdmissionRecord::CohortClosed { base, last } => {
                let mut cohort = known.open.take().expect("a cohort begins with its commitment");
                assert!(cohort.base() == base);
                cohort.close(last);
                let (cohort, tree) = (Arc::new(cohort), OnceCell::new());
                known.closed.push(Arc::new(Closed { cohort, tree }));
            }
            _ => {}
        }
    }

    /// Takes in entries as the stream has them next: they count if their cohort is open. Nobody has
    /// a number above `mark`.
    pub(crate) fn enter(&self, entries: &[Entry], mark: u64) {
        let mut known = self.lock();
        let Some(open) = &mut known.open else { return };
        for &(number, token_hash) in entries.iter().filter(|&&(number, _)| number <= mark) {
            open.enter(number, token_hash);
        }
    }

    pub(crate) fn entered(&self, number: u64, token_hash: &[u8; 32]) -> Entered {
        let known = self.lock();
        if known.open.as_ref().is_some_and(|open| open.holds(number, token_hash)) {
            return Entered::Yes;
        }
        match known.closed.iter().find(|closed| closed.covers(number)) {
            None => Entered::NotYet,
            Some(closed) if closed.cohort.holds(number, token_hash) => Entered::Yes,
            Some(_) => Entered::Never,
        }
    }

    /// How many places of the pre-queue that gathers are entered.
    pub(crate) fn entered_count(&self) -> u64 {
        self.lock().open.as_ref().map_or(0, Cohort::entered)
    }

    /// The newest closed cohort of the places above `base`: one before it that begins there too is
    /// empty.
    pub(crate) fn closed(&self, base: u64) -> Option<Arc<Closed>> {
        self.lock().closed.iter().rev().find(|closed| closed.cohort.base() == base).cloned()
    }

    /// The closed cohort of the places in `(base, last]`.
    pub(crate) fn of(&self, base: u64, last: u64) -> Option<Arc<Closed>> {
        let is_it = |closed: &&Arc<Closed>| {
            let count = closed.cohort.hashes().len() as u64;
            closed.cohort.base() == base && base + count == last
        };
        self.lock().closed.iter().find(is_it).cloned()
    }

    // Nothing panics while it is held but what ends the process.
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Closed {
    pub(crate) async fn tree(&self) -> Arc<Tree> {
        let cohort = Arc::clone(&self.cohort);
        let build =
            || async move { Arc::new(away("room-tree", move || cohort.tree(sha256)).await) };
        Arc::clone(self.tree.get_or_init(build).await)
    }

    fn covers(&self, number: u64) -> bool {
        let (base, count) = (self.cohort.base(), self.cohort.hashes().len() as u64);
        base < number && number <= base + count
    }
}

#[cfg(test)]
mod tests {
    use super::{AdmissionRecord, Arc, Closed, Cohorts, Entered};

    fn committed(base: u64) -> AdmissionRecord {
        let (nonce, commitment) = ([1; 32], [2; 32]);
        let (needs_beacon, witnesses) = (false, Vec::new());
        AdmissionRecord::Committed { base, nonce, commitment, needs_beacon, witnesses }
    }

    #[test]
    fn a_cohort_that_begins_where_an_empty_one_ended_is_told_from_it() {
        let cohorts = Cohorts::default();
        for last in [100, 101] {
            cohorts.follow(&committed(100));
            cohorts.enter(&[(101, [1; 32])][..usize::from(last == 101)], 1_000);
            cohorts.follow(&AdmissionRecord::CohortClosed { base: 100, last });
        }
        let entered = |closed: Option<Arc<Closed>>| closed.unwrap().cohort.entered();
        assert_eq!(entered(cohorts.closed(100)), 1, "the newest is the one that is drawn next");
        assert_eq!((entered(cohorts.of(100, 100)), entered(cohorts.of(100, 101))), (0, 1));
        assert!(cohorts.of(100, 102).is_none());
    }

    #[test]
    fn an_entry_counts_while_its_cohort_is_open_and_never_later() {
        let cohorts = Cohorts::default();
        cohorts.enter(&[(101, [1; 32])], 1_000);
        cohorts.follow(&committed(100));
        assert_eq!(cohorts.entered(101, &[1; 32]), Entered::NotYet);
        cohorts.enter(&[(101, [1; 32]), (103, [3; 32]), (1_001, [4; 32])], 1_000);
        assert_eq!(cohorts.entered(101, &[1; 32]), Entered::Yes);
        assert_eq!(cohorts.entered(101, &[9; 32]), Entered::NotYet);
        assert_eq!(cohorts.entered_count(), 2, "nobody has a number above the mark");
        assert!(cohorts.closed(100).is_none());
        cohorts.follow(&AdmissionRecord::CohortClosed { base: 100, last: 103 });
        cohorts.enter(&[(102, [2; 32])], 1_000);
        assert_eq!(cohorts.entered(102, &[2; 32]), Entered::Never);
        assert_eq!(cohorts.entered(103, &[3; 32]), Entered::Yes);
        assert_eq!(cohorts.entered(104, &[3; 32]), Entered::NotYet, "of no cohort yet");
        cohorts.follow(&committed(200));
        cohorts.enter(&[(201, [5; 32]), (102, [2; 32])], 1_000);
        assert_eq!(cohorts.entered(201, &[5; 32]), Entered::Yes);
        assert_eq!(cohorts.entered(102, &[2; 32]), Entered::Never);
        assert_eq!(cohorts.entered(101, &[1; 32]), Entered::Yes, "for as long as there are tokens");
    }
}
