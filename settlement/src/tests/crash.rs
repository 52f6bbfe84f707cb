//! A process that dies between any two steps, and the next one.

use super::rig::{ACCOUNT, Point, Rig, eventually};
use crate::provider::Verb;
use schema::{CancelAnswer, CancelBooking, HoldId, OrderId, VerdictKind, codec, subject};
use std::time::Duration;

const ON_THE_WAY_TO_TICKETS: [Point; 6] = [
    Point::BeforeCreate,
    Point::AfterCreate,
    Point::Before(Verb::Authorise),
    Point::After(Verb::Authorise),
    Point::Before(Verb::Capture),
    Point::After(Verb::Capture),
];
const ON_THE_WAY_BACK: [Point; 4] = [
    Point::Before(Verb::Fetch),
    Point::After(Verb::Fetch),
    Point::Before(Verb::Refund),
    Point::After(Verb::Refund),
];

#[tokio::test]
async fn a_process_killed_at_any_step_charges_once_and_issues_tickets_once() {
    let mut rig = Rig::start().await;
    let mut holds = Vec::new();
    for (seat, point) in (0..).zip(ON_THE_WAY_TO_TICKETS) {
        let mut stage = rig.stage(point);
        let hold = rig.pay(&[seat * 2, seat * 2 + 1], "tok_ok").await;
        stage.crashed.recv().await.unwrap();
        drop(stage);
        let next = rig.stage(Point::Never);
        rig.wait_for(hold, "paid").await;
        rig.rest().await;
        drop(next);
        holds.push(hold);
    }
    let _last = rig.stage(Point::Never);
    rig.rest().await;
    rig.assert_clean().await;
    for hold in holds {
        assert_eq!(rig.owner.verdicts(hold), [(1, VerdictKind::Sold)]);
    }
    assert_eq!(rig.count("SELECT count(*) FROM ticket").await, 12);
    let charged = "SELECT count(*) FROM sandbox.payment WHERE captured_at IS NOT NULL";
    assert_eq!(rig.count(charged).await, 6);
    assert_eq!(rig.count("SELECT count(*) FROM sandbox.payment").await, 6, "none is created twice");
}

#[tokio::test]
async fn a_process_killed_at_any_step_of_a_refund_pays_back_once() {
    let mut rig = Rig::start().await;
    let mut holds = Vec::new();
    for (seat, point) in (0..).zip(ON_THE_WAY_BACK) {
        let first = rig.stage(Point::Never);
        let hold = rig.pay(&[seat], "tok_ok").await;
        rig.wait_for(hold, "paid").await;
        rig.rest().await;
        drop(first);
        let mut stage = rig.stage(point);
        eventually("the cancellation to begin", || async {
            ask_to_cancel(&rig, hold).await;
            stage_has_begun(&rig, hold).await
        })
        .await;
        stage.crashed.recv().await.unwrap();
        drop(stage);
        let next = rig.stage(Point::Never);
        rig.wait_for(hold, "refunded").await;
        rig.rest().await;
        drop(next);
        holds.push(hold);
    }
    rig.assert_clean().await;
    for hold in holds {
        let expected = [(1, VerdictKind::Sold), (1, VerdictKind::Refunded)];
        assert_eq!(rig.owner.verdicts(hold), expected);
    }
    assert_eq!(rig.count("SELECT count(*) FROM live_seat").await, 0);
}

/// Sends a cancellation without waiting for its answer.
async fn ask_to_cancel(rig: &Rig, hold: HoldId) {
    let wanted = CancelBooking { order: OrderId::from(hold), account: ACCOUNT };
    let nats = rig.servers.nats().await;
    let asked = nats.client.request(subject::SETTLE_CANCEL, codec::encode(&wanted).into());
    if let Ok(Ok(message)) = tokio::time::timeout(Duration::from_millis(300), asked).await {
        let answer: CancelAnswer = codec::decode(&message.payload).unwrap();
        assert!(!matches!(answer, CancelAnswer::Unknown), "{answer:?}");
    }
}

async fn stage_has_begun(rig: &Rig, hold: HoldId) -> bool {
    rig.state(hold).await != "paid"
}
