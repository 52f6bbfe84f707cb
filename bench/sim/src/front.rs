//! What an ingress sees of the journal, and when it answers CONFIRMED. Where it finds the beginning
//! of the journal trimmed, it begins with a replica's state.

use crate::common::Common;
use crate::hall::PLACE_COUNT;
use crate::happening::Happening;
use crate::journal::Record;
use crate::mutation::Mutation;
use crate::process::Process;
use schema::{
    Applied, Batch, EventId, EventState, Held, HoldId, OrderId, Outcome, OutcomeBody, OwnerKind,
    Phase, PlaceCounts, ReturnedPart, ShardState, Step, codec,
};
use settlement_core::Seen;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub struct Front {
    applied: Applied,
    /// The last message read, of any kind.
    sequence: u64,
    holds: BTreeMap<HoldId, Standing>,
    sold: BTreeSet<HoldId>,
    declined: BTreeSet<(HoldId, u32)>,
    /// What late money has bought, by the hold that it was for.
    late: BTreeMap<HoldId, HoldId>,
}

/// A hold as a view shows it.
#[derive(Debug)]
struct Standing {
    event: EventId,
    phase: Phase,
    places: u32,
}

impl Front {
    /// It ends, and another one begins with nothing.
    pub fn restart(&mut self, common: &mut Common) {
        common.note(Happening::ViewRestarted, format_args!("a view begins anew"));
        *self = Self::default();
    }

    /// Reads up to `count` messages of the journal; `processes` may tell their state.
    pub fn follow(&mut self, processes: &[Process], common: &mut Common, count: usize) {
        for _ in 0..count {
            let next = common.journal.after(self.sequence);
            let Some((sequence, record)) = next else { return };
            let Record::Batch(bytes) = record else {
                self.sequence = sequence;
                continue;
            };
            let batch: Batch = codec::decode_checked(bytes).expect("an owner encoded it");
            match self.applied.step(&batch, sequence) {
                Step::Skip => self.sequence = sequence,
                Step::Gap if !common.is_broken(Mutation::ReadOverGap) => {
                    // While nobody tells a state that leads on, it waits.
                    let told = tell(processes, common);
                    let Some(state) = told.filter(|state| state.reaches(&batch, sequence)) else {
                        return;
                    };
                    self.take(state, common);
                }
                Step::Gap | Step::Apply => self.apply(&batch, sequence, common),
            }
        }
    }

    fn apply(&mut self, batch: &Batch, sequence: u64, common: &mut Common) {
        batch.outcomes.iter().for_each(|outcome| self.show(outcome));
        (self.applied, self.sequence) = (Applied::at(batch, sequence), sequence);
        common.promises.viewed(&self.counts(), self.applied);
    }

    /// Begins anew with a state, and reads on behind it.
    fn take(&mut self, state: ShardState, common: &mut Common) {
        let ShardState { applied, events, .. } = state;
        common.note(Happening::StateTold, format_args!("a view begins at {}", applied.sequence));
        *self = Self { applied, sequence: applied.sequence, ..Self::default() };
        let holds = |state: EventState| {
            state.holds.into_iter().map(move |hold| (state.event.clone(), hold))
        };
        for (event, hold) in events.into_iter().flat_map(holds) {
            let id = hold.held.hold;
            if hold.phase == Phase::Sold {
                self.sold.insert(id);
            }
            if hold.phase == Phase::Held && 0 < hold.attempt {
                self.declined.insert((id, hold.attempt));
            }
            let (phase, places) = (hold.phase, hold.held.place_count());
            self.holds.insert(id, Standing { event, phase, places });
        }
        common.promises.viewed(&self.counts(), self.applied);
    }

