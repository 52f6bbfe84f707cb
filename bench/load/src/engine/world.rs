//! What a run knows of the system that it plays at.

use crate::fan::Plan;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

#[derive(Debug, Default)]
pub struct World {
    pub accounts: Vec<Account>,
    pub venues: Vec<Venue>,
    /// The venues of each of the scenario's events.
    pub named: BTreeMap<String, Range<u32>>,
    /// `Bearer TOKEN` of the operator and of the partner; empty without one.
    pub operator: Box<str>,
    pub partner: Box<str>,
}

#[derive(Debug, Clone)]
pub struct Account {
    /// `Bearer TOKEN`.
    pub authorization: Box<str>,
}

#[derive(Debug, Clone)]
pub struct Venue {
    pub event: Box<str>,
    pub plan: Arc<Plan>,
    pub has_room: bool,
}

impl World {
    pub fn venue(&self, idx: u32) -> &Venue {
        &self.venues[usize::try_from(idx).expect("usize has 32 bits or more")]
    }

    pub fn account(&self, idx: u32) -> Option<&Account> {
        self.accounts.get(usize::try_from(idx).expect("usize has 32 bits or more"))
    }
}
