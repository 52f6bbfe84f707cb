//! A person's end of a review.

use super::cancel;
use super::chargeback::{captured_ago, stands};
use super::crash::healthy;
use super::entrance::{code, scan, ticket};
use super::part;
use super::rig::{ACCOUNT, Point, Rig, eventually};
use super::webhooks;
use crate::provider::Verb;
use crate::{Ending, Reviewed, Sandbox, end_review, under_review};
use schema::{CancelAnswer, Found, HoldId, OrderId, VerdictKind};
use sqlx::Executor as _;
use uuid::Uuid;

const STILL_TAKEN: &str =
    "SELECT count(*) FROM sandbox.payment WHERE state = 'captured' AND back < amount";

async fn end(rig: &Rig, hold: HoldId, ending: Ending) -> Reviewed {
    end_review(&rig.pool, OrderId::from(hold), ending, "looked at by hand").await.unwrap()
}

/// The review is closed, and was long ago.
async fn closed(rig: &Rig, hold: HoldId) {
    rig.wait_for(hold, "review_needed").await;
    let at_work = "SELECT count(*) FROM orders WHERE todo";
    eventually("the drivers to be done", || async { rig.count(at_work).await == 0 }).await;
    assert_eq!(end(rig, hold, Ending::Keep).await, Reviewed::AtWork, "just now");
    let aged = sqlx::query("UPDATE orders SET updated_at = 0 WHERE order_id = $1");
    aged.bind(Uuid::from_u128(hold.0)).execute(&rig.pool).await.unwrap();
}

