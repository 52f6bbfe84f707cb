//! A difference planted in any of them is found.

use super::{Live, Witness, counts, likeness, postgres, state};
use crate::audit::journal::{self, EventBooks, Owned};
use crate::audit::listed::{Places, Shared};
use allocator::{CountsView, EventView, HoldPhase, PassUse, SeatView};
use schema::{
    AccountId, AreaIdx, Currency, EventId, Held, HeldArea, HeldSeat, HoldId, OwnerKind, PassPlace,
    PlaceCounts, SeatIdx, UnixMillis,
};

const SEAT: SeatIdx = SeatIdx(4);
const AREA: AreaIdx = AreaIdx(1);
const HOLD: HoldId = HoldId(7);
const PASS: PassPlace = PassPlace { epoch: 1, number: 42 };

struct Books {
    journal: EventBooks,
    live: Live,
    view: EventView,
}

/// One seat, and two areas that share nine places.
fn places() -> Places {
    let shared = Shared { capacity: 9, areas: vec![AreaIdx(0), AREA] };
    Places { total: 10, areas: vec![5, 6], pools: vec![shared] }
}

/// One seat and two standing places of ten are sold with a pass, and everybody says so.
fn agreed() -> Books {
    let seat = HeldSeat { seat: SEAT, generation: 1, price_level: 0, price: 100 };
    let held = Held {
        hold: HOLD,
        account: AccountId(1),
        owner: OwnerKind::Fan,
        seats: vec![seat],
        areas: vec![HeldArea { area: AREA, quantity: 2, price_level: 1, price: 50 }],
        currency: Currency::EUR,
        deadline: None,
        pass: Some(PASS),
    };
    let mut journal = EventBooks { free_after: Some(7), ..EventBooks::default() };
    journal.holds.insert(HOLD, Owned { held: held.clone(), phase: HoldPhase::Sold });
    journal.seats.insert(SEAT, HOLD);
    journal.generations.insert(SEAT, 3);
    journal.areas.insert(AREA, 2);
    journal.bought.insert(HOLD, held.clone());
    journal.sold_before.insert(HOLD);
    let used = PassUse { account: held.account, hold: Some(HOLD), spent: true };
    journal.passes.insert(PASS, used);
    let phase = Some(HoldPhase::Sold);
    let view = EventView {
        event: event(),
        counts: Some(CountsView {
            all: PlaceCounts { free: 7, sold: 3, ..PlaceCounts::default() },
            areas: vec![
                PlaceCounts { free: 5, ..PlaceCounts::default() },
                PlaceCounts { free: 4, sold: 2, ..PlaceCounts::default() },
            ],
            pools: vec![PlaceCounts { free: 7, sold: 2, ..PlaceCounts::default() }],
        }),
        seats: vec![SeatView { seat: SEAT, generation: 3, phase, hold: Some(HOLD) }],
        holds: vec![(HoldPhase::Sold, held)],
        passes: vec![(PASS, used)],
    };
    let live = Live { seats: [(SEAT, HOLD)].into(), areas: [((HOLD, AREA), 2)].into() };
    Books { journal, live, view }
}

fn event() -> EventId {
    "EVT002".parse().unwrap()
}

fn found(change: impl FnOnce(&mut Books)) -> Vec<String> {
    let mut books = agreed();
    change(&mut books);
    let Books { journal, live, view } = &books;
    let mut found = postgres(&event(), journal, live);
    found.extend(counts(&event(), Some(&places()), journal));
    found.extend(state(&event(), Witness::Owner, journal, view, Some(&places())));
    found.into_iter().collect()
}

fn check(change: impl FnOnce(&mut Books), expected: &str) {
    let found = found(change);
    let expected = expected.replace("HOLD", &HOLD.to_string());
    assert!(found.contains(&expected), "{expected}: {found:#?}");
}

#[test]
fn books_that_agree_show_no_difference() {
    assert_eq!(found(|_| {}), Vec::<String>::new());
}

