//! How far a run is: what its lanes have counted, for those who watch.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Sums of one lane, or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub people: u64,
    pub gone: u64,
    /// Due, and not yet asked for want of a free connection; at the end, never asked.
    pub overdue: u64,
    pub asked: u64,
    /// Answers that are neither a success, nor a told refusal, nor a request to wait.
    pub errors: u64,
    /// 429 and 503 that people heard, bots aside.
    pub shed: u64,
    /// People who were to join, and those of them who have been answered.
    pub to_join: u64,
    pub joined: u64,
    /// Places that were reserved, given back, and paid for.
    pub reserved: u64,
    pub released: u64,
    pub sold: u64,
    /// Looks at a public status that a cache answered.
    pub cached: u64,
    /// What bots got with forged tokens and others' passes.
    pub trespasses: u64,
    /// Of the last whole second; of the slowest lane.
    pub p99: Duration,
}

/// Where lanes write their counts.
#[derive(Debug)]
pub struct Board(Mutex<Vec<Counts>>);

impl Counts {
    fn add(self, other: Self) -> Self {
        Self {
            people: self.people + other.people,
            gone: self.gone + other.gone,
            overdue: self.overdue + other.overdue,
            asked: self.asked + other.asked,
            errors: self.errors + other.errors,
            shed: self.shed + other.shed,
            to_join: self.to_join + other.to_join,
            joined: self.joined + other.joined,
            reserved: self.reserved + other.reserved,
            released: self.released + other.released,
            sold: self.sold + other.sold,
            cached: self.cached + other.cached,
            trespasses: self.trespasses + other.trespasses,
            p99: self.p99.max(other.p99),
        }
    }
}

impl Board {
    pub fn new(lanes: usize) -> Self {
        Self(Mutex::new(vec![Counts::default(); lanes]))
    }

    pub fn write(&self, lane: usize, counts: Counts) {
        self.lock()[lane] = counts;
    }

    pub fn total(&self) -> Counts {
        self.lock().iter().copied().fold(Counts::default(), Counts::add)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
