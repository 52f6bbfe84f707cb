//! Holds what others say of an event against its journal.
//!
//! A sentence names the hold it is about wherever there is one, and [`likeness`] tells two looks'
//! sentences apart by it.

mod areas;
mod passes;

use super::journal::{EventBooks, Owned};
use super::listed::Places;
use allocator::{EventView, SeatView};
use schema::{AreaIdx, EventId, HeldArea, HoldId, InvariantId, PlaceCounts, SeatIdx};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// Who says what is held against the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    Owner,
    Checkpoint,
}

impl Witness {
    /// "Seat 4 is nobody's ...".
    pub fn place(self) -> &'static str {
        match self {
            Self::Owner => "to the owner",
            Self::Checkpoint => "in the checkpoint",
        }
    }
}

/// What Postgres calls sold of one event.
#[derive(Debug, Default)]
pub struct Live {
    /// With their orders' holds.
    pub seats: BTreeMap<SeatIdx, HoldId>,
    /// Tickets for standing places by their orders' holds.
    pub areas: BTreeMap<(HoldId, AreaIdx), u32>,
}

/// A sentence without its counts, which change from look to look while the difference stays.
pub fn likeness(sentence: &str) -> String {
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let word = |word| if is_number(bare(word)) { "#" } else { word };
    sentence.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn bare(word: &str) -> &str {
    word.trim_matches(|char: char| !char.is_alphanumeric())
}

/// SEAT-2: what is owned and what is free make all.
pub fn counts(event: &EventId, places: Option<&Places>, books: &EventBooks) -> Vec<String> {
    let Some(free) = books.free_after else { return Vec::new() };
    let owned = books.owned_count();
    let id = InvariantId::Seat2;
    let Some(places) = places else {
        return vec![format!("{id} {event}: in the journal but not in the catalogue")];
    };
    let (total, mut found) = (places.total, areas::overfull(event, books, places));
    if u64::from(free) + owned != u64::from(total) {
        let what = format!("{free} free and {owned} owned of {total} in the journal");
        found.push(format!("{id} {event}: {what}"));
    }
    found
}

/// SEAT-1 and ORD-3: Postgres, read between the mark and the end of the books, calls sold what
/// the journal does.
pub fn postgres(event: &EventId, books: &EventBooks, live: &Live) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let id = InvariantId::Ord3;
    for (&seat, &hold) in &live.seats {
        // Paying: the sale is committed and its verdict is on the way.
        let bought = books.bought.get(&hold);
        if bought.is_some_and(|held| held.seats.iter().any(|held| held.seat == seat)) {
            continue;
        }
        let seat = seat.0;
        found.insert(match books.seats.get(&SeatIdx(seat)) {
            Some(owner) if *owner != hold => {
                let whose = format!("{hold}'s in Postgres and {owner}'s in the journal");
                format!("{} {event}: seat {seat} is {whose}", InvariantId::Seat1)
            }
            _ => format!("{id} {event}: seat {seat} is sold to {hold} in Postgres only"),
        });
    }
    for (&(hold, area), &tickets) in &live.areas {
        let sold = books.bought.get(&hold).map_or(0, |held| places(&held.areas, area));
        if sold != tickets {
            found.insert(standing(event, hold, area, tickets, sold));
        }
    }
    let is_sold = |hold: &&HoldId| {
        books.holds.get(hold).is_some_and(|owned| owned.phase == allocator::HoldPhase::Sold)
    };
    for hold in books.sold_before.iter().filter(is_sold) {
        let held = &books.holds[hold].held;
        for seat in held.seats.iter().filter(|seat| !live.seats.contains_key(&seat.seat)) {
            let seat = seat.seat.0;
            found
                .insert(format!("{id} {event}: seat {seat} is sold to {hold} in the journal only"));
        }
        for HeldArea { area, quantity, .. } in &held.areas {
            if !live.areas.contains_key(&(*hold, *area)) {
                found.insert(standing(event, *hold, *area, 0, *quantity));
            }
        }
    }
    found
}

fn places(areas: &[HeldArea], area: AreaIdx) -> u32 {
    areas.iter().filter(|part| part.area == area).map(|part| part.quantity).sum()
}

