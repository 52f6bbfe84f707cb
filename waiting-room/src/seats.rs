//! How many places an event has left, as the journal tells.

use schema::admission::SeatsBand;
use schema::{HoldId, Outcome, OutcomeBody};
use std::collections::HashMap;

/// Places of one event that may still be bought.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    total: u32,
    free: Option<u32>,
    /// Places in holds that end by themselves or by a sale.
    held: HashMap<HoldId, u32>,
    held_sum: u32,
}

impl Seats {
    pub(crate) fn list(&mut self, total: u32) {
        self.total = total;
    }

    pub(crate) fn apply(&mut self, outcome: &Outcome) {
        self.free = Some(outcome.free_after);
        match &outcome.body {
            OutcomeBody::SeatsHeld(held) | OutcomeBody::SeatsSwapped(held)
                if held.deadline.is_some() =>
            {
                self.held_sum += held.place_count();
                self.held_sum -= self.held.insert(held.hold, held.place_count()).unwrap_or(0);
            }
            OutcomeBody::SeatsSold { hold, .. } | OutcomeBody::HoldReleased { hold, .. } => {
                self.held_sum -= self.held.remove(hold).unwrap_or(0);
            }
            _ => {}
        }
    }

    /// Free places. An event of which nothing is journaled has all of them.
    fn free(&self) -> u32 {
        self.free.unwrap_or(self.total)
    }

    /// Places that can be sold now; `None` for an event without places, whose room only paces.
    pub(crate) fn to_sell(&self) -> Option<u32> {
        (0 < self.total).then(|| self.free())
    }

    pub(crate) fn band(&self) -> SeatsBand {
        self.to_sell().map_or(SeatsBand::Unknown, |free| SeatsBand::of(free, self.total))
    }

    /// Nothing is free, and nothing can become free without a refund.
    pub(crate) fn sold_out(&self) -> bool {
        0 < self.total && self.free() == 0 && self.held_sum == 0
    }
}