#[test]
fn books_that_begin_with_a_checkpoint_agree_with_it() {
    let Books { live, view, .. } = agreed();
    let mut books = journal::Books::default();
    books.begin(std::slice::from_ref(&view));
    books.mark();
    let books = &books.events[&event()];
    assert_eq!((books.owned_count(), books.free_after), (3, None));
    let none = Vec::<String>::new();
    assert_eq!(counts(&event(), Some(&places()), books), none, "nobody has said what is free");
    assert!(postgres(&event(), books, &live).is_empty());
    let found = |view| state(&event(), Witness::Checkpoint, books, view, Some(&places()));
    assert!(found(&view).is_empty());
    let without = EventView { passes: Vec::new(), ..view.clone() };
    assert_eq!(found(&without).len(), 1, "a checkpoint without its pass");
    let blank = EventView { seats: Vec::new(), holds: Vec::new(), ..view.clone() };
    assert!(!found(&blank).is_empty());
}

#[test]
fn a_sale_or_a_refund_on_its_way_is_no_difference() {
    let paying = found(|books| {
        books.journal.holds.get_mut(&HOLD).unwrap().phase = HoldPhase::Paying;
        books.journal.sold_before.clear();
        books.view.holds[0].0 = HoldPhase::Paying;
        books.view.seats[0].phase = Some(HoldPhase::Paying);
        books.journal.passes.get_mut(&PASS).unwrap().spent = false;
        books.view.passes[0].1.spent = false;
        let counts = books.view.counts.as_mut().unwrap();
        for counts in [&mut counts.all, &mut counts.areas[1], &mut counts.pools[0]] {
            counts.paying = std::mem::take(&mut counts.sold);
        }
    });
    assert_eq!(paying, Vec::<String>::new(), "sold in Postgres, the verdict is on its way");
    let just_sold = found(|books| {
        books.journal.sold_before.clear();
        books.live = Live::default();
    });
    assert_eq!(just_sold, Vec::<String>::new(), "sold after Postgres was asked");
}

#[test]
fn a_difference_in_postgres_is_found() {
    check(
        |books| books.live.seats.clear(),
        "ORD-3 EVT002: seat 4 is sold to HOLD in the journal only",
    );
    check(
        |books| assert!(books.live.seats.insert(SeatIdx(5), HOLD).is_none()),
        "ORD-3 EVT002: seat 5 is sold to HOLD in Postgres only",
    );
    let other = HoldId(8);
    check(
        |books| assert!(books.live.seats.insert(SEAT, other).is_some()),
        &format!("SEAT-1 EVT002: seat 4 is {other}'s in Postgres and HOLD's in the journal"),
    );
}

#[test]
fn standing_places_that_one_of_the_two_has_not_sold_are_found() {
    check(
        |books| books.live.areas.clear(),
        "ORD-3 EVT002: HOLD bought of area 1 0 places in Postgres and 2 in the journal",
    );
    check(
        |books| assert!(books.live.areas.insert((HOLD, AREA), 3).is_some()),
        "ORD-3 EVT002: HOLD bought of area 1 3 places in Postgres and 2 in the journal",
    );
    check(
        |books| assert!(books.live.areas.insert((HOLD, AreaIdx(2)), 1).is_none()),
        "ORD-3 EVT002: HOLD bought of area 2 1 places in Postgres and 0 in the journal",
    );
}

#[test]
fn a_difference_in_the_journal_is_found() {
    check(
        |books| books.journal.free_after = Some(8),
        "SEAT-2 EVT002: 8 free and 3 owned of 10 in the journal",
    );
}

#[test]
fn a_difference_in_the_words_of_the_seats_is_found() {
    check(
        |books| books.view.seats.clear(),
        "SEAT-1 EVT002: seat 4 is nobody's to the owner and HOLD's in the journal",
    );
    check(
        |books| books.view.seats[0].phase = Some(HoldPhase::Held),
        "SEAT-1 EVT002: seat 4 is Held to the owner and Sold in the journal",
    );
    check(
        |books| books.view.seats[0].hold = None,
        "SEAT-1 EVT002: seat 4 is Sold to the owner without a hold",
    );
    check(
        |books| books.view.seats[0].generation = 2,
        "SEAT-1 EVT002: seat 4 changed 2 times to the owner and 3 in the journal",
    );
}