fn standing(event: &EventId, hold: HoldId, area: AreaIdx, tickets: u32, sold: u32) -> String {
    let (id, area) = (InvariantId::Ord3, area.0);
    let what = format!("{tickets} places in Postgres and {sold} in the journal");
    format!("{id} {event}: {hold} bought of area {area} {what}")
}

/// SEAT-1, SEAT-2 and LINE-4: a state of the same moment is what the journal says.
pub fn state(
    event: &EventId,
    witness: Witness,
    books: &EventBooks,
    view: &EventView,
    places: Option<&Places>,
) -> BTreeSet<String> {
    let place = witness.place();
    let mut found = BTreeSet::new();
    let known: BTreeMap<SeatIdx, &SeatView> =
        view.seats.iter().map(|seat| (seat.seat, seat)).collect();
    let seats: BTreeSet<SeatIdx> = known.keys().chain(books.generations.keys()).copied().collect();
    for at in seats {
        let difference = seat(place, books, at, known.get(&at).copied());
        let line = |what| format!("{} {event}: seat {} {what}", InvariantId::Seat1, at.0);
        found.extend(difference.map(line));
    }
    let known: BTreeMap<HoldId, Owned> = view
        .holds
        .iter()
        .map(|(phase, held)| (held.hold, Owned { held: held.clone(), phase: *phase }))
        .collect();
    let holds: BTreeSet<&HoldId> = known.keys().chain(books.holds.keys()).collect();
    for id in holds {
        let difference = hold(place, known.get(id), books.holds.get(id));
        found.extend(difference.map(|what| format!("{} {event}: {id} {what}", InvariantId::Seat1)));
    }
    found.extend(passes::differences(event, place, books, &view.passes));
    let Some(counts) = &view.counts else { return found };
    let journal = books.counts();
    if counts.all != journal && books.free_after.is_some() {
        let (counts, journal) = (show(counts.all), show(journal));
        let id = InvariantId::Seat2;
        found.insert(format!("{id} {event}: {counts} {place} and {journal} in the journal"));
    }
    if let Some(places) = places {
        found.extend(areas::differences(event, place, books, counts, places));
    }
    found
}

/// What differs about a seat.
fn seat(place: &str, books: &EventBooks, at: SeatIdx, seat: Option<&SeatView>) -> Option<String> {
    let name = |hold: Option<&HoldId>| hold.map_or("nobody".to_owned(), HoldId::to_string);
    let (phase, hold) = seat.map_or((None, None), |seat| (seat.phase, seat.hold));
    let owner = books.seats.get(&at);
    if let (Some(phase), None) = (phase, hold) {
        return Some(format!("is {phase:?} {place} without a hold"));
    }
    if hold.as_ref() != owner {
        let (hold, owner) = (name(hold.as_ref()), name(owner));
        return Some(format!("is {hold}'s {place} and {owner}'s in the journal"));
    }
    let stands = owner.and_then(|owner| books.holds.get(owner)).map(|owned| owned.phase);
    if let (Some(phase), Some(stands)) = (phase, stands)
        && phase != stands
    {
        return Some(format!("is {phase:?} {place} and {stands:?} in the journal"));
    }
    let changes = seat.map_or(0, |seat| seat.generation);
    let told = books.generations.get(&at).copied().unwrap_or_default();
    (changes != told).then(|| format!("changed {changes} times {place} and {told} in the journal"))
}

/// What differs about a hold.
fn hold(place: &str, known: Option<&Owned>, journal: Option<&Owned>) -> Option<String> {
    let (Some(known), Some(journal)) = (known, journal) else {
        let there = if known.is_some() { place } else { "in the journal" };
        return Some(format!("is there {there} only"));
    };
    let differs = |what: &str, one: &dyn Debug, other: &dyn Debug| {
        format!("has {what} {one:?} {place} and {other:?} in the journal")
    };
    let (one, other) = (&known.held, &journal.held);
    if known.phase != journal.phase {
        return Some(differs("phase", &known.phase, &journal.phase));
    }
    if one.deadline != other.deadline {
        return Some(differs("deadline", &one.deadline, &other.deadline));
    }
    (one != other).then(|| differs("places", one, other))
}

fn show(counts: PlaceCounts) -> String {
    let PlaceCounts { free, held, paying, sold, blocked } = counts;
    format!("{free} free, {held} held, {paying} paying, {sold} sold, {blocked} blocked")
}

#[cfg(test)]
mod tests;