/// A booking of two seats whose refund the provider has refused.
pub(super) async fn refused(rig: &mut Rig) -> HoldId {
    let stage = rig.stage(Point::Refused(Verb::Refund));
    let hold = rig.pay(&[1, 2], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    assert_eq!(cancel::ask(rig, hold, ACCOUNT).await, CancelAnswer::UnderReview);
    closed(rig, hold).await;
    drop(stage);
    hold
}

#[tokio::test]
async fn a_refused_refund_is_listed_and_goes_back_when_a_person_says_so() {
    let mut rig = Rig::start().await;
    let hold = refused(&mut rig).await;
    let waiting = under_review(&rig.pool).await.unwrap();
    let [one] = &waiting[..] else { panic!("{waiting:?}") };
    assert_eq!((one.order, one.is_sold, one.total.amount), (OrderId::from(hold), true, 10_000));
    assert!(crate::audit(&rig.pool).await.unwrap().iter().any(|line| line.contains("review")));
    assert_eq!(end(&rig, HoldId(1), Ending::Refund).await, Reviewed::NotUnderReview);
    assert_eq!(end(&rig, hold, Ending::Refund).await, Reviewed::Ended);
    assert_eq!(end(&rig, hold, Ending::Refund).await, Reviewed::NotUnderReview, "once");
    let _stage = rig.stage(Point::Never);
    rig.wait_for(hold, "refunded").await;
    rig.rest().await;
    rig.assert_clean().await;
    assert_eq!(rig.count(STILL_TAKEN).await, 0);
    let told = [(1, VerdictKind::Sold), (1, VerdictKind::Refunded)];
    assert_eq!(rig.owner.verdicts(hold), told);
    let kept = "SELECT count(*) FROM review_end WHERE ending = 'refund' AND reason <> ''
        AND note = 'looked at by hand'";
    assert_eq!(rig.count(kept).await, 1);
    assert!(rig.pool.execute("DELETE FROM review_end").await.is_err());
}

#[tokio::test]
async fn a_sale_that_a_person_lets_stand_is_a_booking_like_any_other() {
    let mut rig = Rig::start().await;
    let hold = refused(&mut rig).await;
    assert_eq!(end(&rig, hold, Ending::Keep).await, Reviewed::Ended);
    let _stage = healthy(&rig).await;
    rig.rest().await;
    assert_eq!(rig.state(hold).await, "paid");
    rig.assert_clean().await;
    let answer = cancel::ask(&rig, hold, ACCOUNT).await;
    assert!(matches!(answer, CancelAnswer::Refunded { .. }), "{answer:?}");
    rig.rest().await;
    rig.assert_clean().await;
}

#[tokio::test]
async fn a_part_that_the_provider_refused_goes_on_when_the_sale_stands() {
    let mut rig = Rig::start().await;
    let stage = rig.stage(Point::Refused(Verb::Refund));
    let hold = rig.pay(&[1, 2], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    assert_eq!(part::ask(&rig, ticket(hold, 0), ACCOUNT).await, CancelAnswer::UnderReview);
    closed(&rig, hold).await;
    drop(stage);
    assert_eq!(end(&rig, hold, Ending::Refund).await, Reviewed::PartUnderWay);
    assert_eq!(end(&rig, hold, Ending::Keep).await, Reviewed::Ended);
    let _stage = rig.stage(Point::Never);
    rig.rest().await;
    assert_eq!(rig.state(hold).await, "paid");
    rig.assert_clean().await;
    assert_eq!(rig.count("SELECT sum(back)::BIGINT FROM sandbox.payment").await, 5_000);
}

#[tokio::test]
async fn what_no_cancellation_may_pay_back_no_person_does() {
    let mut rig = Rig::start().await;
    let hold = refused(&mut rig).await;
    let used = "INSERT INTO checkin (order_id, line, scan_id, entrance, account_id, scanned_at,
            recorded_at)
        SELECT order_id, 0, gen_random_uuid(), 'north', gen_random_uuid(), 1, 1 FROM orders";
    rig.pool.execute(used).await.unwrap();
    assert_eq!(end(&rig, hold, Ending::Refund).await, Reviewed::Spent);
    assert_eq!(rig.state(hold).await, "review_needed");
    assert_eq!(end(&rig, hold, Ending::Keep).await, Reviewed::Ended);
    assert_eq!(rig.state(hold).await, "paid");
}

#[tokio::test]
async fn what_a_bank_has_taken_no_person_pays_back() {
    let mut rig = Rig::start().await;
    let hold = refused(&mut rig).await;
    let taken = "INSERT INTO chargeback SELECT 'sandbox', 'dp_1', t.provider_id, order_id, 1,
        o.amount, o.currency, 'lost', 1, 1 FROM orders o JOIN payment_attempt t
            USING (order_id, attempt)";
    rig.pool.execute(taken).await.unwrap();
    assert_eq!(end(&rig, hold, Ending::Refund).await, Reviewed::Disputed);
    assert_eq!(rig.state(hold).await, "review_needed");
    assert_eq!(
        end(&rig, hold, Ending::Keep).await,
        Reviewed::Ended,
        "the sale stands all the same"
    );
}

/// A booking of two whose first ticket was asked back when the bank had its money, and nobody knew.
async fn overtaken(rig: &mut Rig) -> HoldId {
    let hold = rig.pay(&[1, 2], "tok_chargeback").await;
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    // To its end: one that is under way would see the dispute.
    let looked = "SELECT count(*) FROM reconciled WHERE provider = 'sandbox' AND disputes_to > 0";
    eventually("the first look", || async { rig.count(looked).await == 1 }).await;
    rig.pool.execute("UPDATE reconciled SET rest_until = 9000000000000").await.unwrap();
    let gone = "UPDATE sandbox.payment SET captured_at = captured_at - 2000";
    rig.pool.execute(gone).await.unwrap();
    assert_eq!(part::ask(rig, ticket(hold, 0), ACCOUNT).await, CancelAnswer::UnderReview);
    closed(rig, hold).await;
    hold
}

#[tokio::test]
async fn a_ticket_on_its_way_back_stays_when_the_bank_keeps_the_money() {
    let mut rig = webhooks::start().await;
    let promoter = webhooks::Receiver::start(&[]).await;
    webhooks::listen(&rig, webhooks::PROMOTER, &promoter.url(), webhooks::ALL).await;
    let _stage = rig.stage(Point::Never);
    let hold = overtaken(&mut rig).await;
    captured_ago(&rig, 2_000).await;
    stands(&rig, "taken").await;
    let code = code(&rig, ticket(hold, 0)).await;
    let scanned = async |id: u8| scan(&rig, "EVT001", "North", &[(id, &code)]).await;
    assert_eq!(scanned(1).await, [Found::Void], "it is on its way back");
    for ending in [Ending::Keep, Ending::Refund] {
        assert_eq!(end(&rig, hold, ending).await, Reviewed::Disputed, "nobody knows yet");
    }
    captured_ago(&rig, 120_000).await;
    stands(&rig, "lost").await;
    assert_eq!(end(&rig, hold, Ending::Refund).await, Reviewed::Disputed);
    assert_eq!(end(&rig, hold, Ending::Keep).await, Reviewed::Withdrawn);
    assert_eq!(end(&rig, hold, Ending::Keep).await, Reviewed::NotUnderReview, "once");
    let kept = "SELECT kept_line::BIGINT FROM review_end WHERE ending = 'keep'";
    assert_eq!(rig.count(kept).await, 0, "the ticket's line");
    for asked in
        [part::ask(&rig, ticket(hold, 0), ACCOUNT).await, cancel::ask(&rig, hold, ACCOUNT).await]
    {
        assert_eq!(asked, CancelAnswer::Disputed, "as of any booking that a bank has paid back");
    }
    part::assert_whole(&rig).await;
    assert_eq!(rig.state(hold).await, "paid");
    let valid = "SELECT count(*) FROM ticket JOIN live_seat USING (order_id, line)
        WHERE state = 'valid'";
    assert_eq!(rig.count(valid).await, 2);
    assert_eq!(scanned(1).await, [Found::Admitted]);
    assert_eq!(rig.owner.heard.lock().unwrap().parts, [], "its place stays sold");
    assert_eq!(rig.owner.verdicts(hold), [(1, VerdictKind::Sold)]);
    let told: Vec<String> = promoter.got().iter().map(|got| got.kind().to_owned()).collect();
    assert_eq!(told, ["booking.confirmed"], "nobody hears of a refund");
    assert_eq!(rig.count("SELECT count(*) FROM webhook_due").await, 0);
}

#[tokio::test]
async fn what_went_back_alone_is_taken_back_by_nobody() {
    let (rig, hold) = Rig::paid(&[1, 2]).await;
    let _stage = healthy(&rig).await;
    let back = part::ask(&rig, ticket(hold, 0), ACCOUNT).await;
    assert!(matches!(back, CancelAnswer::Refunded { .. }), "{back:?}");
    assert!(rig.pool.execute("DELETE FROM order_part").await.is_err());
}

#[tokio::test]
async fn a_sale_whose_money_was_not_taken_yet_is_taken_or_given_up_as_a_person_says() {
    let mut rig = Rig::start().await;
    let refusing = rig.stage(Point::Refused(Verb::Capture));
    let kept = rig.pay(&[1], "tok_ok").await;
    let back = rig.pay(&[2], "tok_ok").await;
    for hold in [kept, back] {
        closed(&rig, hold).await;
    }
    drop(refusing);
    assert_eq!(end(&rig, kept, Ending::Keep).await, Reviewed::Ended);
    assert_eq!(end(&rig, back, Ending::Refund).await, Reviewed::Ended);
    let _stage = rig.stage(Point::Never);
    rig.wait_for(back, "refunded").await;
    rig.rest().await;
    assert_eq!(rig.state(kept).await, "paid");
    rig.assert_clean().await;
    let taken = "SELECT sum(amount)::BIGINT FROM ledger_entry WHERE account = 'provider_clearing'";
    assert_eq!((rig.count(STILL_TAKEN).await, rig.count(taken).await), (1, 5_000));
}

#[tokio::test]
async fn money_that_somebody_gave_back_at_the_provider_is_told_after_a_sale_was_kept() {
    let mut rig = Rig::start().await;
    let hold = refused(&mut rig).await;
    assert_eq!(end(&rig, hold, Ending::Keep).await, Reviewed::Ended);
    let looked = "SELECT count(*) FROM ended_payment WHERE looks = 0";
    assert_eq!(rig.count(looked).await, 1, "the provider is asked about it soon");
    rig.pool.execute("UPDATE sandbox.payment SET state = 'refunded', back = amount").await.unwrap();
    super::reconcile::age(&rig).await;
    let lines = super::reconcile::reconciled(&rig, &Sandbox::start(&rig.pool)).await;
    assert!(lines[0].contains("its order is paid, and the money is not there"), "{lines:?}");
}

#[tokio::test]
async fn an_order_that_sold_nothing_is_over_when_a_person_says_so() {
    let mut rig = Rig::start().await;
    let first = rig.stage(Point::Never);
    let owner_of_seat = rig.pay(&[1], "tok_ok").await;
    rig.wait_for(owner_of_seat, "paid").await;
    rig.rest().await;
    drop(first);
    let refusing = rig.stage(Point::Refused(Verb::Cancel));
    let second = rig.pay(&[1], "tok_ok").await;
    closed(&rig, second).await;
    rig.rest().await;
    drop(refusing);
    let set_aside = "SELECT count(*) FROM sandbox.payment WHERE state = 'authorised'";
    assert_eq!(rig.count(set_aside).await, 1);
    assert_eq!(end(&rig, second, Ending::Keep).await, Reviewed::Unsold);
    assert_eq!(end(&rig, second, Ending::Refund).await, Reviewed::Ended);
    assert_eq!(rig.state(second).await, "cancelled");
    super::reconcile::age(&rig).await;
    super::reconcile::reconciled(&rig, &Sandbox::start(&rig.pool)).await;
    assert_eq!(rig.count(set_aside).await, 0, "what was set aside is let go");
    rig.assert_clean().await;
    assert_eq!(rig.owner.verdicts(second), [(1, VerdictKind::Cancelled)]);
}
