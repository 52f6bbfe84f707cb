//! What outcomes do to the state: the same on the owner, who has just decided them, and on every
//! follower.

use crate::Shard;
use crate::ended::Ended;
use crate::holds::{Hold, HoldPhase, PaymentTerms};
use schema::limits::PAYMENT_REMINDER;
use schema::{
    DurationMs, Held, HoldId, OutcomeBody, Payment, Released, ReturnedPart, SeatIdx, UnixMillis,
};
use std::num::NonZeroU32;

impl Shard {
    /// Carries out an outcome. The seats that a hold gets by it are claimed already, but for those
    /// that an allotment has to give back first.
    pub(crate) fn take_effect(&mut self, time: UnixMillis, event: usize, body: &OutcomeBody) {
        match body {
            OutcomeBody::SeatsHeld(held) => self.begin_hold(event, held),
            OutcomeBody::Reseated(payment) => {
                self.begin_hold(event, &payment.held);
                self.start_payment(time, event, payment);
            }
            OutcomeBody::HoldReleased { hold, why } => self.end_hold(time, event, *hold, *why),
            OutcomeBody::PaymentStarted(payment) => self.start_payment(time, event, payment),
            OutcomeBody::PaymentAwaited(payment) => self.postpone_reminder(time, payment),
            OutcomeBody::PaymentDeclined { hold, attempt, deadline } => {
                self.decline_payment(event, *hold, *attempt, *deadline);
            }
            OutcomeBody::SeatsSold { hold, pass } => {
                let slot = self.advance(event, *hold, HoldPhase::Sold, None);
                let hold = &mut self.holds.get_mut(slot).hold;
                assert!(hold.held.pass == *pass);
                hold.terms = None;
            }
            OutcomeBody::AllotmentReduced { parts } => self.reduce_allotments(time, event, parts),
            OutcomeBody::AllottedSold { parts, payment } => {
                self.reduce_allotments(time, event, parts);
                self.claim(event, &payment.held);
                self.begin_hold(event, &payment.held);
                self.start_payment(time, event, payment);
            }
            OutcomeBody::SaleReduced { part, places } => self.reduce_sale(event, *part, places),
            OutcomeBody::HoldExtended { hold, deadline } => {
                self.extend_hold(event, *hold, *deadline);
            }
            OutcomeBody::SeatsSwapped(held) => self.swap_places(event, held),
            OutcomeBody::DeadlinesMoved { by } => self.move_event_deadlines(event, *by),
            OutcomeBody::Refused(_)
            | OutcomeBody::Unchanged { .. }
            | OutcomeBody::SeatsUnchanged => {}
        }
    }

    /// Claims the seats that a journaled outcome adds to a hold: the owner had claimed them when it
    /// decided.
    pub(crate) fn claim_again(&mut self, event: usize, body: &OutcomeBody) {
        let (held, slot, before) = match body {
            OutcomeBody::SeatsHeld(held) => (held, self.holds.next_slot(), None),
            OutcomeBody::Reseated(payment) => (&payment.held, self.holds.next_slot(), None),
            OutcomeBody::SeatsSwapped(held) => {
                let slot = self.slot_of(event, held.hold);
                (held, slot, Some(&self.holds.get(slot).hold.held))
            }
            _ => return,
        };
        assert!(held.hold.shard() == self.id);
        let added = held.seats.iter().map(|seat| seat.seat);
        let is_new = |seat: &SeatIdx| before.is_none_or(|before| !before.has_seat(*seat));
        let added: Vec<SeatIdx> = added.filter(is_new).collect();
        if added.is_empty() {
            return;
        }
        let state = HoldPhase::first_of(held.owner).seat_state();
        let claimed = self.catalogue.events[event].sale().map.claim(&added, state, slot);
        assert!(claimed.is_ok(), "the journal gives away seats of others: {claimed:?}");
    }

