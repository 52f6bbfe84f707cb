//! What each sandbox token leads to, and what the fan can do after it.

use super::owner::payment;
use super::rig::{PATIENT, Point, Rig, eventually};
use crate::provider::Verb;
use schema::{Held, Released, VerdictKind};

#[tokio::test]
async fn every_token_does_what_the_contract_says() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let lost = rig.pay(&[1], "tok_lost").await;
    let unknown = rig.pay(&[2], "tok_unknown").await;
    let slow = rig.pay(&[3, 4], "tok_slow").await;
    let declined = rig.pay(&[5], "tok_declined").await;
    let nonsense = rig.pay(&[6], "4111-1111").await;
    let ok = rig.pay(&[7, 8, 9], "tok_ok").await;
    rig.wait_for(ok, "paid").await;
    rig.wait_for(declined, "declined").await;
    rig.wait_for(nonsense, "declined").await;
    assert_eq!(rig.state(slow).await, "paying");
    rig.wait_for(slow, "paid").await;
    assert_eq!(rig.state(unknown).await, "paying", "5 s are not over");
    rig.wait_for(unknown, "paid").await;
    rig.wait_for(lost, "declined").await;
    rig.rest().await;
    rig.assert_clean().await;
    for hold in [ok, slow, unknown] {
        assert_eq!(rig.owner.verdicts(hold), [(1, VerdictKind::Sold)]);
    }
    for hold in [lost, declined, nonsense] {
        assert_eq!(rig.owner.verdicts(hold), [(1, VerdictKind::Declined)]);
    }
    let reason = "SELECT count(*) FROM booking_view WHERE decline_reason = 'never charged'";
    assert_eq!(rig.count(reason).await, 1);
    assert_eq!(rig.count("SELECT count(*) FROM booking_line_view").await, 6);
}

#[tokio::test]
async fn a_declined_fan_may_try_another_card_until_the_hold_ends() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let places = rig.hold(&[1, 2], 0);
    let (hold, other) = (places.hold, rig.hold(&[3], 0));
    let announce = async |held, attempt, token| {
        rig.owner.announce(&rig.event, payment(held, attempt, token, PATIENT), false).await;
    };
    announce(places.clone(), 1, "tok_declined").await;
    announce(other.clone(), 1, "tok_declined").await;
    rig.wait_for(hold, "declined").await;
    rig.wait_for(other.hold, "declined").await;
    // The order's state is that of the attempt before until the next one is read.
    let told = async |count| {
        let what = format!("{count} verdicts");
        eventually(&what, || async { rig.owner.verdicts(hold).len() == count }).await;
        rig.rest().await;
    };
    told(1).await;
    announce(places.clone(), 2, "tok_declined").await;
    told(2).await;
    // A repetition of an old announcement starts nothing: it is told the verdict anew.
    announce(places.clone(), 1, "tok_ok").await;
    told(3).await;
    announce(places, 3, "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    rig.owner.release(&rig.event, other.hold, Released::Expired).await;
    rig.wait_for(other.hold, "cancelled").await;
    rig.rest().await;
    rig.assert_clean().await;
    let declined = VerdictKind::Declined;
    let expected = [(1, declined), (2, declined), (2, declined), (3, VerdictKind::Sold)];
    assert_eq!(rig.owner.verdicts(hold), expected);
}

#[tokio::test]
async fn another_attempt_sells_the_places_that_the_hold_has_then() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let before = rig.hold(&[1, 2], 0);
    let hold = before.hold;
    let after = Held { hold, ..rig.hold(&[2, 3, 4], 0) };
    rig.owner.announce(&rig.event, payment(before, 1, "tok_declined", PATIENT), false).await;
    rig.wait_for(hold, "declined").await;
    rig.rest().await;
    let total = after.total().amount;
    rig.owner.announce(&rig.event, payment(after, 2, "tok_ok", PATIENT), false).await;
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    rig.assert_clean().await;
    let seats = "SELECT sum(seat_idx) FROM live_seat";
    assert_eq!(rig.count(seats).await, 2 + 3 + 4);
    assert_eq!(rig.count("SELECT count(*) FROM ticket").await, 3);
    assert_eq!(rig.count("SELECT amount FROM orders").await, total);
    let charged = "SELECT sum(amount)::BIGINT FROM sandbox.payment WHERE captured_at IS NOT NULL";
    assert_eq!(rig.count(charged).await, total);
}

#[tokio::test]
async fn past_the_payment_deadline_the_payment_is_cancelled_and_then_the_seats_are_free() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let (unknown, late) = (rig.hold(&[1], 0), rig.hold(&[2], 0));
    let holds = [unknown.hold, late.hold];
    // The provider does not know yet when the deadline passes; the other one is late already.
    rig.owner.announce(&rig.event, payment(unknown, 1, "tok_unknown", 700), false).await;
    rig.owner.announce(&rig.event, payment(late, 1, "tok_ok", 0), false).await;
    rig.wait_for(holds[1], "cancelled").await;
    rig.wait_for(holds[0], "cancelling").await;
    rig.wait_for(holds[0], "cancelled").await;
    rig.rest().await;
    rig.assert_clean().await;
    for hold in holds {
        assert_eq!(rig.owner.verdicts(hold), [(1, VerdictKind::Cancelled)]);
    }
    let charged = "SELECT count(*) FROM sandbox.payment WHERE captured_at IS NOT NULL";
    assert_eq!(rig.count(charged).await, 0);
}

#[tokio::test]
async fn a_provider_that_refuses_its_own_payment_keeps_no_seat() {
    let mut rig = Rig::start().await;
    for (seat, point) in [(1, Point::Forgotten), (2, Point::Refused(Verb::Authorise))] {
        let stage = rig.stage(point);
        let places = rig.hold(&[seat], 0);
        let hold = places.hold;
        rig.owner.announce(&rig.event, payment(places.clone(), 1, "tok_ok", PATIENT), false).await;
        rig.wait_for(hold, "review_needed").await;
        rig.rest().await;
        let cancelled = (1, VerdictKind::Cancelled);
        assert_eq!(rig.owner.verdicts(hold), [cancelled], "{point:?}");
        // An owner that asks again has not taken it in: it is told anew.
        rig.owner.announce(&rig.event, payment(places, 1, "tok_ok", PATIENT), true).await;
        eventually("the verdict told anew", || async { rig.owner.verdicts(hold).len() == 2 }).await;
        rig.rest().await;
        drop(stage);
    }
}

#[tokio::test]
async fn money_that_the_provider_will_not_give_back_keeps_no_seat_either() {
    let mut rig = Rig::start().await;
    let first = rig.stage(Point::Never);
    let owner_of_seat = rig.pay(&[1], "tok_ok").await;
    rig.wait_for(owner_of_seat, "paid").await;
    drop(first);
    let _stage = rig.stage(Point::Refused(Verb::Cancel));
    // The same seat once more: the last guard stops the sale, and the money set aside stays there.
    let second = rig.pay(&[1], "tok_ok").await;
    rig.wait_for(second, "review_needed").await;
    rig.rest().await;
    assert_eq!(rig.owner.verdicts(second), [(1, VerdictKind::Cancelled)]);
    assert_eq!(rig.owner.verdicts(owner_of_seat), [(1, VerdictKind::Sold)]);
}
