//! A journal that contradicts itself is found out.

use super::Books;
use schema::{
    AccountId, Batch, Currency, Held, HeldSeat, HoldId, InvariantId, Outcome, OutcomeBody,
    OwnerKind, PassPlace, Released, ReturnedPart, SeatIdx, UnixMillis,
};

/// Each seat comes with its generation.
fn held(hold: u128, seats: &[(u32, u32)]) -> OutcomeBody {
    OutcomeBody::SeatsHeld(places(hold, seats))
}

fn swapped(hold: u128, seats: &[(u32, u32)]) -> OutcomeBody {
    OutcomeBody::SeatsSwapped(places(hold, seats))
}

fn places(hold: u128, seats: &[(u32, u32)]) -> Held {
    let seat = |&(seat, generation): &(u32, u32)| HeldSeat {
        seat: SeatIdx(seat),
        generation,
        price_level: 0,
        price: 100,
    };
    Held {
        hold: HoldId(hold),
        account: AccountId(1),
        owner: OwnerKind::Fan,
        seats: seats.iter().map(seat).collect(),
        areas: vec![],
        currency: Currency::EUR,
        deadline: Some(UnixMillis(1_000)),
        pass: None,
    }
}

fn sold(hold: u128) -> OutcomeBody {
    OutcomeBody::SeatsSold { hold: HoldId(hold), pass: None }
}

fn released(hold: u128) -> OutcomeBody {
    OutcomeBody::HoldReleased { hold: HoldId(hold), why: Released::Expired }
}

fn differences(bodies: Vec<OutcomeBody>) -> Vec<String> {
    let mut books = Books::default();
    for (sequence, body) in (2..).zip(bodies) {
        let event = "EVT002".parse().unwrap();
        let outcome = Outcome { asked: None, event, free_after: 0, body };
        let outcomes = vec![outcome];
        let batch = Batch { epoch: 1, number: 1, time: UnixMillis(1), outcomes, previous: 0 };
        books.take(sequence, &batch);
    }
    books.differences
}

#[test]
fn a_journal_in_order_shows_no_difference() {
    let story = vec![held(1, &[(1, 1), (2, 1)]), released(1), held(2, &[(2, 3), (3, 1)]), sold(2)];
    assert_eq!(differences(story), Vec::<String>::new());
}

#[test]
fn a_seat_that_two_holds_own_is_found() {
    let found = differences(vec![held(1, &[(1, 1), (2, 1)]), held(2, &[(2, 2), (3, 1)])]);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("SEAT-1 EVT002: journal at 3: seat 2 goes to"), "{found:?}");
}

#[test]
fn an_end_or_a_sale_of_a_hold_that_is_not_there_is_found() {
    assert_eq!(differences(vec![sold(1)]).len(), 1);
    assert_eq!(differences(vec![held(1, &[(1, 1)]), released(1), released(1)]).len(), 1);
}

#[test]
fn a_change_of_a_seat_that_the_journal_does_not_tell_is_found() {
    let found = differences(vec![held(1, &[(1, 1)]), released(1), held(2, &[(1, 5)])]);
    assert_eq!(found, ["SEAT-1 EVT002: journal at 4: seat 1 has changed 3 times and says 5"]);
}

#[test]
fn a_swap_of_what_the_journal_does_not_tell_is_found() {
    let before = || held(1, &[(1, 1), (2, 1)]);
    let swap = |seats: &[(u32, u32)]| vec![before(), swapped(1, seats)];
    let whole = [swap(&[(2, 1), (3, 1)]), vec![held(2, &[(1, 3)]), swapped(1, &[(3, 1)])]].concat();
    assert_eq!(differences(whole), Vec::<String>::new());
    assert_eq!(differences(swap(&[(2, 2)])).len(), 1, "a seat that stays has not changed");
    assert_eq!(differences(swap(&[(3, 2)])).len(), 1, "a seat that comes has changed once");
    assert_eq!(differences(vec![swapped(1, &[(1, 1)])]).len(), 1, "of no hold");
    let others = vec![before(), held(2, &[(3, 1)]), swapped(1, &[(3, 2)])];
    assert_eq!(differences(others).len(), 1, "to seats of others");
    let paid = vec![before(), sold(1), swapped(1, &[(3, 1)])];
    assert_eq!(differences(paid).len(), 1, "of what is sold");
}

const PASS: PassPlace = PassPlace { epoch: 1, number: 42 };

/// With a pass; an account buys one place.
fn let_in(hold: u128, account: u128, generation: u32) -> OutcomeBody {
    let seats = places(hold, &[(1, generation)]);
    OutcomeBody::SeatsHeld(Held { account: AccountId(account), pass: Some(PASS), ..seats })
}

fn passes(bodies: Vec<OutcomeBody>) -> Vec<String> {
    let found = differences(bodies);
    let line = format!("{} EVT002: journal at ", InvariantId::Line4);
    assert!(found.iter().all(|found| found.starts_with(&line)), "{found:?}");
    found.iter().map(|found| found.split_once(": ").unwrap().1.to_owned()).collect()
}

