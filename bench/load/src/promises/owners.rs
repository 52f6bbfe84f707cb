//! SEAT-1: a seat has at most one owner. Of each owner only the time counts in which it certainly
//! was one.

use super::holds::{Hold, Ledger};
use super::map::Area;
use super::span::Span;
use super::steps::Changes;
use crate::record::Place;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Finds seats with two owners at once, in the words of the answers.
pub fn double_owners(event: &str, ledger: &Ledger) -> Vec<String> {
    let mut found = Vec::new();
    let mut owners: BTreeMap<&str, Vec<(Span, &Hold)>> = BTreeMap::new();
    for hold in &ledger.holds {
        found.extend(of_one_hold(event, hold));
        let Some(certain) = hold.certain else { continue };
        for seat in seats(&hold.places) {
            owners.entry(seat).or_default().push((certain, hold));
        }
    }
    for (seat, mut owners) in owners {
        owners.sort_by_key(|(certain, _)| *certain);
        let mut latest: Option<(Span, &Hold)> = None;
        for (span, hold) in owners {
            if let Some((until, other)) = latest
                && span.from < until.to
                && !std::ptr::eq(other, hold)
            {
                let (one, other) = (named(other), named(hold));
                found.push(format!("seat {seat} of {event} is {one}'s and {other}'s at once"));
            }
            if latest.is_none_or(|(until, _)| until.to < span.to) {
                latest = Some((span, hold));
            }
        }
    }
    found
}

/// A reservation names no seat twice and becomes one booking of the same places.
fn of_one_hold(event: &str, hold: &Hold) -> Vec<String> {
    let mut found = Vec::new();
    let mut known = HashSet::new();
    for seat in seats(&hold.places).filter(|seat| !known.insert(*seat)) {
        found.push(format!("{} of {event} names seat {seat} twice", hold.reservation));
    }
    if let [first, second, ..] = &hold.bookings[..] {
        let (one, other) = (&first.id, &second.id);
        found.push(format!("{} of {event} is sold as {one} and as {other}", hold.reservation));
    }
    for booking in &hold.bookings {
        if counted(&booking.places) != counted(&hold.places) {
            let (id, of) = (&booking.id, &hold.reservation);
            found.push(format!("{id} of {event} has other places than its reservation {of}"));
        }
    }
    found
}

/// Finds areas of which more places were certainly owned at once than there are.
pub fn overfull(event: &str, ledger: &Ledger, areas: &[Area]) -> Vec<String> {
    let mut owned: BTreeMap<&str, Changes> = BTreeMap::new();
    for hold in &ledger.holds {
        let Some(certain) = hold.certain else { continue };
        for place in &hold.places {
            if let Place::Area { area, quantity } = place {
                owned.entry(area).or_default().add(certain, *quantity);
            }
        }
    }
    let capacity = |id: &str| {
        let area = areas.iter().find(|area| &*area.id == id);
        area.map_or(0, |area| area.capacity)
    };
    let most = owned.iter().map(|(area, owned)| (*area, owned.most().1, capacity(area)));
    most.filter(|(_, most, capacity)| i64::from(*capacity) < *most)
        .map(|(area, most, capacity)| {
            format!("{most} places of {area} of {event} are owned at once, it has {capacity}")
        })
        .collect()
}

pub fn seats(places: &[Place]) -> impl Iterator<Item = &str> {
    places.iter().filter_map(|place| match place {
        Place::Seat(seat) => Some(&**seat),
        Place::Area { .. } => None,
    })
}

/// Places by name, tickets of an area added up.
pub fn counted(places: &[Place]) -> HashMap<&str, u32> {
    let mut counted = HashMap::new();
    for place in places {
        let (name, quantity) = match place {
            Place::Seat(seat) => (&**seat, 1),
            Place::Area { area, quantity } => (&**area, *quantity),
        };
        *counted.entry(name).or_default() += quantity;
    }
    counted
}

fn named(hold: &Hold) -> &str {
    hold.bookings.first().map_or(&hold.reservation, |booking| &booking.id)
}
