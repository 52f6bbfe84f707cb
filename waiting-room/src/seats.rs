//! How many places an event has left, as the journal tells.

use schema::admission::SeatsBand;
use schema::{EventState, HoldId, LiveHold, Outcome, OutcomeBody, Phase};
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

    /// Takes what a replica tells in place of all outcomes before.
    pub(crate) fn take(&mut self, state: &EventState) {
        self.free = Some(state.free);
        let unpaid = |hold: &&LiveHold| {
            let ends = matches!(hold.phase, Phase::Held | Phase::Paying);
            ends && hold.held.deadline.is_some()
        };
        let held = state.holds.iter().filter(unpaid);
        self.held = held.map(|hold| (hold.held.hold, hold.held.place_count())).collect();
        self.held_sum = self.held.values().sum();
    }

    /// As if nothing was journaled.
    pub(crate) fn reset(&mut self) {
        *self = Self { total: self.total, ..Self::default() };
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

#[cfg(test)]
mod tests {
    use super::Seats;
    use schema::{
        AccountId, Currency, EventState, Held, HeldArea, HoldId, LiveHold, Outcome, OutcomeBody,
        OwnerKind, Phase, UnixMillis,
    };

    fn hold(id: u128, phase: Phase, quantity: u32) -> LiveHold {
        let owner = if phase == Phase::Blocked { OwnerKind::Allotment } else { OwnerKind::Fan };
        let area = HeldArea { area: schema::AreaIdx(0), quantity, price_level: 0, price: 1 };
        let held = Held {
            hold: HoldId(id),
            account: AccountId(7),
            owner,
            seats: Vec::new(),
            areas: vec![area],
            currency: Currency::EUR,
            deadline: (phase != Phase::Blocked).then_some(UnixMillis(9)),
            pass: None,
        };
        LiveHold { phase, attempt: 0, held }
    }

    #[test]
    fn a_state_counts_as_all_the_outcomes_that_led_to_it() {
        let mut seats = Seats::default();
        seats.list(20);
        let holds = vec![
            hold(1, Phase::Held, 2),
            hold(2, Phase::Paying, 3),
            hold(3, Phase::Sold, 5),
            hold(4, Phase::Blocked, 10),
        ];
        let event: schema::EventId = "EVT001".parse().unwrap();
        let state = EventState { event: event.clone(), version: 9, free: 0, holds, spent: vec![] };
        seats.take(&state);
        assert_eq!((seats.to_sell(), seats.held_sum), (Some(0), 5));
        for hold in [1, 2] {
            assert!(!seats.sold_out(), "a hold may come back");
            let body = OutcomeBody::SeatsSold { hold: HoldId(hold), pass: None };
            seats.apply(&Outcome { asked: None, event: event.clone(), free_after: 0, body });
        }
        assert!(seats.sold_out());
    }
}