    fn show(&mut self, outcome: &Outcome) {
        match &outcome.body {
            OutcomeBody::SeatsHeld(held) | OutcomeBody::SeatsSwapped(held) => {
                self.put(&outcome.event, held);
            }
            OutcomeBody::HoldReleased { hold, .. } => drop(self.holds.remove(hold)),
            OutcomeBody::PaymentStarted(payment) => self.set(payment.held.hold, Phase::Paying),
            OutcomeBody::PaymentDeclined { hold, attempt, .. } => {
                self.set(*hold, Phase::Held);
                self.declined.insert((*hold, *attempt));
            }
            OutcomeBody::SeatsSold { hold, .. } => {
                self.set(*hold, Phase::Sold);
                self.sold.insert(*hold);
            }
            OutcomeBody::Reseated(payment) => {
                self.put(&outcome.event, &payment.held);
                self.set(payment.held.hold, Phase::Paying);
                let before = payment.token.parse().expect("its token is the hold before");
                self.late.insert(before, payment.held.hold);
            }
            OutcomeBody::AllottedSold { parts, payment } => {
                self.reduce(parts);
                self.put(&outcome.event, &payment.held);
                self.set(payment.held.hold, Phase::Paying);
            }
            OutcomeBody::AllotmentReduced { parts } => self.reduce(parts),
            OutcomeBody::SaleReduced { places, .. } => {
                let standing: u32 = places.areas.iter().map(|(_, quantity)| quantity).sum();
                let seats = u32::try_from(places.seats.len()).expect("a hall of ten seats");
                if let Some(hold) = self.holds.get_mut(&places.hold) {
                    hold.places = hold.places.saturating_sub(seats + standing);
                }
            }
            _ => {}
        }
    }

    fn reduce(&mut self, parts: &[ReturnedPart]) {
        for part in parts {
            let standing: u32 = part.areas.iter().map(|(_, quantity)| quantity).sum();
            let seats = u32::try_from(part.seats.len()).expect("a hall of ten seats");
            if let Some(hold) = self.holds.get_mut(&part.hold) {
                hold.places = hold.places.saturating_sub(seats + standing);
            }
        }
        self.holds.retain(|_, hold| 0 < hold.places);
    }

    fn put(&mut self, event: &EventId, held: &Held) {
        let fan = held.owner == OwnerKind::Fan;
        let phase = if fan { Phase::Held } else { Phase::Blocked };
        let (event, places) = (event.clone(), held.place_count());
        self.holds.insert(held.hold, Standing { event, phase, places });
    }

    fn set(&mut self, hold: HoldId, phase: Phase) {
        if let Some(hold) = self.holds.get_mut(&hold) {
            hold.phase = phase;
        }
    }

    /// The places of each event that somebody has places of.
    fn counts(&self) -> BTreeMap<EventId, PlaceCounts> {
        let mut all: BTreeMap<EventId, PlaceCounts> = BTreeMap::new();
        for Standing { event, phase, places } in self.holds.values() {
            let free = PlaceCounts { free: PLACE_COUNT, ..PlaceCounts::default() };
            let counts = all.entry(event.clone()).or_insert(free);
            counts.free = counts.free.saturating_sub(*places);
            *match phase {
                Phase::Held => &mut counts.held,
                Phase::Paying => &mut counts.paying,
                Phase::Sold => &mut counts.sold,
                Phase::Blocked => &mut counts.blocked,
            } += places;
        }
        all
    }

    pub fn is_declined(&self, hold: HoldId, attempt: u32) -> bool {
        self.declined.contains(&(hold, attempt))
    }

    /// What the late money of a hold has bought.
    pub fn late(&self, hold: HoldId) -> Option<HoldId> {
        self.late.get(&hold).copied()
    }

    /// Answers CONFIRMED, if the hold is sold.
    pub fn confirm(&self, hold: HoldId, common: &mut Common) -> bool {
        let order = OrderId::from(hold);
        let early = common.is_broken(Mutation::ConfirmEarly)
            && common.provider.payments().any(|p| p.order == order && p.seen == Seen::Authorised);
        if !early && !self.sold.contains(&hold) {
            return false;
        }
        common.note(Happening::Confirmed, format_args!("{order} is CONFIRMED"));
        let Common { promises, store, .. } = common;
        promises.confirmed(hold, store);
        true
    }
}

/// What one of those who follow the journal says, if any is there.
fn tell(processes: &[Process], common: &mut Common) -> Option<ShardState> {
    let at = common.dice.index(processes.len());
    let mut asked = processes[at..].iter().chain(&processes[..at]);
    asked.find_map(|process| process.tell(common))
}
