//! Cancellations, as ingress asks for them.

use super::crash::healthy;
use super::rig::{ACCOUNT, Point, Rig, asked};
use crate::provider::{Cursor, Failure, NewPayment, Page, Payment, Provider, Verb};
use crate::{Config, Sandbox};
use futures_util::future::BoxFuture;
use schema::{AccountId, CancelAnswer, CancelBooking, HoldId, OrderId, subject};
use settlement_core::Seen;
use std::sync::Arc;

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

/// A provider that has nothing to give back from.
#[derive(Debug)]
struct Poor(Sandbox);

impl Provider for Poor {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn create<'a>(&'a self, new: &'a NewPayment) -> BoxFuture<'a, Result<Payment, Failure>> {
        self.0.create(new)
    }

    fn act<'a>(&'a self, id: &'a str, verb: Verb) -> BoxFuture<'a, Result<Seen, Failure>> {
        let verb = if verb == Verb::Refund { Verb::Fetch } else { verb };
        self.0.act(id, verb)
    }

    fn give_back<'a>(&'a self, _: &'a str, _: i64) -> BoxFuture<'a, Result<i64, Failure>> {
        Box::pin(async { Ok(0) })
    }

    fn list<'a>(&'a self, after: &'a Cursor) -> BoxFuture<'a, Result<Page, Failure>> {
        self.0.list(after)
    }
}

#[tokio::test]
async fn refunds_that_are_refused_for_long_keep_no_new_payment_out() {
    let mut rig = Rig::start().await;
    let narrow = |config: &mut Config| config.orders_max = 1;
    let _stage = rig.stage_at(|pool| vec![Arc::new(Poor(Sandbox::start(pool)))], narrow);
    let hold = rig.pay(&[1], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    assert_eq!(ask(&rig, hold, ACCOUNT).await, CancelAnswer::Underway);
    let next = rig.pay(&[2], "tok_ok").await;
    rig.wait_for(next, "paid").await;
    assert_eq!(rig.state(hold).await, "refunding");
}
