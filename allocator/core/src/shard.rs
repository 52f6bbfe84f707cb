//! The state of one shard and the four ways to change it.

use crate::{Limits, SeatWord};
use schema::{
    AreaIdx, Command, EventId, EventListing, Held, HoldId, Outcome, PlaceCounts, PlanIndex,
    SeatIdx, ShardId, UnixMillis,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What the owner says to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Decided now: to be journaled, then answered.
    Fresh(Outcome),
    /// Decided before: the same outcome again, not to be journaled again.
    Known(Outcome),
    /// The id is known with another fingerprint. Not remembered.
    Mismatch,
    /// Never seen and past its deadline: not carried out and not remembered.
    TooLate,
    /// The event is not in the catalogue (yet). Not remembered.
    NotYet,
}

/// Where a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HoldPhase {
    Held,
    Paying,
    Sold,
    /// An allotment or a kill.
    Blocked,
}

/// A hold as auditors see it.
#[derive(Debug, Clone, Copy)]
pub struct HoldView<'a> {
    pub event: &'a EventId,
    pub slot: u32,
    pub held: &'a Held,
    pub phase: HoldPhase,
    /// The last payment attempt, 0 before the first.
    pub attempt: u32,
}

/// Why the shard does not take an event. The caller keeps what it had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    #[error("list event {event} beside {events_max} others")]
    TooMany { event: EventId, events_max: u32 },
    #[error("change the plan of event {event}, of which places have been asked for")]
    PlanFixed { event: EventId },
    #[error("list event {event} without a price for level {level} of its plan")]
    PriceMissing { event: EventId, level: u8 },
}

/// What [`Shard::restore`] needs. Equal states give equal snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub shard: ShardId,
}

/// The decision state of one shard.
#[derive(Debug)]
pub struct Shard {}

#[expect(unused_variables, reason = "signatures first")]
impl Shard {
    pub fn new(shard: ShardId, limits: Limits) -> Self {
        todo!()
    }
    pub fn restore(limits: Limits, snapshot: Snapshot) -> Self {
        todo!()
    }
    pub fn put_event(
        &mut self,
        listing: Arc<EventListing>,
        plan: Arc<PlanIndex>,
    ) -> Result<(), CatalogueError> {
        todo!()
    }
    /// Whether the event is in the catalogue: [`Shard::apply`] needs it.
    pub fn is_listed(&self, event: &EventId) -> bool {
        todo!()
    }
    /// `now` is the time of the batch that the outcome will be journaled in: one `now` a batch.
    pub fn decide(&mut self, now: UnixMillis, command: &Command) -> Decision {
        todo!()
    }
    pub fn tick(&mut self, now: UnixMillis, outcomes_max: usize) -> Vec<Outcome> {
        todo!()
    }
    pub fn next_due(&self) -> Option<UnixMillis> {
        todo!()
    }
    /// `time` is the batch's time.
    pub fn apply(&mut self, time: UnixMillis, outcome: &Outcome) {
        todo!()
    }
    pub fn snapshot(&self) -> Snapshot {
        todo!()
    }
    pub fn digest(&self) -> u64 {
        todo!()
    }
    pub fn counts(&self, event: &EventId) -> Option<PlaceCounts> {
        todo!()
    }
    pub fn holds(&self) -> impl Iterator<Item = HoldView<'_>> {
        std::iter::empty()
    }
    pub fn hold(&self, hold: HoldId) -> Option<HoldView<'_>> {
        todo!()
    }
    pub fn seat(&self, event: &EventId, seat: SeatIdx) -> Option<SeatWord> {
        todo!()
    }
    pub fn area_free(&self, event: &EventId, area: AreaIdx) -> Option<u32> {
        todo!()
    }
}
