//! Who takes part: the store, those who give numbers, and a leader.

use super::{WORDS, uptime};
use crate::bits::Bits;
use crate::ledger::Ledger;
use crate::limits::GENERATION;
use crate::mono::MonoMs;
use crate::poll::POLLS;
use crate::room::Room;
use schema::admission::{AdmissionRecord, MachineClock};
use schema::{DurationMs, RoomSettings};
use std::collections::BTreeSet;

/// Chance, from a seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// A number below `count`.
    pub(super) fn below(&mut self, count: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ x >> 31) % count
    }

    pub(super) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// What Redis holds.
#[derive(Clone)]
pub(super) struct Store {
    /// The process and its history: one that was a replica in between is another one.
    pub(super) run: String,
    pub(super) epoch: u32,
    pub(super) last: u64,
    pub(super) mark: u64,
    pub(super) live: Bits,
    /// Who checked in lately; `current` since the given time.
    pub(super) seen: Bits,
    pub(super) current: Bits,
    pub(super) since: u64,
    pub(super) claimed: BTreeSet<u64>,
    /// Those that cannot be claimed any more.
    pub(super) closed: BTreeSet<u64>,
}

impl Store {
    pub(super) fn empty(run: String) -> Self {
        let none = Bits::zeroed(0, WORDS);
        let (live, seen, current) = (none.clone(), none.clone(), none);
        let (claimed, closed) = (BTreeSet::new(), BTreeSet::new());
        let (epoch, last, mark, since) = (0, 0, 0, 0);
        Self { run, epoch, last, mark, live, seen, current, since, claimed, closed }
    }

    /// Whether it is the one that the stream knows, and holds what that says.
    pub(super) fn is_blessed(&self, ledger: &Ledger) -> bool {
        0 < ledger.epoch && self.epoch == ledger.epoch && self.run == ledger.redis_run_id
    }

    pub(super) fn check_in(&mut self, number: u64, now: u64) {
        if self.since + GENERATION.0 <= now {
            // Two sets are read; the older one ends.
            (self.seen, self.since) = (self.current.clone(), now);
            self.current = Bits::zeroed(0, WORDS);
        }
        for set in [&mut self.live, &mut self.seen, &mut self.current] {
            set.set(number);
        }
    }
}

/// Gives out numbers as far as it has read the stream.
#[derive(Default)]
pub(super) struct Giver {
    pub(super) read: usize,
    pub(super) ledger: Ledger,
    pub(super) given_max: u64,
}

pub(super) struct Leader {
    pub(super) ledger: Ledger,
    pub(super) rules: Room,
    pub(super) doubt: Bits,
    pub(super) boot: u64,
    /// The wall clock of its machine, ahead of the true time by this less `SKEW_MS`.
    pub(super) skew: u64,
    pub(super) last_seen: Option<u64>,
    /// Everybody who gave numbers of this epoch lives.
    pub(super) is_whole: bool,
    pub(super) horizon: u64,
}

impl Giver {
    pub(super) fn read_on(&mut self, stream: &[AdmissionRecord], now: u64) {
        for record in &stream[self.read..] {
            self.ledger.apply(record.clone(), MonoMs(now));
        }
        self.read = stream.len();
    }
}

impl Leader {
    pub(super) fn recall_doubt(&mut self) {
        self.doubt = Bits::zeroed(0, WORDS);
        for number in self.ledger.doubts() {
            self.doubt.set(number);
        }
    }

    pub(super) fn clock(&self, now: u64) -> MachineClock {
        MachineClock { boot: self.boot, uptime: DurationMs(uptime(now, self.boot).0) }
    }

    pub(super) fn publish(&mut self, now: u64, given: u64, settings: &RoomSettings) {
        let (at, ceiling) = (uptime(now, self.boot), POLLS.ceiling);
        self.horizon = self.rules.publish_horizon(at, given, &self.doubt, settings, ceiling);
    }
}
