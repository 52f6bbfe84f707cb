//! Those who work on many places: a partner sets some aside, gives some back, sells some and takes
//! some of these back, and the house kills some. Both may say how their seats are to be found.

use crate::asker::Asker;
use crate::bus::Told;
use crate::common::Common;
use crate::fan::{any_areas, any_event, any_seats};
use crate::hall::{self, SEAT_COUNT};
use crate::settlement;
use schema::{
    CommandBody, Condition, EventId, HOUSE_ACCOUNT, Held, HoldSeats, KillReason, OrderId,
    OutcomeBody, OwnerKind, PreviousStatuses, SeatIdx, SellAllotted, Want,
};

#[derive(Debug)]
pub struct Partner {
    asker: Asker,
    owner: OwnerKind,
    allotments: Vec<(EventId, Held)>,
    /// What it knows to be sold, or on the way there.
    sold: Vec<OrderId>,
}

impl Partner {
    pub fn new(idx: usize) -> Self {
        let number = u128::try_from(idx).expect("few ask");
        let asker = Asker::new(idx, hall::account(number));
        Self { asker, owner: OwnerKind::Allotment, allotments: Vec::new(), sold: Vec::new() }
    }

    /// The operators, in whose name seats are killed.
    pub fn house(idx: usize) -> Self {
        let (asker, owner) = (Asker::new(idx, HOUSE_ACCOUNT), OwnerKind::Kill(KillReason::House));
        Self { asker, owner, allotments: Vec::new(), sold: Vec::new() }
    }

    pub fn turn(&mut self, common: &mut Common) {
        if self.asker.waits(common) {
            return;
        }
        match common.dice.within(1, 100) {
            1..=25 => self.set_aside(common),
            26..=40 => self.give_back(common),
            41..=55 => self.release(common),
            56..=60 => self.asker.repeat(common),
            61..=72 if self.owner == OwnerKind::Allotment => self.sell(common),
            73..=80 => self.cancel(common),
            _ => {}
        }
    }

    pub fn hear(&mut self, told: &Told, common: &mut Common) {
        let Some((command, outcome)) = self.asker.hear(told, common) else { return };
        match outcome.body {
            OutcomeBody::SeatsHeld(held) => self.allotments.push((command.event, held)),
            OutcomeBody::AllottedSold { payment, .. } => {
                self.sold.push(OrderId::from(payment.held.hold));
            }
            _ => {}
        }
    }

    /// Some of an allotment, or all of it, which may be gone already.
    fn sell(&mut self, common: &mut Common) {
        let Some(at) = self.any(common) else { return };
        let (event, held) = self.allotments[at].clone();
        let most = if common.dice.hits(50) { 1 } else { held.seats.len() };
        let mut seats: Vec<SeatIdx> = held.seats.iter().map(|seat| seat.seat).take(most).collect();
        let areas: Vec<_> = held.areas.iter().map(|area| (area.area, 1)).collect();
        let previous = any_guard(common);
        if previous.is_some() && !held.seats.is_empty() && common.dice.hits(60) {
            seats = one_more(&held);
        }
        let ask = SellAllotted { seats, areas, previous, buyer: "buyer".into() };
        self.asker.ask(event, CommandBody::SellAllotted(ask), common);
    }

    /// Takes a booking back, or one ticket of it.
    fn cancel(&mut self, common: &mut Common) {
        let count = self.sold.len();
        if count == 0 {
            return;
        }
        let (at, account) = (common.dice.index(count), self.asker.account);
        if common.dice.hits(50) {
            settlement::cancel(common, self.sold[at], account);
        } else {
            settlement::cancel_ticket(common, self.sold[at], account);
        }
    }

    fn set_aside(&mut self, common: &mut Common) {
        // What it has already is said again, with one more.
        let again = if common.dice.hits(40) { self.any(common) } else { None };
        let (event, want) = match again.map(|at| &self.allotments[at]) {
            Some((event, held)) if !held.seats.is_empty() => {
                (event.clone(), Want::Seats(one_more(held)))
            }
            _ if common.dice.hits(70) => (any_event(common), Want::Seats(any_seats(common, 3))),
            _ => (any_event(common), Want::Areas(any_areas(common))),
        };
        let condition = any_guard(common).map(Condition::Previous);
        let ask = HoldSeats { want, owner: self.owner, pass: None, condition };
        self.asker.ask(event, CommandBody::HoldSeats(ask), common);
    }

    /// Some of an allotment, which may be given back already.
    fn give_back(&mut self, common: &mut Common) {
        let Some(at) = self.any(common) else { return };
        let (event, held) = self.allotments[at].clone();
        let mut seats: Vec<SeatIdx> = held.seats.iter().map(|seat| seat.seat).take(1).collect();
        let areas: Vec<_> = held.areas.iter().map(|area| (area.area, 1)).collect();
        let previous = any_guard(common);
        if previous.is_some() && !held.seats.is_empty() && common.dice.hits(60) {
            seats = one_more(&held);
        }
        self.asker.ask(event, CommandBody::ReturnAllotted { seats, areas, previous }, common);
    }

    fn release(&mut self, common: &mut Common) {
        let Some(at) = self.any(common) else { return };
        let (event, allotment) = self.allotments.remove(at);
        self.asker.ask(event, CommandBody::ReleaseHold { hold: allotment.hold }, common);
    }

    fn any(&self, common: &mut Common) -> Option<usize> {
        let count = self.allotments.len();
        (0 < count).then(|| common.dice.index(count))
    }
}

/// The seats of an allotment and the one behind them.
fn one_more(held: &Held) -> Vec<SeatIdx> {
    let mut seats: Vec<SeatIdx> = held.seats.iter().map(|seat| seat.seat).collect();
    let next = seats.last().map(|last| SeatIdx(last.0 + 1));
    seats.extend(next.filter(|next| next.0 < SEAT_COUNT));
    seats
}

/// How seats are to be found, if that is said. Both statuses may be missing, which makes no sense.
fn any_guard(common: &mut Common) -> Option<PreviousStatuses> {
    let guard = PreviousStatuses { free: common.dice.hits(75), set_aside: common.dice.hits(75) };
    common.dice.hits(60).then_some(guard)
}
