//! Whose trace verdicts carry.

use super::owner::payment;
use super::rig::{ACCOUNT, PATIENT, Point, Rig};
use chassis::telemetry::{TraceContext, question, traced};
use schema::{CancelAnswer, CancelBooking, HoldId, OrderId, codec, subject};

const CONFIRM: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const CANCEL: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Cancels in a trace of its own, and waits for the refund.
async fn cancel(rig: &Rig, hold: HoldId) {
    let wanted = CancelBooking { order: OrderId::from(hold), account: ACCOUNT };
    let nats = rig.servers.nats().await;
    let ask = async {
        let question = question(codec::encode(&wanted).into());
        nats.client.send_request(subject::SETTLE_CANCEL, question).await.unwrap()
    };
    let answer = traced("test", TraceContext::parse(CANCEL), ask).await;
    let answer: CancelAnswer = codec::decode(&answer.payload).unwrap();
    assert!(matches!(answer, CancelAnswer::Refunded { .. }), "{answer:?}");
}

/// The trace's id of each verdict, in the order in which they were heard.
fn heard(rig: &Rig) -> Vec<Option<String>> {
    let heard = rig.owner.heard.lock().unwrap();
    heard.traces.iter().map(|trace| trace.as_deref().map(|trace| trace[3..35].to_owned())).collect()
}

#[tokio::test]
async fn a_refund_that_overtakes_the_capture_is_told_in_the_trace_of_its_cancellation() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    for seat in 0..10 {
        let hold = rig.pay(&[seat], "tok_ok").await;
        rig.wait_for(hold, "paid").await;
        cancel(&rig, hold).await;
    }
    let in_turns = [None, Some(CANCEL[3..35].to_owned())];
    assert_eq!(heard(&rig), [&in_turns[..]; 10].concat());
}

#[tokio::test]
async fn a_sale_is_told_in_the_trace_of_its_confirm_and_a_refund_in_that_of_its_cancellation() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let places = rig.hold(&[1], 0);
    let hold = places.hold;
    let mut payment = payment(places, 1, "tok_ok", PATIENT);
    payment.trace = Some(CONFIRM.into());
    rig.owner.announce(&rig.event, payment, false).await;
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    cancel(&rig, hold).await;
    let untraced = rig.pay(&[2], "tok_ok").await;
    rig.wait_for(untraced, "paid").await;
    rig.rest().await;
    let expected = [Some(CONFIRM[3..35].to_owned()), Some(CANCEL[3..35].to_owned()), None];
    assert_eq!(heard(&rig), expected);
    let heard = rig.owner.heard.lock().unwrap().traces.clone();
    assert!(!heard.contains(&Some(CONFIRM.to_owned())), "each stage has a span of its own");
}
