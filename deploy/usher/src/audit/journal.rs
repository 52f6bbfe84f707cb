//! What a journal says, by the plainest fold there is: who owns which seat, and what contradicts
//! itself.

mod passes;

use allocator::{EventView, HoldPhase, PassUse};
use schema::{
    AreaIdx, Batch, EventId, Held, HeldSeat, HoldId, InvariantId, Outcome, OutcomeBody, PassPlace,
    PlaceCounts, ReturnedPart, SeatIdx, UnixMillis,
};
use std::collections::{BTreeMap, BTreeSet};

/// The generation of a seat after 1 << 29 changes is 1 again: 0 is for seats that nobody had.
const GENERATIONS: u32 = (1 << 29) - 1;

/// A hold that owns places.
#[derive(Debug, Clone)]
pub struct Owned {
    pub held: Held,
    pub phase: HoldPhase,
}

/// An event's places after the last batch.
#[derive(Debug, Clone, Default)]
pub struct EventBooks {
    pub holds: BTreeMap<HoldId, Owned>,
    pub seats: BTreeMap<SeatIdx, HoldId>,
    /// How often each seat has changed; one that never did is left out.
    pub generations: BTreeMap<SeatIdx, u32>,
    /// Standing places that some hold owns.
    pub areas: BTreeMap<AreaIdx, u32>,
    /// Places of the waiting room that somebody has used.
    pub passes: BTreeMap<PassPlace, PassUse>,
    /// What the last outcome says is free.
    pub free_after: Option<u32>,
    /// The holds that were Paying or Sold at some time since [`Books::mark`].
    pub bought: BTreeMap<HoldId, Held>,
    /// The holds that were Sold at [`Books::mark`].
    pub sold_before: BTreeSet<HoldId>,
}

/// All events of the journals read so far.
#[derive(Debug, Clone, Default)]
pub struct Books {
    pub events: BTreeMap<EventId, EventBooks>,
    /// Sentences about what contradicts itself.
    pub differences: Vec<String>,
}

impl Books {
    /// Takes one batch, read at `sequence`.
    pub fn take(&mut self, sequence: u64, batch: &Batch) {
        for outcome in &batch.outcomes {
            self.outcome(sequence, batch.time, outcome);
        }
    }

    /// Begins with a checkpoint, where the journal does not begin with its first batch.
    pub fn begin(&mut self, events: &[EventView]) {
        for view in events {
            let books = self.events.entry(view.event.clone()).or_default();
            for seat in &view.seats {
                books.generations.insert(seat.seat, seat.generation);
                books.seats.extend(seat.hold.map(|hold| (seat.seat, hold)));
            }
            for (phase, held) in &view.holds {
                for area in &held.areas {
                    *books.areas.entry(area.area).or_default() += area.quantity;
                }
                let owned = Owned { held: held.clone(), phase: *phase };
                books.holds.insert(held.hold, owned);
            }
            books.passes.extend(view.passes.iter().copied());
        }
    }

    /// Begins to remember who buys: another witness is heard between here and the end.
    pub fn mark(&mut self) {
        for books in self.events.values_mut() {
            let in_phase = |wanted: HoldPhase| {
                books.holds.iter().filter(move |(_, owned)| owned.phase == wanted)
            };
            books.sold_before = in_phase(HoldPhase::Sold).map(|(hold, _)| *hold).collect();
            let bought = in_phase(HoldPhase::Sold).chain(in_phase(HoldPhase::Paying));
            books.bought = bought.map(|(hold, owned)| (*hold, owned.held.clone())).collect();
        }
    }

