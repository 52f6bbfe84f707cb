//! A partner: sets places aside, gives some of them back, and all.

use crate::asker::Asker;
use crate::bus::Told;
use crate::common::Common;
use crate::fan::{any_event, any_seats};
use crate::hall;
use schema::{
    AreaIdx, CommandBody, EventId, Held, HoldSeats, KillReason, OutcomeBody, OwnerKind, SeatIdx,
    Want,
};

const KILL: OwnerKind = OwnerKind::Kill(KillReason::House);

#[derive(Debug)]
pub struct Partner {
    asker: Asker,
    allotments: Vec<(EventId, Held)>,
}

impl Partner {
    pub fn new(idx: usize) -> Self {
        let number = u128::try_from(idx).expect("few ask");
        Self { asker: Asker::new(idx, hall::account(number)), allotments: Vec::new() }
    }

    pub fn turn(&mut self, common: &mut Common) {
        if self.asker.waits(common) {
            return;
        }
        match common.dice.within(1, 100) {
            1..=20 => self.set_aside(common),
            21..=35 => self.give_back(common),
            36..=50 => self.release(common),
            51..=55 => self.asker.repeat(common),
            _ => {}
        }
    }

    pub fn hear(&mut self, told: &Told, common: &mut Common) {
        let Some((command, outcome)) = self.asker.hear(told, common) else { return };
        if let OutcomeBody::SeatsHeld(held) = outcome.body {
            self.allotments.push((command.event, held));
        }
    }

    fn set_aside(&mut self, common: &mut Common) {
        let owner = if common.dice.hits(70) { OwnerKind::Allotment } else { KILL };
        let want = if common.dice.hits(70) {
            Want::Seats(any_seats(common, 3))
        } else {
            Want::Areas(vec![(AreaIdx(0), 2)])
        };
        let event = any_event(common);
        let ask = HoldSeats { want, owner, pass: None, condition: None };
        self.asker.ask(event, CommandBody::HoldSeats(ask), common);
    }

    /// One place of an allotment, which may be given back already.
    fn give_back(&mut self, common: &mut Common) {
        let Some(at) = self.any(common) else { return };
        let (event, held) = self.allotments[at].clone();
        let seats: Vec<SeatIdx> = held.seats.iter().map(|seat| seat.seat).take(1).collect();
        let areas: Vec<_> = held.areas.iter().map(|area| (area.area, 1)).collect();
        self.asker.ask(event, CommandBody::ReturnAllotted { seats, areas, previous: None }, common);
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
