//! A difference planted in any of the three is found.

use super::{LiveSeats, differences};
use crate::audit::journal::{EventBooks, Owned, Phase};
use allocator::{OwnedSeat, OwnerView};
use schema::{
    AccountId, Currency, EventId, Held, HeldSeat, HoldId, OwnerKind, PlaceCounts, SeatIdx,
};

const SEAT: SeatIdx = SeatIdx(4);
const HOLD: HoldId = HoldId(7);

struct Books {
    journal: EventBooks,
    live: LiveSeats,
    owner: OwnerView,
}

/// One seat of ten is sold, and everybody says so.
fn agreed() -> Books {
    let seat = HeldSeat { seat: SEAT, generation: 3, price_level: 0, price: 100 };
    let held = Held {
        hold: HOLD,
        account: AccountId(1),
        owner: OwnerKind::Fan,
        seats: vec![seat],
        areas: vec![],
        currency: Currency::EUR,
        deadline: None,
        pass: None,
    };
    let mut journal = EventBooks { free_after: Some(9), ..EventBooks::default() };
    journal.holds.insert(HOLD, Owned { held, phase: Phase::Sold });
    journal.seats.insert(SEAT, HOLD);
    let seat = OwnedSeat { seat: SEAT, phase: allocator::HoldPhase::Sold, hold: HOLD };
    let counts = PlaceCounts { free: 9, sold: 1, ..PlaceCounts::default() };
    let owner = OwnerView { counts: Some(counts), seats: vec![seat] };
    Books { journal, live: LiveSeats::from([(SEAT, HOLD)]), owner }
}

fn found(change: fn(&mut Books)) -> Vec<String> {
    let event: EventId = "EVT002".parse().unwrap();
    let mut books = agreed();
    change(&mut books);
    let owner = Some(&books.owner);
    differences(&event, Some(10), &books.journal, &books.live, owner).into_iter().collect()
}

fn check(change: fn(&mut Books), beginning: &str) {
    let found = found(change);
    assert!(found.iter().any(|line| line.starts_with(beginning)), "{beginning}: {found:?}");
}

#[test]
fn books_that_agree_show_no_difference() {
    assert_eq!(found(|_| {}), Vec::<String>::new());
    let paying = |books: &mut Books| {
        books.journal.holds.get_mut(&HOLD).unwrap().phase = Phase::Paying;
    };
    let on_the_way = found(paying);
    assert_eq!(on_the_way, Vec::<String>::new(), "the verdict is on its way");
}

#[test]
fn a_difference_in_postgres_is_found() {
    check(|books| books.live.clear(), "ORD-3 EVT002: seat 4 is sold in the journal");
    check(
        |books| assert!(books.live.insert(SeatIdx(5), HOLD).is_none()),
        "ORD-3 EVT002: seat 5 is sold in",
    );
    check(
        |books| assert!(books.live.insert(SEAT, HoldId(8)).is_some()),
        "SEAT-1 EVT002: seat 4 is r-",
    );
}

#[test]
fn a_difference_in_the_journal_is_found() {
    check(|books| books.journal.free_after = Some(8), "SEAT-2 EVT002: 8 free and 1 owned of 10");
    check(
        |books| assert!(books.journal.seats.remove(&SEAT).is_some()),
        "SEAT-1 EVT002: seat 4 is r-",
    );
}

#[test]
fn a_difference_in_the_owners_memory_is_found() {
    check(|books| books.owner.seats.clear(), "SEAT-1 EVT002: seat 4 is nobody's to the owner");
    check(|books| books.owner.counts.as_mut().unwrap().free = 8, "SEAT-2 EVT002: the owner counts");
    let event: EventId = "EVT002".parse().unwrap();
    let books = agreed();
    let silent = differences(&event, Some(10), &books.journal, &books.live, None);
    assert_eq!(silent.len(), 1);
}