    fn outcome(&mut self, sequence: u64, now: UnixMillis, outcome: &Outcome) {
        let books = self.events.entry(outcome.event.clone()).or_default();
        books.free_after = Some(outcome.free_after);
        let pass = books.follow_pass(&outcome.body);
        let found = match &outcome.body {
            OutcomeBody::SeatsHeld(held) => books.open(held),
            OutcomeBody::HoldReleased { hold, .. } => books.close(*hold),
            OutcomeBody::PaymentStarted(payment) => {
                books.turn(payment.held.hold, HoldPhase::Paying)
            }
            OutcomeBody::Reseated(payment) => {
                let opened = books.open(&payment.held);
                books.turn(payment.held.hold, HoldPhase::Paying).or(opened)
            }
            OutcomeBody::PaymentDeclined { hold, deadline, .. } => {
                let declined = books.turn(*hold, HoldPhase::Held);
                if let Some(owned) = books.holds.get_mut(hold) {
                    owned.held.deadline = Some(*deadline);
                }
                let early = *deadline < now;
                declined.or_else(|| early.then(|| format!("{hold} is declined into the past")))
            }
            OutcomeBody::HoldExtended { hold, deadline } => books.extend(*hold, *deadline, now),
            OutcomeBody::SeatsSwapped(held) => books.swap(held),
            OutcomeBody::DeadlinesMoved { by } => {
                let unpaid = |owned: &&mut Owned| owned.phase == HoldPhase::Held;
                for owned in books.holds.values_mut().filter(unpaid) {
                    owned.held.deadline = owned.held.deadline.map(|deadline| deadline + *by);
                }
                None
            }
            OutcomeBody::SeatsSold { hold, .. } => books.turn(*hold, HoldPhase::Sold),
            OutcomeBody::AllotmentReduced { parts } => books.shrink_all(parts),
            OutcomeBody::AllottedSold { parts, payment } => {
                let shrunk = books.shrink_all(parts);
                let opened = books.open(&payment.held);
                let turned = books.turn(payment.held.hold, HoldPhase::Paying);
                shrunk.or(opened).or(turned)
            }
            OutcomeBody::SaleReduced { places, .. } => books.reduce(places),
            OutcomeBody::PaymentAwaited(_)
            | OutcomeBody::Refused(_)
            | OutcomeBody::SeatsUnchanged
            | OutcomeBody::Unchanged { .. } => None,
        };
        let event = &outcome.event;
        for (id, found) in [(InvariantId::Line4, pass), (InvariantId::Seat1, found)] {
            let line = |what| format!("{id} {event}: journal at {sequence}: {what}");
            self.differences.extend(found.map(line));
        }
    }
}

impl EventBooks {
    fn open(&mut self, held: &Held) -> Option<String> {
        let mut found = None;
        for seat in &held.seats {
            found = self.take(held.hold, seat).or(found);
        }
        for area in &held.areas {
            *self.areas.entry(area.area).or_default() += area.quantity;
        }
        let set_aside = held.owner.is_set_aside();
        let phase = if set_aside { HoldPhase::Blocked } else { HoldPhase::Held };
        let owned = Owned { held: held.clone(), phase };
        let again = self.holds.insert(held.hold, owned).is_some();
        found.or_else(|| again.then(|| format!("{} is made twice", held.hold)))
    }

    fn take(&mut self, hold: HoldId, seat: &HeldSeat) -> Option<String> {
        let mut found = None;
        let changes = self.change(seat.seat);
        if changes != seat.generation {
            let what = format!("seat {} has changed {changes} times", seat.seat.0);
            found = Some(format!("{what} and says {}", seat.generation));
        }
        if let Some(owner) = self.seats.insert(seat.seat, hold) {
            let what = format!("seat {} goes to {hold}", seat.seat.0);
            found = Some(format!("{what} while {owner} owns it"));
        }
        found
    }

    fn swap(&mut self, after: &Held) -> Option<String> {
        let hold = after.hold;
        let Some(owned) = self.holds.get_mut(&hold) else {
            return Some(format!("{hold} swaps and is not there"));
        };
        let phase = owned.phase;
        let before = std::mem::replace(&mut owned.held, after.clone());
        if phase != HoldPhase::Held {
            return Some(format!("{hold} swaps while {phase:?}"));
        }
        let dropped = before.seats.iter().map(|seat| seat.seat);
        let dropped: Vec<_> = dropped.filter(|seat| !after.has_seat(*seat)).collect();
        let areas: Vec<_> = before.areas.iter().map(|area| (area.area, area.quantity)).collect();
        let mut found = self.free(hold, &dropped, &areas);
        for seat in &after.seats {
            let wrong = if before.has_seat(seat.seat) {
                let known = self.generations.get(&seat.seat).copied().unwrap_or_default();
                let says = || format!("{hold} keeps seat {} with another generation", seat.seat.0);
                (known != seat.generation).then(says)
            } else {
                self.take(hold, seat)
            };
            found = wrong.or(found);
        }
        for area in &after.areas {
            *self.areas.entry(area.area).or_default() += area.quantity;
        }
        found
    }

