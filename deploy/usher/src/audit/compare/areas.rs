//! SEAT-2 of standing areas, and of the pools that they share.

use super::show;
use crate::audit::journal::EventBooks;
use crate::audit::listed::{Places, Shared};
use allocator::CountsView;
use schema::{AreaIdx, EventId, InvariantId, PlaceCounts};

/// What is counted of each area and pool is what the holds of the journal leave of it.
pub fn differences(
    event: &EventId,
    place: &str,
    books: &EventBooks,
    counts: &CountsView,
    places: &Places,
) -> Vec<String> {
    let all = parts(books, places);
    let (areas, pools) = all.split_at(places.areas.len());
    let mut found = differ("area", event, place, &counts.areas, areas);
    found.extend(differ("pool", event, place, &counts.pools, pools));
    found
}

/// More are taken in the journal than there are.
pub fn overfull(event: &EventId, books: &EventBooks, places: &Places) -> Vec<String> {
    let parts = parts(books, places).into_iter().filter(|part| part.capacity < taken(&part.counts));
    let line = |Part { what, at, capacity, counts }| {
        let taken = taken(&counts);
        let id = InvariantId::Seat2;
        format!("{id} {event}: {what} {at} has {taken} taken of {capacity} in the journal")
    };
    parts.map(line).collect()
}

/// An area or a pool as the journal tells it.
struct Part {
    what: &'static str,
    /// Its position in the plan.
    at: usize,
    capacity: u32,
    counts: PlaceCounts,
}

/// Areas and then pools.
fn parts(books: &EventBooks, places: &Places) -> Vec<Part> {
    let standing = books.standing();
    let part = |what, at, capacity: u32, areas: &[AreaIdx]| {
        let mut counts = PlaceCounts::default();
        for area in areas.iter().filter_map(|area| standing.get(area)) {
            counts.held += area.held;
            counts.paying += area.paying;
            counts.sold += area.sold;
            counts.blocked += area.blocked;
        }
        counts.free = capacity.saturating_sub(taken(&counts));
        Part { what, at, capacity, counts }
    };
    let areas = places.areas.iter().zip(0..).enumerate();
    let areas = areas.map(|(at, (capacity, idx))| part("area", at, *capacity, &[AreaIdx(idx)]));
    let pools = places.pools.iter().enumerate();
    let pools = pools.map(|(at, Shared { capacity, areas })| part("pool", at, *capacity, areas));
    areas.chain(pools).collect()
}

fn taken(counts: &PlaceCounts) -> u32 {
    counts.held + counts.paying + counts.sold + counts.blocked
}

fn differ(
    what: &str,
    event: &EventId,
    place: &str,
    counts: &[PlaceCounts],
    parts: &[Part],
) -> Vec<String> {
    let id = InvariantId::Seat2;
    if counts.len() != parts.len() {
        let (known, listed) = (counts.len(), parts.len());
        return vec![format!("{id} {event}: {known} {what}s {place} and {listed} in the plan")];
    }
    let differing = counts.iter().zip(parts).filter(|(counts, part)| **counts != part.counts);
    let line = |(counts, part): (&PlaceCounts, &Part)| {
        let (at, counts, journal) = (part.at, show(*counts), show(part.counts));
        format!("{id} {event}: {what} {at} has {counts} {place} and {journal} in the journal")
    };
    differing.map(line).collect()
}
