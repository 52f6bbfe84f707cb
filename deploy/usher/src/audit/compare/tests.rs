//! A difference planted in any of the three is found.

use super::{Live, differences};
use crate::audit::journal::{EventBooks, Owned, Phase};
use allocator::{HoldPhase, OwnedSeat, OwnerView};
use schema::{
    AccountId, AreaIdx, Currency, EventId, Held, HeldArea, HeldSeat, HoldId, OwnerKind,
    PlaceCounts, SeatIdx,
};

const SEAT: SeatIdx = SeatIdx(4);
const AREA: AreaIdx = AreaIdx(1);
const HOLD: HoldId = HoldId(7);

struct Books {
    journal: EventBooks,
    live: Live,
    owner: OwnerView,
}

/// One seat and two standing places of ten are sold, and everybody says so.
fn agreed() -> Books {
    let seat = HeldSeat { seat: SEAT, generation: 3, price_level: 0, price: 100 };
    let held = Held {
        hold: HOLD,
        account: AccountId(1),
        owner: OwnerKind::Fan,
        seats: vec![seat],
        areas: vec![HeldArea { area: AREA, quantity: 2, price_level: 1, price: 50 }],
        currency: Currency::EUR,
        deadline: None,
        pass: None,
    };
    let mut journal = EventBooks { free_after: Some(7), ..EventBooks::default() };
    journal.holds.insert(HOLD, Owned { held, phase: Phase::Sold });
    journal.seats.insert(SEAT, HOLD);
    journal.areas.insert(AREA, 2);
    let seat = OwnedSeat { seat: SEAT, phase: HoldPhase::Sold, hold: HOLD };
    let counts = PlaceCounts { free: 7, sold: 3, ..PlaceCounts::default() };
    let owner = OwnerView { counts: Some(counts), seats: vec![seat] };
    let live = Live { seats: [(SEAT, HOLD)].into(), areas: [(AREA, 2)].into() };
    Books { journal, live, owner }
}

fn found(change: impl FnOnce(&mut Books)) -> Vec<String> {
    let event: EventId = "EVT002".parse().unwrap();
    let mut books = agreed();
    change(&mut books);
    let owner = Some(&books.owner);
    differences(&event, Some(10), &books.journal, &books.live, owner).into_iter().collect()
}

fn check(change: impl FnOnce(&mut Books), beginning: &str) {
    let found = found(change);
    assert!(found.iter().any(|line| line.starts_with(beginning)), "{beginning}: {found:?}");
}

#[test]
fn books_that_agree_show_no_difference() {
    assert_eq!(found(|_| {}), Vec::<String>::new());
    let on_the_way = found(|books| turn(books, Phase::Paying));
    assert_eq!(on_the_way, Vec::<String>::new(), "the verdict is on its way");
}

fn turn(books: &mut Books, phase: Phase) {
    books.journal.holds.get_mut(&HOLD).unwrap().phase = phase;
}

#[test]
fn a_difference_in_postgres_is_found() {
    check(|books| books.live.seats.clear(), "ORD-3 EVT002: seat 4 is sold in the journal");
    check(
        |books| assert!(books.live.seats.insert(SeatIdx(5), HOLD).is_none()),
        "ORD-3 EVT002: seat 5 is sold in",
    );
    check(
        |books| assert!(books.live.seats.insert(SEAT, HoldId(8)).is_some()),
        "SEAT-1 EVT002: seat 4 is r-",
    );
}

#[test]
fn standing_places_that_one_of_the_two_has_not_sold_are_found() {
    let fewer = "ORD-3 EVT002: area 1 has 0 sold in Postgres and 2 in the journal";
    check(|books| books.live.areas.clear(), fewer);
    let more = "ORD-3 EVT002: area 1 has 3 sold in Postgres and 2 in the journal";
    check(|books| assert!(books.live.areas.insert(AREA, 3).is_some()), more);
    let unknown = "ORD-3 EVT002: area 2 has 1 sold in Postgres and 0 in the journal";
    check(|books| assert!(books.live.areas.insert(AreaIdx(2), 1).is_none()), unknown);
    let none_of_it_paying = |books: &mut Books| {
        turn(books, Phase::Paying);
        books.live = Live::default();
    };
    assert_eq!(found(none_of_it_paying), Vec::<String>::new(), "the sale is not committed yet");
    let more_than_paying = |books: &mut Books| {
        turn(books, Phase::Paying);
        assert!(books.live.areas.insert(AREA, 3).is_some());
    };
    check(more_than_paying, "ORD-3 EVT002: area 1 has 3 sold in Postgres and 0 in the journal");
}

#[test]
fn a_hold_that_the_owner_has_elsewhere_in_its_life_is_found() {
    let planted = [
        (Phase::Sold, HoldPhase::Held, "Held to the owner and Sold in the journal"),
        (Phase::Sold, HoldPhase::Paying, "Paying to the owner and Sold in the journal"),
        (Phase::Held, HoldPhase::Sold, "Sold to the owner and Held in the journal"),
        (Phase::Blocked, HoldPhase::Held, "Held to the owner and Blocked in the journal"),
        (Phase::Paying, HoldPhase::Blocked, "Blocked to the owner and Paying in the journal"),
    ];
    for (journal, owner, expected) in planted {
        let found = found(|books| {
            turn(books, journal);
            books.owner.seats[0].phase = owner;
        });
        assert!(found.contains(&format!("SEAT-1 EVT002: seat 4 is {expected}")), "{found:?}");
    }
    let ahead = found(|books| {
        turn(books, Phase::Held);
        books.live = Live::default();
        books.owner.seats[0].phase = HoldPhase::Paying;
    });
    assert_eq!(ahead, Vec::<String>::new(), "the payment began after the journal was read");
}

#[test]
fn a_difference_in_the_journal_is_found() {
    check(|books| books.journal.free_after = Some(8), "SEAT-2 EVT002: 8 free and 3 owned of 10");
    check(
        |books| assert!(books.journal.seats.remove(&SEAT).is_some()),
        "SEAT-1 EVT002: seat 4 is r-",
    );
}

#[test]
fn a_difference_in_the_owners_memory_is_found() {
    check(|books| books.owner.seats.clear(), "SEAT-1 EVT002: seat 4 is nobody's to the owner");
    check(|books| books.owner.counts.as_mut().unwrap().free = 8, "SEAT-2 EVT002: the owner counts");
    let free = "SEAT-2 EVT002: 8 free to the owner and 7 in the journal";
    check(|books| books.owner.counts.as_mut().unwrap().free = 8, free);
    let event: EventId = "EVT002".parse().unwrap();
    let books = agreed();
    let silent = differences(&event, Some(10), &books.journal, &books.live, None);
    assert_eq!(silent.len(), 1);
}
