//! Holds the journal, Postgres and the owner's memory against each other.

use super::journal::{EventBooks, Phase};
use allocator::{HoldPhase, OwnerView};
use schema::{AreaIdx, EventId, HoldId, InvariantId, SeatIdx};
use std::collections::{BTreeMap, BTreeSet};

/// What Postgres calls sold of one event.
#[derive(Debug, Default)]
pub struct Live {
    /// With their orders' holds.
    pub seats: BTreeMap<SeatIdx, HoldId>,
    /// How many places of each standing area; areas that sold none are left out.
    pub areas: BTreeMap<AreaIdx, u64>,
}

/// Returns a sentence for each difference about one event.
///
/// `owner` is `None` when no owner answered.
pub fn differences(
    event: &EventId,
    places_total: Option<u32>,
    books: &EventBooks,
    live: &Live,
    owner: Option<&OwnerView>,
) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    found.extend(counts(event, places_total, books));
    found.extend(postgres(event, books, &live.seats));
    found.extend(areas(event, books, &live.areas));
    match owner {
        Some(owner) => found.extend(memory(event, places_total, books, owner)),
        None => drop(found.insert(format!("{} {event}: no owner answers", InvariantId::Fence1))),
    }
    found
}

/// SEAT-2: what is owned and what is free make all.
fn counts(event: &EventId, total: Option<u32>, books: &EventBooks) -> Option<String> {
    let free = books.free_after?;
    let owned = books.owned_count();
    let id = InvariantId::Seat2;
    let Some(total) = total else {
        return Some(format!("{id} {event}: in the journal but not in the catalogue"));
    };
    let all = u64::from(free) + owned;
    (all != u64::from(total))
        .then(|| format!("{id} {event}: {free} free and {owned} owned of {total} in the journal"))
}

/// SEAT-1 and ORD-3: Postgres and the journal call the same seats sold.
fn postgres(event: &EventId, books: &EventBooks, live: &BTreeMap<SeatIdx, HoldId>) -> Vec<String> {
    let mut found = Vec::new();
    for (&seat, &hold) in live {
        let id = InvariantId::Seat1;
        let owner = books.seats.get(&seat);
        let phase = owner.and_then(|owner| books.holds.get(owner)).map(|owned| owned.phase);
        match (owner, phase) {
            (Some(&owner), _) if owner != hold => found.push(format!(
                "{id} {event}: seat {} is {hold}'s in Postgres and {owner}'s in the journal",
                seat.0
            )),
            // Paying: the sale is committed and its verdict is on the way.
            (Some(_), Some(Phase::Sold | Phase::Paying)) => {}
            _ => found.push(format!(
                "{} {event}: seat {} is sold in Postgres and not in the journal",
                InvariantId::Ord3,
                seat.0
            )),
        }
    }
    for (&seat, hold) in &books.seats {
        let sold = books.holds.get(hold).is_some_and(|owned| owned.phase == Phase::Sold);
        if sold && !live.contains_key(&seat) {
            found.push(format!(
                "{} {event}: seat {} is sold in the journal and not in Postgres",
                InvariantId::Ord3,
                seat.0
            ));
        }
    }
    found
}

/// ORD-3: Postgres and the journal call as many standing places sold.
fn areas(event: &EventId, books: &EventBooks, live: &BTreeMap<AreaIdx, u64>) -> Vec<String> {
    let (sold, paying) = (books.places_in(Phase::Sold), books.places_in(Phase::Paying));
    let of = |places: &BTreeMap<AreaIdx, u64>, area| places.get(area).copied().unwrap_or(0);
    let named: BTreeSet<&AreaIdx> = sold.keys().chain(live.keys()).collect();
    let mut found = Vec::new();
    for area in named {
        let (journal, postgres) = (of(&sold, area), of(live, area));
        // Paying: the sale is committed and its verdict is on the way.
        if postgres < journal || journal + of(&paying, area) < postgres {
            found.push(format!(
                "{} {event}: area {} has {postgres} sold in Postgres and {journal} in the journal",
                InvariantId::Ord3,
                area.0
            ));
        }
    }
    found
}

/// SEAT-1: the owner's memory is what its journal says.
fn memory(
    event: &EventId,
    total: Option<u32>,
    books: &EventBooks,
    owner: &OwnerView,
) -> Vec<String> {
    let id = InvariantId::Seat1;
    let known: BTreeMap<SeatIdx, HoldId> =
        owner.seats.iter().map(|seat| (seat.seat, seat.hold)).collect();
    let seats: BTreeSet<SeatIdx> = known.keys().chain(books.seats.keys()).copied().collect();
    let differing = seats.iter().filter(|seat| known.get(seat) != books.seats.get(seat));
    let show = |hold: Option<&HoldId>| hold.map_or("nobody".to_owned(), HoldId::to_string);
    let mut found: Vec<String> = differing
        .map(|seat| {
            let (memory, journal) = (show(known.get(seat)), show(books.seats.get(seat)));
            let whose = format!("{memory}'s to the owner and {journal}'s in the journal");
            format!("{id} {event}: seat {} is {whose}", seat.0)
        })
        .collect();
    found.extend(phases(event, books, owner));
    let id = InvariantId::Seat2;
    let Some(counts) = owner.counts else { return found };
    if total.is_some_and(|total| !counts.make_all_of(total)) {
        found.push(format!("{id} {event}: the owner counts {counts:?}"));
    }
    if let Some(free) = books.free_after.filter(|&free| free != counts.free) {
        let memory = counts.free;
        found.push(format!("{id} {event}: {memory} free to the owner and {free} in the journal"));
    }
    found
}

/// SEAT-1: a seat stands with the owner where it stands in the journal.
fn phases(event: &EventId, books: &EventBooks, owner: &OwnerView) -> Vec<String> {
    let mut found = Vec::new();
    for seat in &owner.seats {
        let same_hold = books.seats.get(&seat.seat) == Some(&seat.hold);
        let Some(hold) = books.holds.get(&seat.hold).filter(|_| same_hold) else { continue };
        if !may_follow(hold.phase, seat.phase) {
            found.push(format!(
                "{} {event}: seat {} is {:?} to the owner and {:?} in the journal",
                InvariantId::Seat1,
                seat.seat.0,
                seat.phase,
                hold.phase
            ));
        }
    }
    found
}

/// The owner is asked after the journal is read, so it may be a step of a payment ahead.
fn may_follow(journal: Phase, owner: HoldPhase) -> bool {
    match journal {
        Phase::Held => matches!(owner, HoldPhase::Held | HoldPhase::Paying),
        Phase::Paying => matches!(owner, HoldPhase::Paying | HoldPhase::Held | HoldPhase::Sold),
        Phase::Sold => owner == HoldPhase::Sold,
        Phase::Blocked => owner == HoldPhase::Blocked,
    }
}

#[cfg(test)]
mod tests;