    /// Claims all seats of a hold that is about to begin. They are free, because nobody else
    /// decides between the rule that has seen them and its effect.
    fn claim(&mut self, event: usize, held: &Held) {
        let seats: Vec<SeatIdx> = held.seats.iter().map(|seat| seat.seat).collect();
        if seats.is_empty() {
            return;
        }
        let (state, slot) = (HoldPhase::first_of(held.owner).seat_state(), self.holds.next_slot());
        let claimed = self.catalogue.events[event].sale().map.claim(&seats, state, slot);
        assert!(claimed.is_ok(), "the journal sells seats of others: {claimed:?}");
    }

    // Free => Held | Blocked.
    fn begin_hold(&mut self, event: usize, held: &Held) {
        let fresh = Hold {
            held: held.clone(),
            phase: HoldPhase::first_of(held.owner),
            changes: 0,
            attempt: 0,
            due: held.deadline,
            terms: None,
            parts: 0,
            attempt_swapped: None,
        };
        let slot = self.holds.insert(event, fresh);
        self.deadlines.change(slot, held.hold, None, held.deadline);
        let sale = self.catalogue.events[event].sale();
        let passes = sale.passes.len();
        sale.begin(slot, held);
        self.pass_count += u32::from(passes < sale.passes.len());
    }

    // Held | Paying | Sold | Blocked => ended.
    fn end_hold(&mut self, time: UnixMillis, event: usize, id: HoldId, why: Released) {
        let slot = self.slot_of(event, id);
        let entry = self.holds.get(slot);
        self.deadlines.change(slot, id, entry.hold.due, None);
        let sale = self.catalogue.events[event].sale();
        if why == Released::Refunded {
            sale.spend_pass(&entry.hold.held);
        }
        sale.end(slot, &entry.hold);
        let held = self.holds.remove(slot).held;
        let event = self.catalogue.events[event].id.clone();
        self.ended.push(Ended { hold: id, event, account: held.account, why, at: time });
    }

    // Held => Paying.
    fn start_payment(&mut self, time: UnixMillis, event: usize, payment: &Payment) {
        let due = Some(time + PAYMENT_REMINDER);
        let slot = self.advance(event, payment.held.hold, HoldPhase::Paying, due);
        let hold = &mut self.holds.get_mut(slot).hold;
        assert!(hold.held == payment.held, "a payment of another hold than {:?}", hold.held);
        hold.attempt += 1;
        assert!(hold.attempt == payment.attempt);
        let (method, token) = (payment.method.clone(), payment.token.clone());
        let deadline = payment.payment_deadline;
        hold.terms = Some(Box::new(PaymentTerms { method, token, deadline }));
    }

    // Paying => Paying.
    fn postpone_reminder(&mut self, time: UnixMillis, payment: &Payment) {
        let slot = self.holds.slot(payment.held.hold).expect("a payment is awaited of a live hold");
        let hold = &mut self.holds.get_mut(slot).hold;
        assert!(hold.phase == HoldPhase::Paying);
        let due = Some(time + PAYMENT_REMINDER);
        self.deadlines.change(slot, hold.held.hold, hold.due, due);
        hold.due = due;
    }

    // Paying => Held.
    fn decline_payment(&mut self, event: usize, id: HoldId, attempt: u32, deadline: UnixMillis) {
        let slot = self.advance(event, id, HoldPhase::Held, Some(deadline));
        let hold = &mut self.holds.get_mut(slot).hold;
        assert!(hold.attempt == attempt);
        hold.held.deadline = Some(deadline);
        hold.terms = None;
    }

    /// Moves a live hold with all its places to another phase; returns its slot.
    fn advance(&mut self, event: usize, id: HoldId, to: HoldPhase, due: Option<UnixMillis>) -> u32 {
        let slot = self.slot_of(event, id);
        let hold = &mut self.holds.get_mut(slot).hold;
        assert!(hold.phase != to, "{id} is {to:?} already");
        self.catalogue.events[event].sale().advance(slot, hold, to);
        self.deadlines.change(slot, hold.held.hold, hold.due, due);
        hold.phase = to;
        hold.changes += 1;
        hold.due = due;
        slot
    }

