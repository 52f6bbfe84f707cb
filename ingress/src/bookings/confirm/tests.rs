//! How a hold's state is read as the end of a payment.

use super::{Verdict, judge};
use crate::views::{Hold, HoldState};
use schema::{AccountId, Currency, Held, HoldId, OwnerKind, Released, UnixMillis};

fn hold(state: HoldState, started: u32, declined: u32) -> Hold {
    let held = Held {
        hold: HoldId(1),
        account: AccountId(1),
        owner: OwnerKind::Fan,
        seats: vec![],
        areas: vec![],
        currency: Currency::EUR,
        deadline: Some(UnixMillis(1)),
        pass: None,
    };
    let mut made = Hold::new("EVT001".parse().unwrap(), held);
    (made.state, made.attempt_started, made.attempt_declined) = (state, started, declined);
    made
}

#[test]
fn an_attempt_is_declined_only_by_its_own_or_a_later_decline() {
    assert_eq!(judge(&hold(HoldState::Paying, 1, 0), 1), Verdict::Open);
    assert_eq!(judge(&hold(HoldState::Held, 1, 1), 1), Verdict::Declined);
    assert_eq!(judge(&hold(HoldState::Paying, 2, 1), 2), Verdict::Open, "another card is tried");
    assert_eq!(judge(&hold(HoldState::Paying, 2, 1), 1), Verdict::Declined, "the first one failed");
}

#[test]
fn a_sale_and_a_release_end_every_attempt_that_was_not_declined_before() {
    assert_eq!(judge(&hold(HoldState::Sold, 2, 1), 2), Verdict::Sold);
    assert_eq!(judge(&hold(HoldState::Sold, 2, 1), 1), Verdict::Declined, "its answer stays");
    let cancelled = HoldState::Released(Released::PaymentCancelled);
    assert_eq!(judge(&hold(cancelled, 1, 0), 1), Verdict::Ended);
}
