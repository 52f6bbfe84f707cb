//! Whose trace verdicts carry.

use super::owner::payment;
use super::rig::{ACCOUNT, PATIENT, Point, Rig};
use chassis::telemetry::{TraceContext, question, traced};
use schema::{CancelAnswer, CancelBooking, OrderId, codec, subject};

const CONFIRM: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const CANCEL: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

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
    let wanted = CancelBooking { order: OrderId::from(hold), account: ACCOUNT };
    let nats = rig.servers.nats().await;
    let ask = async {
        let question = question(codec::encode(&wanted).into());
        nats.client.send_request(subject::SETTLE_CANCEL, question).await.unwrap()
    };
    let answer = traced("test", TraceContext::parse(CANCEL), ask).await;
    let answer: CancelAnswer = codec::decode(&answer.payload).unwrap();
    assert!(matches!(answer, CancelAnswer::Refunded { .. }), "{answer:?}");
    let untraced = rig.pay(&[2], "tok_ok").await;
    rig.wait_for(untraced, "paid").await;
    rig.rest().await;
    let heard = rig.owner.heard.lock().unwrap().traces.clone();
    let ids = heard.iter().map(|trace| trace.as_deref().map(|trace| &trace[3..35]));
    let expected = [Some(&CONFIRM[3..35]), Some(&CANCEL[3..35]), None];
    assert_eq!(ids.collect::<Vec<_>>(), expected);
    assert!(!heard.contains(&Some(CONFIRM.to_owned())), "each stage has a span of its own");
}
