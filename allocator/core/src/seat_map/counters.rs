//! How often a map's seats became free, and how often its claims met.

use crate::sync::{AtomicU64, Ordering};
use std::sync::atomic::AtomicU64 as Tally;

/// How often claims of a map met others since the map was made. All are 0 with one claimant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Contention {
    /// Other claims that were carried on because they had got further.
    pub helped: u64,
    /// Claims, and choices of seats, that were tried again because seats changed meanwhile.
    pub retried: u64,
    /// Looks in vain for a place among the claims under way.
    pub waited: u64,
}

impl Contention {
    /// Adds what has come between two readings of one map.
    pub(crate) fn add_between(&mut self, before: Self, after: Self) {
        self.helped += after.helped - before.helped;
        self.retried += after.retried - before.retried;
        self.waited += after.waited - before.waited;
    }
}

/// Aligned: what changes all the time shares no line of the cache with what never changes.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Counters {
    freed: AtomicU64,
    // The standard library's also in loom's models: nothing depends on them.
    helped: Tally,
    retried: Tally,
    waited: Tally,
}

impl Counters {
    /// Goes between the bit of a seat that becomes free and its word.
    pub fn count_freed(&self) {
        // Release: pairs with the Acquire in `freed`; who has this count sees the seat's bit.
        self.freed.fetch_add(1, Ordering::Release);
    }

    pub fn freed(&self) -> u64 {
        // Acquire: pairs with the Release in `count_freed`.
        self.freed.load(Ordering::Acquire)
    }

    pub fn count_helped(&self) {
        add_one(&self.helped);
    }

    pub fn count_retried(&self) {
        add_one(&self.retried);
    }

    pub fn count_waited(&self) {
        add_one(&self.waited);
    }

    pub fn contention(&self) -> Contention {
        // Relaxed: counters to measure by; nothing is ordered by them.
        let read = |tally: &Tally| tally.load(Ordering::Relaxed);
        Contention {
            helped: read(&self.helped),
            retried: read(&self.retried),
            waited: read(&self.waited),
        }
    }
}

fn add_one(tally: &Tally) {
    // Relaxed: as in `contention`.
    tally.fetch_add(1, Ordering::Relaxed);
}
