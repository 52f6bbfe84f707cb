//! How a hold's state is read as the end of a payment.

use super::{Verdict, judge};
use crate::views::{Hold, HoldState};
use schema::{AccountId, Currency, Held, HoldId, OwnerKind, Released, UnixMillis};

const DEADLINE: UnixMillis = UnixMillis(1_000);
const IN_TIME: UnixMillis = UnixMillis(999);

fn hold(state: HoldState, started: u32, declined: u32) -> Hold {
    let held = Held {
        hold: HoldId(1),
        account: AccountId(1),
        owner: OwnerKind::Fan,
        seats: vec![],
        areas: vec![],
        currency: Currency::EUR,
        deadline: Some(DEADLINE),
        pass: None,
    };
    let mut made = Hold::new("EVT001".parse().unwrap(), held);
    (made.state, made.attempt_started, made.attempt_declined) = (state, started, declined);
    made
}

#[test]
fn an_attempt_is_declined_only_by_its_own_or_a_later_decline() {
    let judge = |state, started, declined, attempt| {
        judge(&hold(state, started, declined), attempt, IN_TIME)
    };
    assert_eq!(judge(HoldState::Paying, 1, 0, 1), Verdict::Open);
    assert_eq!(judge(HoldState::Held, 1, 1, 1), Verdict::Declined);
    assert_eq!(judge(HoldState::Paying, 2, 1, 2), Verdict::Open, "another card is tried");
    assert_eq!(judge(HoldState::Paying, 2, 1, 1), Verdict::Declined, "the first one failed");
}

#[test]
fn a_sale_and_a_release_end_every_attempt_that_was_not_declined_before() {
    let judge = |state, declined, attempt| judge(&hold(state, 2, declined), attempt, IN_TIME);
    assert_eq!(judge(HoldState::Sold, 1, 2), Verdict::Sold);
    assert_eq!(judge(HoldState::Sold, 1, 1), Verdict::DeclinedAtLast, "its answer stays");
    let cancelled = HoldState::Released(Released::PaymentCancelled);
    assert_eq!(judge(cancelled, 0, 1), Verdict::Ended);
    assert_eq!(judge(cancelled, 1, 1), Verdict::DeclinedAtLast);
}

#[test]
fn another_card_may_be_tried_until_the_deadline_of_the_hold() {
    let declined = hold(HoldState::Held, 6, 6);
    assert_eq!(judge(&declined, 6, IN_TIME), Verdict::Declined);
    assert_eq!(judge(&declined, 6, DEADLINE), Verdict::DeclinedAtLast);
    let paying = hold(HoldState::Paying, 7, 6);
    assert_eq!(judge(&paying, 6, DEADLINE), Verdict::Declined, "no timer ends a payment");
}
