//! A journal that contradicts itself is found out.

use super::Books;
use schema::{
    AccountId, Batch, Currency, Held, HeldSeat, HoldId, Outcome, OutcomeBody, OwnerKind, Released,
    SeatIdx, UnixMillis,
};

fn held(hold: u128, seats: &[u32]) -> OutcomeBody {
    let seat =
        |&seat: &u32| HeldSeat { seat: SeatIdx(seat), generation: 1, price_level: 0, price: 100 };
    OutcomeBody::SeatsHeld(Held {
        hold: HoldId(hold),
        account: AccountId(1),
        owner: OwnerKind::Fan,
        seats: seats.iter().map(seat).collect(),
        areas: vec![],
        currency: Currency::EUR,
        deadline: Some(UnixMillis(1_000)),
        pass: None,
    })
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
        let batch = Batch { epoch: 1, number: 1, time: UnixMillis(1), outcomes: vec![outcome] };
        books.take(sequence, &batch);
    }
    books.differences
}

#[test]
fn a_journal_in_order_shows_no_difference() {
    let story = vec![held(1, &[1, 2]), released(1), held(2, &[2, 3]), sold(2)];
    assert_eq!(differences(story), Vec::<String>::new());
}

#[test]
fn a_seat_that_two_holds_own_is_found() {
    let found = differences(vec![held(1, &[1, 2]), held(2, &[2, 3])]);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("SEAT-1 EVT002: journal at 3: seat 2 goes to"), "{found:?}");
}

#[test]
fn an_end_or_a_sale_of_a_hold_that_is_not_there_is_found() {
    assert_eq!(differences(vec![sold(1)]).len(), 1);
    assert_eq!(differences(vec![held(1, &[1]), released(1), released(1)]).len(), 1);
}