    fn extend(&mut self, hold: HoldId, deadline: UnixMillis, now: UnixMillis) -> Option<String> {
        let Some(owned) = self.holds.get_mut(&hold) else {
            return Some(format!("{hold} is extended and is not there"));
        };
        let before = owned.held.deadline.replace(deadline);
        if owned.phase != HoldPhase::Held {
            return Some(format!("{hold} is extended while {:?}", owned.phase));
        }
        let sense = before.is_some_and(|before| before < deadline) && now < deadline;
        (!sense).then(|| format!("{hold} is extended to {deadline}, which is no longer"))
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

    fn shrink_all(&mut self, parts: &[ReturnedPart]) -> Option<String> {
        let shrink = |part: &ReturnedPart| self.shrink(part.hold, &part.seats, &part.areas);
        // Each of them, whatever is found of the first.
        let found: Vec<String> = parts.iter().filter_map(shrink).collect();
        found.into_iter().next()
    }

    /// Of a sale only, and never all of it.
    fn reduce(&mut self, places: &ReturnedPart) -> Option<String> {
        let hold = places.hold;
        let phase = self.holds.get(&hold).map(|owned| owned.phase);
        let found = self.shrink(hold, &places.seats, &places.areas);
        let is_whole = phase.is_some() && !self.holds.contains_key(&hold);
        let what = match phase {
            Some(HoldPhase::Sold) if is_whole => Some(format!("{hold} loses its last place")),
            Some(HoldPhase::Sold) | None => None,
            Some(phase) => Some(format!("a part of {hold} goes back while {phase:?}")),
        };
        found.or(what)
    }

    fn free(
        &mut self,
        hold: HoldId,
        seats: &[SeatIdx],
        areas: &[(AreaIdx, u32)],
    ) -> Option<String> {
        let mut found = None;
        for seat in seats {
            self.change(*seat);
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

    fn turn(&mut self, hold: HoldId, phase: HoldPhase) -> Option<String> {
        let Some(owned) = self.holds.get_mut(&hold) else {
            return Some(format!("{hold} becomes {phase:?} and is not there"));
        };
        owned.phase = phase;
        let places = owned.held.clone();
        for seat in &places.seats {
            self.change(seat.seat);
        }
        if matches!(phase, HoldPhase::Paying | HoldPhase::Sold) {
            self.bought.insert(hold, places);
        }
        None
    }

    /// Counts a change of a seat; returns how many there were.
    fn change(&mut self, seat: SeatIdx) -> u32 {
        let changes = self.generations.entry(seat).or_default();
        *changes = *changes % GENERATIONS + 1;
        *changes
    }

    /// The places by the phase of their holds, free ones as the last outcome says.
    pub fn counts(&self) -> PlaceCounts {
        let mut counts =
            PlaceCounts { free: self.free_after.unwrap_or_default(), ..PlaceCounts::default() };
        for owned in self.holds.values() {
            let count = count_of(&mut counts, owned.phase);
            *count = count.saturating_add(owned.held.place_count());
        }
        counts
    }

    /// Standing places that some hold owns, by area and by the phase of the hold.
    pub fn standing(&self) -> BTreeMap<AreaIdx, PlaceCounts> {
        let mut standing: BTreeMap<AreaIdx, PlaceCounts> = BTreeMap::new();
        for owned in self.holds.values() {
            for area in &owned.held.areas {
                let count = count_of(standing.entry(area.area).or_default(), owned.phase);
                *count = count.saturating_add(area.quantity);
            }
        }
        standing
    }

    /// Places that some hold owns.
    pub fn owned_count(&self) -> u64 {
        let seats = u64::try_from(self.seats.len()).expect("fewer seats than memory");
        seats + self.areas.values().map(|&owned| u64::from(owned)).sum::<u64>()
    }
}

fn count_of(counts: &mut PlaceCounts, phase: HoldPhase) -> &mut u32 {
    match phase {
        HoldPhase::Held => &mut counts.held,
        HoldPhase::Paying => &mut counts.paying,
        HoldPhase::Sold => &mut counts.sold,
        HoldPhase::Blocked => &mut counts.blocked,
    }
}

#[cfg(test)]
mod tests;
