//! Cancellations, as ingress asks for them.

use super::crash::healthy;
use super::rig::{ACCOUNT, Point, Rig, asked};
use schema::{AccountId, CancelAnswer, CancelBooking, HoldId, OrderId, subject};

pub(super) async fn ask(rig: &Rig, hold: HoldId, account: AccountId) -> CancelAnswer {
    let wanted = CancelBooking { order: OrderId::from(hold), account };
    asked(rig, subject::SETTLE_CANCEL, &wanted).await
}

#[tokio::test]
async fn a_cancelled_booking_is_refunded_once_and_its_seats_can_be_sold_again() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1, 2], "tok_ok").await;
    let declined = rig.pay(&[3], "tok_declined").await;
    rig.wait_for(hold, "paid").await;
    rig.wait_for(declined, "declined").await;
    assert_eq!(ask(&rig, hold, AccountId(1)).await, CancelAnswer::Unknown, "not hers");
    assert_eq!(ask(&rig, HoldId(1), ACCOUNT).await, CancelAnswer::Unknown);
    assert_eq!(ask(&rig, declined, ACCOUNT).await, CancelAnswer::NotConfirmed);
    let answer = ask(&rig, hold, ACCOUNT).await;
    let CancelAnswer::Refunded { sequence } = answer else { panic!("{answer:?}") };
    assert!(0 < sequence);
    assert_eq!(ask(&rig, hold, ACCOUNT).await, answer, "a repetition");
    let next = rig.pay(&[2], "tok_ok").await;
    rig.wait_for(next, "paid").await;
    rig.rest().await;
    rig.assert_clean().await;
    let balance = "SELECT sum(amount)::BIGINT FROM ledger_entry
        WHERE account = 'provider_clearing'";
    assert_eq!(rig.count(balance).await, 5_000, "one seat is paid for");
    let status = "SELECT count(*) FROM booking_view WHERE status = 'REFUNDED'";
    assert_eq!(rig.count(status).await, 1);
}

#[tokio::test]
async fn a_refund_while_the_money_is_being_taken_gives_all_of_it_back() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let mut holds = Vec::new();
    for seat in 0..20 {
        holds.push(rig.pay(&[seat], "tok_ok").await);
    }
    for hold in holds {
        rig.wait_for(hold, "paid").await;
        let answer = ask(&rig, hold, ACCOUNT).await;
        assert!(matches!(answer, CancelAnswer::Refunded { .. }), "{answer:?}");
    }
    rig.rest().await;
    rig.assert_clean().await;
    assert_eq!(rig.count("SELECT sum(amount)::BIGINT FROM ledger_entry").await, 0);
    let left = "SELECT count(*) FROM sandbox.payment WHERE state = 'captured'";
    assert_eq!(rig.count(left).await, 0);
}

#[tokio::test]
async fn a_refund_that_outlasts_the_wait_is_under_way_and_goes_on() {
    let (rig, hold) = Rig::paid(&[1]).await;
    let _stage = healthy(&rig).await;
    rig.owner.heard.lock().unwrap().deaf = true;
    let answer = ask(&rig, hold, ACCOUNT).await;
    assert_eq!(answer, CancelAnswer::Underway, "its seats are not free yet");
    rig.owner.heard.lock().unwrap().deaf = false;
    rig.rest().await;
    let answer = ask(&rig, hold, ACCOUNT).await;
    assert!(matches!(answer, CancelAnswer::Refunded { .. }), "{answer:?}");
    rig.assert_clean().await;
}
