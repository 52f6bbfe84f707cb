//! The checks against the same checks done instant by instant.

use super::script::hall;
use crate::promises::holds::{Hold, Ledger, Loose, Refused};
use crate::promises::map::SeatMap;
use crate::promises::owners::{double_owners, seats};
use crate::promises::refusals::{self, Judged};
use crate::promises::span::Span;
use crate::record::Place;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::HashSet;
use std::time::Duration;

const END: u64 = 30;

fn at(tick: u64) -> Duration {
    Duration::from_millis(tick)
}

fn seat() -> impl Strategy<Value = Box<str>> {
    (1_u32..=2, 1_u32..=5).prop_map(|(row, seat)| format!("A-{row}-{seat}").into())
}

/// Both ends included.
fn ticks() -> impl Strategy<Value = (u64, u64)> {
    (0..END, 0..END / 2).prop_map(|(from, length)| (from, (from + length).min(END)))
}

fn hold() -> impl Strategy<Value = Hold> {
    (vec(seat(), 1..4), ticks(), 0..4_u64, 0..4_u64).prop_map(|(seats, (from, to), early, late)| {
        let seats: HashSet<_> = seats.into_iter().collect();
        Hold {
            reservation: "r".into(),
            places: seats.into_iter().map(Place::Seat).collect(),
            certain: Span::new(at(from), at(to)),
            possible: Span::including(at(from.saturating_sub(early)), at(to + late)),
            bookings: vec![],
        }
    })
}

fn loose() -> impl Strategy<Value = Loose> {
    (vec(seat(), 0..2), 1..3_u32, ticks()).prop_map(|(seats, quantity, (from, to))| Loose {
        quantity: if seats.is_empty() { quantity } else { 0 },
        seats: seats.into(),
        possible: Span::including(at(from), at(to)),
    })
}

fn refused() -> impl Strategy<Value = Refused> {
    let taken = vec(seat(), 1..3).prop_map(|seats| ("SEAT_TAKEN", seats, 0));
    let sold_out = (1..20_u32).prop_map(|quantity| ("SOLD_OUT", vec![], quantity));
    let not_enough = (1..6_u32).prop_map(|quantity| ("NOT_ENOUGH_SEATS", vec![], quantity));
    (prop_oneof![taken, sold_out, not_enough], ticks()).prop_map(|(what, (from, to))| Refused {
        code: what.0.into(),
        seats: what.1.into(),
        quantity: what.2,
        at: Span::including(at(from), at(to)),
    })
}

fn lives(span: Span, tick: u64) -> bool {
    span.from <= at(tick) && at(tick) < span.to
}

/// Seats that somebody may own at an instant: who was told so, and with `untold` who was not.
fn owned<'a>(ledger: &'a Ledger, map: &'a SeatMap, tick: u64, untold: bool) -> HashSet<&'a str> {
    let mut owned = HashSet::new();
    for hold in ledger.holds.iter().filter(|hold| lives(hold.possible, tick)) {
        owned.extend(seats(&hold.places));
    }
    let ever: HashSet<&str> = ledger.holds.iter().flat_map(|hold| seats(&hold.places)).collect();
    let blocked = map.seats().filter(|seat| &*seat.id == "A-2-5");
    owned.extend(blocked.map(|seat| &*seat.id).filter(|seat| !ever.contains(seat)));
    let of_loose = ledger.loose.iter().filter(|loose| untold && lives(loose.possible, tick));
    owned.extend(of_loose.flat_map(|loose| loose.seats.iter().map(|seat| &**seat)));
    owned
}

/// "true", "open" or "false".
fn verdict(ledger: &Ledger, map: &SeatMap, refused: &Refused) -> &'static str {
    let instants: Vec<u64> = (0..=2 * END).filter(|tick| lives(refused.at, *tick)).collect();
    let anywhere = |tick: u64| -> Vec<&Loose> {
        let any = |loose: &&Loose| loose.seats.is_empty() && lives(loose.possible, tick);
        ledger.loose.iter().filter(any).collect()
    };
    let open = instants.iter().any(|tick| !anywhere(*tick).is_empty());
    let quantity = usize::try_from(refused.quantity).unwrap();
    let holds_at = |tick: u64| match &*refused.code {
        "SEAT_TAKEN" => {
            let owned = owned(ledger, map, tick, false);
            refused.seats.iter().any(|seat| owned.contains(&**seat))
        }
        "SOLD_OUT" => {
            let wild: u32 = anywhere(tick).iter().map(|loose| loose.quantity).sum();
            let owned = owned(ledger, map, tick, true).len() + usize::try_from(wild).unwrap();
            20 < quantity + owned
        }
        _ => {
            let owned = owned(ledger, map, tick, true);
            map.rows().all(|row| {
                let free = row.seats.iter();
                let free: Vec<bool> =
                    free.map(|seat| !seat.accessible && !owned.contains(&*seat.id)).collect();
                !free.windows(quantity).any(|run| run.iter().all(|free| *free))
            })
        }
    };
    let untold = |tick: u64| {
        let owned = owned(ledger, map, tick, true);
        refused.seats.iter().any(|seat| owned.contains(&**seat))
    };
    if instants.iter().any(|tick| holds_at(*tick)) {
        return "true";
    }
    let untold = &*refused.code == "SEAT_TAKEN" && instants.iter().any(|tick| untold(*tick));
    if open || untold { "open" } else { "false" }
}

proptest! {
    #[test]
    fn double_owners_are_those_that_every_instant_shows(holds in vec(hold(), 0..8)) {
        let ledger = Ledger { holds, ..Ledger::default() };
        let shows = (0..=2 * END).any(|tick| {
            let mut known = HashSet::new();
            let certain = |hold: &&Hold| hold.certain.is_some_and(|span| lives(span, tick));
            let holds = ledger.holds.iter().filter(certain);
            let mut owned = holds.flat_map(|hold| seats(&hold.places));
            !owned.all(|seat| known.insert(seat))
        });
        prop_assert_eq!(!double_owners("E", &ledger).is_empty(), shows);
    }

    #[test]
    fn refusals_are_judged_as_every_instant_judges_them(
        holds in vec(hold(), 0..10), loose in vec(loose(), 0..3), refused in refused(),
    ) {
        let map = hall();
        let ledger = Ledger { holds, loose, refused: vec![refused], lapsed: vec![] };
        let Judged { open, false_ones, .. } = refusals::judge("E", &ledger, &map);
        let judged = match (open, false_ones.len()) {
            (0, 0) => "true",
            (0, _) => "false",
            _ => "open",
        };
        prop_assert_eq!(judged, verdict(&ledger, &map, &ledger.refused[0]));
    }
}
