//! What a journal says, by the plainest fold there is: who owns which seat, and what contradicts
//! itself.

use schema::{
    AreaIdx, Batch, EventId, Held, HoldId, InvariantId, Outcome, OutcomeBody, OwnerKind, SeatIdx,
    UnixMillis,
};
use std::collections::{BTreeMap, HashMap};

/// Where a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Held,
    Paying,
    Sold,
    /// An allotment or a kill.
    Blocked,
}

/// A hold that owns places.
#[derive(Debug, Clone)]
pub struct Owned {
    pub held: Held,
    pub phase: Phase,
}

/// An event's places after the last batch.
#[derive(Debug, Clone, Default)]
pub struct EventBooks {
    pub holds: BTreeMap<HoldId, Owned>,
    pub seats: BTreeMap<SeatIdx, HoldId>,
    /// Standing places that some hold owns.
    pub areas: BTreeMap<AreaIdx, u32>,
    /// What the last outcome says is free.
    pub free_after: Option<u32>,
}

/// All events of the journals read so far.
#[derive(Debug, Clone, Default)]
pub struct Books {
    pub events: BTreeMap<EventId, EventBooks>,
    /// Sentences about what contradicts itself.
    pub differences: Vec<String>,
    event_of_hold: HashMap<HoldId, EventId>,
}

impl Books {
    /// Takes one batch, read at `sequence`.
    pub fn take(&mut self, sequence: u64, batch: &Batch) {
        for outcome in &batch.outcomes {
            self.outcome(sequence, batch.time, outcome);
        }
    }

    fn outcome(&mut self, sequence: u64, now: UnixMillis, outcome: &Outcome) {
        let books = self.events.entry(outcome.event.clone()).or_default();
        books.free_after = Some(outcome.free_after);
        let found = match &outcome.body {
            OutcomeBody::SeatsHeld(held) => {
                self.event_of_hold.insert(held.hold, outcome.event.clone());
                books.open(held)
            }
            OutcomeBody::HoldReleased { hold, .. } => books.close(*hold),
            OutcomeBody::PaymentStarted(payment) => books.turn(payment.held.hold, Phase::Paying),
            OutcomeBody::PaymentDeclined { hold, deadline, .. } => {
                let early = *deadline < now;
                let declined = books.turn(*hold, Phase::Held);
                if early { Some(format!("{hold} is declined into the past")) } else { declined }
            }
            OutcomeBody::SeatsSold { hold, .. } => books.turn(*hold, Phase::Sold),
            OutcomeBody::AllotmentReduced { parts } => {
                let mut parts = parts.iter();
                parts.find_map(|part| books.shrink(part.hold, &part.seats, &part.areas))
            }
            OutcomeBody::PaymentAwaited(_)
            | OutcomeBody::DeadlinesMoved { .. }
            | OutcomeBody::Refused(_)
            | OutcomeBody::Unchanged { .. } => None,
        };
        if let Some(what) = found {
            let event = &outcome.event;
            let id = InvariantId::Seat1;
            self.differences.push(format!("{id} {event}: journal at {sequence}: {what}"));
        }
    }
}

impl EventBooks {
    fn open(&mut self, held: &Held) -> Option<String> {
        let taken = held.seats.iter().find_map(|seat| {
            let owner = self.seats.insert(seat.seat, held.hold)?;
            Some(format!("seat {} goes to {} while {owner} owns it", seat.seat.0, held.hold))
        });
        for area in &held.areas {
            *self.areas.entry(area.area).or_default() += area.quantity;
        }
        let phase = if held.owner == OwnerKind::Fan { Phase::Held } else { Phase::Blocked };
        let owned = Owned { held: held.clone(), phase };
        let again = self.holds.insert(held.hold, owned).is_some();
        taken.or_else(|| again.then(|| format!("{} is made twice", held.hold)))
    }

    fn close(&mut self, hold: HoldId) -> Option<String> {
        let Some(owned) = self.holds.remove(&hold) else {
            return Some(format!("{hold} ends and is not there"));
        };
        let seats: Vec<_> = owned.held.seats.iter().map(|seat| seat.seat).collect();
        let areas: Vec<_> =
            owned.held.areas.iter().map(|area| (area.area, area.quantity)).collect();
        self.free(hold, &seats, &areas)
    }

    fn shrink(
        &mut self,
        hold: HoldId,
        seats: &[SeatIdx],
        areas: &[(AreaIdx, u32)],
    ) -> Option<String> {
        let Some(owned) = self.holds.get_mut(&hold) else {
            return Some(format!("{hold} shrinks and is not there"));
        };
        owned.held.seats.retain(|seat| !seats.contains(&seat.seat));
        for (area, quantity) in areas {
            let mut parts = owned.held.areas.iter_mut().filter(|part| part.area == *area);
            if let Some(part) = parts.next() {
                part.quantity = part.quantity.saturating_sub(*quantity);
            }
        }
        owned.held.areas.retain(|part| 0 < part.quantity);
        if owned.held.seats.is_empty() && owned.held.areas.is_empty() {
            self.holds.remove(&hold);
        }
        self.free(hold, seats, areas)
    }

    fn free(
        &mut self,
        hold: HoldId,
        seats: &[SeatIdx],
        areas: &[(AreaIdx, u32)],
    ) -> Option<String> {
        let mut found = None;
        for seat in seats {
            if self.seats.remove(seat) != Some(hold) {
                found = Some(format!("{hold} gives up seat {} that it does not own", seat.0));
            }
        }
        for (area, quantity) in areas {
            let owned = self.areas.entry(*area).or_default();
            match owned.checked_sub(*quantity) {
                Some(rest) => *owned = rest,
                None => found = Some(format!("{hold} gives up too many of area {}", area.0)),
            }
        }
        found
    }

    fn turn(&mut self, hold: HoldId, phase: Phase) -> Option<String> {
        match self.holds.get_mut(&hold) {
            Some(owned) => {
                owned.phase = phase;
                None
            }
            None => Some(format!("{hold} becomes {phase:?} and is not there")),
        }
    }

    /// Standing places of the holds that stand at `phase`.
    pub fn places_in(&self, phase: Phase) -> BTreeMap<AreaIdx, u64> {
        let mut places = BTreeMap::new();
        let holds = self.holds.values().filter(|owned| owned.phase == phase);
        for part in holds.flat_map(|owned| &owned.held.areas) {
            *places.entry(part.area).or_default() += u64::from(part.quantity);
        }
        places
    }

    /// Places that some hold owns.
    pub fn owned_count(&self) -> u64 {
        let seats = u64::try_from(self.seats.len()).expect("fewer seats than memory");
        seats + self.areas.values().map(|&owned| u64::from(owned)).sum::<u64>()
    }
}

#[cfg(test)]
mod tests;
