//! How many places an event has left, as the journal tells.

use schema::admission::SeatsBand;
use schema::{
    EventState, Held, HoldId, LiveHold, Outcome, OutcomeBody, OwnerKind, PassPlace, Phase, Released,
};
use std::collections::HashMap;
use waiting_room_core::{Basket, Baskets, Returns};

/// Places of one event that may still be bought.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    total: u32,
    free: Option<u32>,
    /// Holds that end by themselves or by a sale.
    held: HashMap<HoldId, Kept>,
    held_sum: u32,
    /// How many of them people have who came by a pass.
    with_pass: u32,
    /// What people with a pass took, for a room that adapts.
    basket: Basket,
    /// What fans have taken at a time.
    baskets: Baskets,
}

/// What matters here of a live hold.
#[derive(Debug, Clone, Copy)]
struct Kept {
    places: u32,
    pass: Option<PassPlace>,
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
        let all = state.holds.iter();
        let fans = all.clone().filter(|hold| hold.held.owner == OwnerKind::Fan);
        (self.basket, self.baskets) = (Basket::default(), Baskets::default());
        fans.for_each(|hold| self.count(&hold.held));
        (self.held, self.held_sum, self.with_pass) = (HashMap::new(), 0, 0);
        for hold in all.filter(unpaid) {
            self.keep(&hold.held);
        }
    }

    /// As if nothing was journaled.
    pub(crate) fn reset(&mut self) {
        *self = Self { total: self.total, ..Self::default() };
    }

    /// Takes in what was decided; returns the place whose pass is spent by it.
    ///
    /// A refund spends the pass too: its verdict may come before that of the sale, which then
    /// changes nothing any more.
    pub(crate) fn apply(&mut self, outcome: &Outcome) -> Option<PassPlace> {
        self.free = Some(outcome.free_after);
        if let OutcomeBody::SeatsHeld(held) = &outcome.body
            && held.owner == OwnerKind::Fan
        {
            self.count(held);
        }
        match &outcome.body {
            OutcomeBody::SeatsHeld(held) | OutcomeBody::SeatsSwapped(held)
                if held.deadline.is_some() =>
            {
                self.keep(held);
                None
            }
            OutcomeBody::Reseated(payment) | OutcomeBody::AllottedSold { payment, .. } => {
                self.keep(&payment.held);
                None
            }
            OutcomeBody::SeatsSold { hold, pass } => {
                self.end(*hold);
                *pass
            }
            OutcomeBody::HoldReleased { hold, why } => {
                let pass = self.end(*hold);
                pass.filter(|_| *why == Released::Refunded)
            }
            _ => None,
        }
    }

    /// A fan has taken places. Whoever gives them up and takes others counts again: the means are
    /// of what is asked for.
    fn count(&mut self, held: &Held) {
        self.baskets.note(held.place_count());
        if held.pass.is_some() {
            self.basket.took(held.place_count());
        }
    }

    fn keep(&mut self, held: &Held) {
        self.end(held.hold);
        let kept = Kept { places: held.place_count(), pass: held.pass };
        self.held_sum += kept.places;
        self.with_pass += u32::from(kept.pass.is_some());
        self.held.insert(held.hold, kept);
    }

    /// Returns the pass with which the hold was taken, if it is kept and was.
    fn end(&mut self, hold: HoldId) -> Option<PassPlace> {
        let kept = self.held.remove(&hold)?;
        self.held_sum -= kept.places;
        self.with_pass -= u32::from(kept.pass.is_some());
        kept.pass
    }

    /// Free places. An event of which nothing is journaled has all of them.
    fn free(&self) -> u32 {
        self.free.unwrap_or(self.total)
    }

    /// Places that can be sold now; `None` for an event without places, whose room only paces.
    pub(crate) fn to_sell(&self) -> Option<u32> {
        (0 < self.total).then(|| self.free())
    }

    /// How many more people there are places for when so many are `inside`, whose places may be
    /// free or held; `None` for an event without places.
    pub(crate) fn people(&self, inside: u32) -> Option<u32> {
        let open = self.to_sell()?.saturating_add(self.held_sum);
        Some(self.basket.people(open, inside))
    }

    /// What those who wait for returns depend on.
    pub(crate) fn returns(&self) -> Returns {
        Returns { holding: self.with_pass, baskets: self.baskets }
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
        OwnerKind, PassPlace, Phase, Released, UnixMillis,
    };

    fn outcome(free_after: u32, body: OutcomeBody) -> Outcome {
        Outcome { asked: None, event: "EVT001".parse().unwrap(), free_after, body }
    }

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
        let state = EventState { event, version: 9, free: 0, holds, spent: vec![] };
        seats.take(&state);
        assert_eq!((seats.to_sell(), seats.held_sum), (Some(0), 5));
        for hold in [1, 2] {
            assert!(!seats.sold_out(), "a hold may come back");
            let body = OutcomeBody::SeatsSold { hold: HoldId(hold), pass: None };
            seats.apply(&outcome(0, body));
        }
        assert!(seats.sold_out());
    }

    #[test]
    fn there_are_places_for_as_many_as_are_not_inside_by_what_people_with_a_pass_take() {
        let mut seats = Seats::default();
        assert_eq!(seats.people(0), None, "no places, no limit");
        seats.list(1_000);
        assert_eq!(seats.people(0), Some(400), "2.5 a person are assumed");
        let mut free_after = 1_000;
        for id in 1..=60 {
            let mut held = hold(id, Phase::Held, 5).held;
            held.pass = Some(PassPlace { epoch: 1, number: 7 });
            free_after -= 5;
            seats.apply(&outcome(free_after, OutcomeBody::SeatsHeld(held)));
        }
        // 1,000 are free or held, 100 people took 400: 250 people, of whom 60 hold theirs.
        assert_eq!((seats.to_sell(), seats.people(60)), (Some(700), Some(190)));
        let body = OutcomeBody::SeatsHeld(hold(99, Phase::Held, 100).held);
        seats.apply(&outcome(600, body));
        assert_eq!(seats.people(60), Some(190), "who has no pass says nothing of those who have");
    }

    #[test]
    fn places_of_late_money_are_held_until_they_are_sold_and_say_nothing_of_baskets() {
        let mut seats = Seats::default();
        seats.list(1_000);
        let before = seats.people(0);
        let payment = schema::Payment {
            held: hold(1, Phase::Held, 5).held,
            attempt: 1,
            method: schema::LATE_MONEY.into(),
            token: "r-1".into(),
            payment_deadline: schema::UnixMillis(9),
            trace: None,
        };
        seats.apply(&outcome(995, OutcomeBody::Reseated(payment)));
        assert_eq!((seats.to_sell(), seats.people(0)), (Some(995), before), "free or held");
        let sold = OutcomeBody::SeatsSold { hold: HoldId(1), pass: None };
        assert_eq!(seats.apply(&outcome(995, sold)), None);
        assert_eq!(seats.people(0), Some(398));
    }

    #[test]
    fn what_a_partner_sells_was_not_to_be_had_and_says_nothing_of_baskets() {
        let mut seats = Seats::default();
        seats.list(1_000);
        seats.apply(&outcome(995, OutcomeBody::SeatsHeld(hold(1, Phase::Blocked, 5).held)));
        let before = (seats.to_sell(), seats.people(0));
        let owner = OwnerKind::PartnerSale;
        let payment = schema::Payment {
            held: Held { owner, ..hold(2, Phase::Held, 5).held },
            attempt: 1,
            method: schema::PARTNER_SALE.into(),
            token: "".into(),
            payment_deadline: schema::UnixMillis(9),
            trace: None,
        };
        let sale = OutcomeBody::AllottedSold { parts: vec![], payment };
        assert_eq!(seats.apply(&outcome(995, sale)), None);
        assert!(!seats.sold_out());
        let sold = OutcomeBody::SeatsSold { hold: HoldId(2), pass: None };
        seats.apply(&outcome(995, sold));
        assert_eq!((seats.to_sell(), seats.people(0)), before);
    }

    #[test]
    fn a_refund_that_overtakes_its_sale_spends_the_pass_and_no_other_end_does() {
        let place = PassPlace { epoch: 1, number: 7 };
        let held = || Held { pass: Some(place), ..hold(1, Phase::Held, 2).held };
        let ended = |why| OutcomeBody::HoldReleased { hold: HoldId(1), why };
        let sold = || OutcomeBody::SeatsSold { hold: HoldId(1), pass: Some(place) };
        let spent = |bodies: Vec<OutcomeBody>| -> Vec<PassPlace> {
            let mut seats = Seats::default();
            bodies.into_iter().filter_map(|body| seats.apply(&outcome(5, body))).collect()
        };
        let begun = || OutcomeBody::SeatsHeld(held());
        assert_eq!(spent(vec![begun(), sold()]), [place]);
        assert_eq!(spent(vec![begun(), ended(Released::Refunded)]), [place]);
        assert_eq!(spent(vec![begun(), sold(), ended(Released::Refunded)]), [place], "once");
        for why in [Released::ByOwner, Released::Expired, Released::PaymentCancelled] {
            assert_eq!(spent(vec![begun(), ended(why)]), [], "{why:?}");
        }
        let paying = LiveHold { phase: Phase::Paying, attempt: 1, held: held() };
        let event = "EVT001".parse().unwrap();
        let state = EventState { event, version: 9, free: 0, holds: vec![paying], spent: vec![] };
        let mut seats = Seats::default();
        seats.take(&state);
        let refunded = outcome(2, ended(Released::Refunded));
        assert_eq!(seats.apply(&refunded), Some(place), "a state tells of its pass");
    }
}
