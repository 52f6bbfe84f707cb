//! What came of a run.

use super::Counts;
use crate::record::{Deed, Latency, Tally};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Played {
    pub tally: Tally,
    /// By the scenario's names.
    pub groups: BTreeMap<String, Group>,
    pub counts: Counts,
}

/// What people of one group heard.
#[derive(Debug, Default)]
pub struct Group {
    pub asked: u64,
    pub errors: u64,
    pub shed: u64,
    /// From the intended start, of what people were told; none of bots.
    pub latency: BTreeMap<Deed, Latency>,
}

impl Played {
    /// Adds another lane's, counts aside: those the board has.
    pub fn merge(&mut self, other: Self) {
        self.tally.merge(other.tally);
        for (name, group) in other.groups {
            self.groups.entry(name).or_default().merge(group);
        }
    }
}

impl Group {
    pub fn merge(&mut self, other: Self) {
        self.asked += other.asked;
        self.errors += other.errors;
        self.shed += other.shed;
        for (deed, latency) in other.latency {
            self.latency.entry(deed).or_default().merge(&latency);
        }
    }
}