#[test]
fn a_difference_in_the_holds_and_counts_is_found() {
    check(|books| books.view.holds.clear(), "SEAT-1 EVT002: HOLD is there in the journal only");
    check(|books| books.journal.holds.clear(), "SEAT-1 EVT002: HOLD is there to the owner only");
    check(
        |books| books.view.holds[0].0 = HoldPhase::Paying,
        "SEAT-1 EVT002: HOLD has phase Paying to the owner and Sold in the journal",
    );
    check(
        |books| books.view.holds[0].1.deadline = Some(UnixMillis(5)),
        "SEAT-1 EVT002: HOLD has deadline Some(UnixMillis(5)) to the owner and None in the journal",
    );
    let fewer = found(|books| books.view.holds[0].1.areas.clear());
    assert!(fewer[0].contains("has places Held"), "{fewer:?}");
    check(
        |books| books.view.counts.as_mut().unwrap().all.sold = 2,
        "SEAT-2 EVT002: 7 free, 0 held, 0 paying, 2 sold, 0 blocked to the owner and 7 free, \
         0 held, 0 paying, 3 sold, 0 blocked in the journal",
    );
}

#[test]
fn a_difference_in_one_area_or_pool_is_found_though_the_event_has_none() {
    fn view(books: &mut Books) -> &mut CountsView {
        books.view.counts.as_mut().unwrap()
    }
    check(
        |books| view(books).areas[1] = PlaceCounts { free: 5, sold: 1, ..PlaceCounts::default() },
        "SEAT-2 EVT002: area 1 has 5 free, 0 held, 0 paying, 1 sold, 0 blocked to the owner and \
         4 free, 0 held, 0 paying, 2 sold, 0 blocked in the journal",
    );
    check(
        |books| view(books).areas[0].free = 4,
        "SEAT-2 EVT002: area 0 has 4 free, 0 held, 0 paying, 0 sold, 0 blocked to the owner and \
         5 free, 0 held, 0 paying, 0 sold, 0 blocked in the journal",
    );
    check(
        |books| view(books).pools[0].free = 9,
        "SEAT-2 EVT002: pool 0 has 9 free, 0 held, 0 paying, 2 sold, 0 blocked to the owner and \
         7 free, 0 held, 0 paying, 2 sold, 0 blocked in the journal",
    );
    check(
        |books| view(books).pools.clear(),
        "SEAT-2 EVT002: 0 pools to the owner and 1 in the plan",
    );
    let more = HeldArea { area: AREA, quantity: 7, price_level: 1, price: 50 };
    check(
        |books| books.journal.holds.get_mut(&HOLD).unwrap().held.areas = vec![more],
        "SEAT-2 EVT002: area 1 has 7 taken of 6 in the journal",
    );
}

#[test]
fn a_difference_in_the_passes_is_found() {
    let account = AccountId(1);
    check(
        |books| books.view.passes[0].1.spent = false,
        &format!(
            "LINE-4 EVT002: pass 1.42 is {account}'s (HOLD, not spent) to the owner and \
             {account}'s (HOLD, spent) in the journal"
        ),
    );
    check(
        |books| books.view.passes[0].1.hold = None,
        &format!(
            "LINE-4 EVT002: pass 1.42 is {account}'s (no hold, spent) to the owner and \
             {account}'s (HOLD, spent) in the journal"
        ),
    );
    check(
        |books| books.view.passes.clear(),
        &format!(
            "LINE-4 EVT002: pass 1.42 is nobody's to the owner and {account}'s (HOLD, spent) in \
             the journal"
        ),
    );
    check(
        |books| books.journal.passes.clear(),
        &format!(
            "LINE-4 EVT002: pass 1.42 is {account}'s (HOLD, spent) to the owner and nobody's in \
             the journal"
        ),
    );
}

#[test]
fn two_lines_are_alike_when_only_counts_differ() {
    let line = |free| format!("SEAT-2 EVT002: {free} free, 3 owned: of 10 in r-01ab");
    assert_eq!(likeness(&line(7)), likeness(&line(8)));
    assert_eq!(likeness(&line(7)), "SEAT-2 EVT002: # free, # owned: of # in r-01ab");
}