    // Held => Held.
    fn extend_hold(&mut self, event: usize, id: HoldId, deadline: UnixMillis) {
        let slot = self.slot_of(event, id);
        let hold = &mut self.holds.get_mut(slot).hold;
        assert!(hold.phase == HoldPhase::Held);
        let due = Some(deadline);
        self.deadlines.change(slot, hold.held.hold, hold.due, due);
        (hold.due, hold.held.deadline) = (due, due);
    }

    // Held => Held with other places.
    fn swap_places(&mut self, event: usize, to: &Held) {
        let slot = self.slot_of(event, to.hold);
        let hold = &mut self.holds.get_mut(slot).hold;
        assert!(hold.phase == HoldPhase::Held);
        assert!(hold.held.account == to.account);
        assert!(hold.held.deadline == to.deadline);
        assert!(hold.held.pass == to.pass);
        self.catalogue.events[event].sale().swap(slot, hold, to);
        hold.held = to.clone();
        // The generations of `to` are those of now, also of the seats that stay.
        hold.changes = 0;
        hold.attempt_swapped = NonZeroU32::new(hold.attempt);
    }

    // Held => Held. A payment keeps its deadline: settlement has it.
    fn move_event_deadlines(&mut self, event: usize, by: DurationMs) {
        let moved: Vec<u32> = self.slots_with_deadline(event).collect();
        for slot in moved {
            let hold = &mut self.holds.get_mut(slot).hold;
            let due = hold.due.map(|due| due + by);
            self.deadlines.change(slot, hold.held.hold, hold.due, due);
            (hold.due, hold.held.deadline) = (due, due);
        }
    }

    /// The unpaid holds of an event that end by a deadline.
    pub(crate) fn slots_with_deadline(&self, event: usize) -> impl Iterator<Item = u32> {
        let unpaid = |hold: &Hold| hold.phase == HoldPhase::Held && hold.due.is_some();
        self.holds.of_event(event).filter(move |(_, hold)| unpaid(hold)).map(|(slot, _)| slot)
    }

    // Blocked => Blocked with fewer places | ended.
    fn reduce_allotments(&mut self, time: UnixMillis, event: usize, parts: &[ReturnedPart]) {
        for part in parts {
            let hold = self.give_back(event, part);
            assert!(hold.phase == HoldPhase::Blocked);
            if hold.held.place_count() == 0 {
                self.end_hold(time, event, part.hold, Released::ByOwner);
            }
        }
    }

    // Sold => Sold with fewer places.
    fn reduce_sale(&mut self, event: usize, part: u32, places: &ReturnedPart) {
        let hold = self.give_back(event, places);
        assert!(hold.phase == HoldPhase::Sold);
        assert!(hold.parts + 1 == part, "part {part} of {} comes out of turn", places.hold);
        hold.parts = part;
        assert!(0 < hold.held.place_count(), "the last place goes with its hold");
    }

    /// Frees places of a hold, which lives on. They are in it.
    fn give_back(&mut self, event: usize, part: &ReturnedPart) -> &mut Hold {
        let slot = self.slot_of(event, part.hold);
        let hold = &mut self.holds.get_mut(slot).hold;
        self.catalogue.events[event].sale().give_back(slot, hold, &part.seats, &part.areas);
        hold.held.seats.retain(|seat| part.seats.binary_search(&seat.seat).is_err());
        for &(area, quantity) in &part.areas {
            let rest = hold.held.areas.iter_mut().find(|rest| rest.area == area);
            let rest = rest.expect("an area that is given back is in its hold");
            rest.quantity = rest.quantity.checked_sub(quantity).expect("counted by the sale");
        }
        hold.held.areas.retain(|area| 0 < area.quantity);
        hold
    }

    fn slot_of(&self, event: usize, id: HoldId) -> u32 {
        let (slot, entry) = self.holds.find(id).expect("an outcome changes a live hold");
        assert!(entry.event == event, "{id} is a hold of another event");
        slot
    }
}