#[test]
fn a_pass_that_buys_once_for_its_bearer_is_no_difference() {
    let sold = OutcomeBody::SeatsSold { hold: HoldId(2), pass: Some(PASS) };
    let story = vec![let_in(1, 1, 1), released(1), let_in(2, 1, 3), sold];
    assert_eq!(passes(story), Vec::<String>::new());
}

#[test]
fn a_pass_that_is_spent_or_in_use_or_of_another_is_found() {
    let refund = OutcomeBody::HoldReleased { hold: HoldId(1), why: Released::Refunded };
    for (story, says) in [
        (vec![let_in(1, 1, 1), refund, let_in(2, 1, 3)], "pass 1.42, which is spent"),
        (vec![let_in(1, 1, 1), released(1), let_in(2, 9, 3)], "pass 1.42, which is a-"),
        (vec![let_in(1, 1, 1), sold(1)], "is sold with another pass"),
        (vec![let_in(1, 1, 1), swapped(1, &[(1, 1)])], "swaps its pass"),
    ] {
        let found = passes(story);
        assert!(found.len() == 1 && found[0].contains(says), "{found:?}");
    }
    let twice = vec![let_in(1, 1, 1), {
        let held = places(2, &[(2, 1)]);
        OutcomeBody::SeatsHeld(Held { pass: Some(PASS), ..held })
    }];
    let found = passes(twice);
    assert!(found.len() == 1 && found[0].contains("pass 1.42, while"), "{found:?}");
}

#[test]
fn a_part_of_a_sale_frees_its_seat_and_nothing_else_may_lose_one() {
    let back = |hold, seat| {
        let places = ReturnedPart { hold: HoldId(hold), seats: vec![SeatIdx(seat)], areas: vec![] };
        OutcomeBody::SaleReduced { part: 1, places }
    };
    let bought = || vec![held(1, &[(1, 1), (2, 1)]), sold(1)];
    let then = |bodies: Vec<OutcomeBody>| differences([bought(), bodies].concat());
    let whole = vec![back(1, 1), held(2, &[(1, 4)]), released(1), held(3, &[(2, 4)])];
    assert_eq!(then(whole), Vec::<String>::new());
    for (bodies, says) in [
        (vec![back(1, 3)], "gives up seat 3 that it does not own"),
        (vec![back(1, 1), back(1, 2)], "loses its last place"),
        (vec![back(9, 1)], "shrinks and is not there"),
        (vec![held(2, &[(3, 1), (4, 1)]), back(2, 3)], "goes back while Held"),
        (vec![back(1, 1), held(2, &[(1, 3)])], "has changed 4 times and says 3"),
    ] {
        let found = then(bodies);
        assert!(found.len() == 1 && found[0].contains(says), "{says}: {found:?}");
    }
}

#[test]
fn seats_that_a_partner_sells_leave_its_allotment_first() {
    let sells = |hold, seats: &[(u32, u32)], from: &[u32]| {
        let seats_from = from.iter().copied().map(SeatIdx).collect();
        let part = ReturnedPart { hold: HoldId(1), seats: seats_from, areas: vec![] };
        OutcomeBody::AllottedSold {
            parts: if from.is_empty() { vec![] } else { vec![part] },
            payment: schema::Payment {
                held: Held { owner: schema::OwnerKind::PartnerSale, ..places(hold, seats) },
                attempt: 1,
                method: schema::PARTNER_SALE.into(),
                token: "".into(),
                payment_deadline: UnixMillis(1_000),
                trace: None,
            },
        }
    };
    let allotted = || {
        let held = places(1, &[(1, 1), (2, 1)]);
        OutcomeBody::SeatsHeld(Held { owner: schema::OwnerKind::Allotment, ..held })
    };
    let then = |bodies: Vec<OutcomeBody>| differences([vec![allotted()], bodies].concat());
    let whole = vec![sells(2, &[(1, 3), (3, 1)], &[1]), sold(2), released(2), released(1)];
    assert_eq!(then(whole), Vec::<String>::new());
    for (bodies, says) in [
        (vec![sells(2, &[(1, 2)], &[])], "goes to"),
        (vec![sells(2, &[(1, 2)], &[1])], "has changed 3 times and says 2"),
        (vec![sells(2, &[(3, 1)], &[3])], "gives up seat 3 that it does not own"),
    ] {
        let found = then(bodies);
        assert!(found.iter().any(|line| line.contains(says)), "{says}: {found:?}");
    }
}

#[test]
fn seats_that_late_money_has_change_twice_at_once() {
    let reseated = |hold, seats: &[(u32, u32)]| {
        OutcomeBody::Reseated(schema::Payment {
            held: places(hold, seats),
            attempt: 1,
            method: schema::LATE_MONEY.into(),
            token: "r-1".into(),
            payment_deadline: UnixMillis(1_000),
            trace: None,
        })
    };
    let story = |generation| {
        vec![held(1, &[(1, 1)]), released(1), reseated(2, &[(1, generation)]), sold(2), released(2)]
    };
    assert_eq!(differences(story(3)), Vec::<String>::new());
    assert_eq!(differences(story(4)).len(), 1);
    let mut twice = story(3);
    twice.truncate(4);
    twice.push(reseated(3, &[(1, 6)]));
    let found = differences(twice);
    assert!(found.iter().any(|line| line.contains("while")), "{found:?}");
}
