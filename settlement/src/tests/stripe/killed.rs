//! A process that is killed between any two requests to Stripe, and what the others make of it.

use super::events::{intent_of, signed};
use super::{CARD, PRICE, REFUSED, World, order};
use crate::config::FOUND_AFTER;
use crate::testing::{AtStripe, Deed, Fault};
use crate::tests::crash::{answers, look_is_due};
use crate::tests::entrance::ticket;
use crate::tests::kill::{Doomed, Work, deaths};
use crate::tests::part;
use crate::tests::rig::{ACCOUNT, PATIENT, eventually};
use chassis::{Death, Side};
use schema::{
    CancelAnswer, CancelBooking, CancelTicket, HoldId, OrderId, ProviderEvent, ProviderEventAnswer,
    VerdictKind, codec, subject,
};
use std::time::Duration;

pub(in crate::tests) const CHARGED: [&str; 4] =
    ["send a creation", "send a confirmation", "ask for an intent", "send a capture"];
pub(in crate::tests) const CLOSED: [&str; 2] = ["ask for an intent", "send a cancellation"];
/// How the payment is, before a refund, and after it.
pub(in crate::tests) const REFUNDED: [(&str, u32); 4] = [
    ("ask for an intent", 1),
    ("ask for an intent", 2),
    ("send a refund", 1),
    ("ask for an intent", 3),
];
/// The same of a ticket, whose order is not asked about before.
const REFUNDED_IN_PART: [(&str, u32); 3] =
    [("ask for an intent", 1), ("send a refund", 1), ("ask for an intent", 2)];
/// Of a payment of an order that was given up, and of money of no order.
const VOIDED: &str = "send a cancellation";
const RETURNED: &str = "send a refund";
pub(in crate::tests) const TOLD: [&str; 5] = [
    "look up an event",
    "read a payment",
    "ask for an intent",
    "ask for a dispute",
    "note an event",
];
pub(in crate::tests) const LISTED: [&str; 2] = ["ask for intents", "ask for disputes"];
/// Where Stripe does not tell how a payment is, nor a part of its list.
pub(in crate::tests) const UNTOLD: [&str; 2] = ["put a look off", "note a part that was not told"];

/// Of one request.
const TRIES: u32 = 3;

impl World {
    fn doomed(&self, death: Death) -> Doomed {
        let work = Work::Charges { base: self.proxy.base.clone() };
        Doomed::start(&self.rig, death, &work)
    }

    async fn killed(&self, death: Death) {
        self.doomed(death).dies().await;
    }

    /// Orders of so many seats each, paid and at rest, and no process.
    async fn paid(&mut self, orders: usize, seats: u32) -> Vec<HoldId> {
        let _stage = self.stage();
        let mut holds = Vec::new();
        for number in 0..u32::try_from(orders).unwrap() {
            let seats: Vec<u32> = (seats * number..seats * (number + 1)).collect();
            holds.push(self.pay_for(&seats, CARD, &[], PATIENT).await);
        }
        for &hold in &holds {
            self.rig.wait_for(hold, "paid").await;
        }
        self.rest().await;
        holds
    }
}

#[tokio::test]
async fn a_card_is_charged_once_whatever_is_killed_between_two_requests() {
    let mut world = World::start().await;
    let mut holds = Vec::new();
    for (seat, death) in (0..).zip(Death::all(&CHARGED)) {
        holds.push(world.pay(seat, CARD, &[]).await);
        world.killed(death).await;
    }
    let _stage = world.stage();
    for &hold in &holds {
        world.rig.wait_for(hold, "paid").await;
    }
    world.rest().await;
    for hold in holds {
        let AtStripe { charges, taken, returned, set_aside, .. } = world.money(hold).await;
        assert_eq!((charges, taken, returned, set_aside), (1, PRICE, 0, 0), "{hold}");
        assert_eq!(world.rig.owner.verdicts(hold), [(1, VerdictKind::Sold)]);
    }
}

#[tokio::test]
async fn a_refused_card_leaves_nothing_to_be_paid_whatever_is_killed_between_two_requests() {
    let mut world = World::start().await;
    let mut holds = Vec::new();
    for (seat, death) in (0..).zip(Death::all(&CLOSED)) {
        holds.push(world.pay(seat, REFUSED, &[]).await);
        world.killed(death).await;
    }
    let _stage = world.stage();
    for &hold in &holds {
        world.rig.wait_for(hold, "declined").await;
    }
    world.rest().await;
    for hold in holds {
        let closed = AtStripe { intents: 1, cancelled: 1, ..AtStripe::default() };
        assert_eq!(world.money(hold).await, closed);
        assert_eq!(world.rig.owner.verdicts(hold), [(1, VerdictKind::Declined)]);
    }
}

#[tokio::test]
async fn money_goes_back_once_whatever_is_killed_between_two_requests() {
    let mut world = World::start().await;
    let deaths = deaths(&REFUNDED);
    let holds = world.paid(deaths.len(), 1).await;
    for (&hold, death) in holds.iter().zip(deaths) {
        let wanted = CancelBooking { order: OrderId::from(hold), account: ACCOUNT };
        world.doomed(death).dies_asked(&world.rig, subject::SETTLE_CANCEL, &wanted).await;
        // The next one asks about its own alone.
        let _stage = world.stage();
        answers(&world.rig).await;
        world.cancel(hold).await;
        world.rest().await;
    }
    for hold in holds {
        let AtStripe { charges, taken, returned, .. } = world.money(hold).await;
        assert_eq!((charges, taken, returned), (1, PRICE, PRICE), "{hold}");
        let told = [(1, VerdictKind::Sold), (1, VerdictKind::Refunded)];
        assert_eq!(world.rig.owner.verdicts(hold), told);
    }
}

#[tokio::test]
async fn a_ticket_is_paid_back_once_whatever_is_killed_between_two_requests() {
    let mut world = World::start().await;
    let deaths = deaths(&REFUNDED_IN_PART);
    let holds = world.paid(deaths.len(), 2).await;
    for (&hold, death) in holds.iter().zip(deaths) {
        let wanted = CancelTicket { ticket: ticket(hold, 1), account: ACCOUNT };
        world.doomed(death).dies_asked(&world.rig, subject::SETTLE_CANCEL_TICKET, &wanted).await;
        let _stage = world.stage();
        answers(&world.rig).await;
        eventually("a ticket to be paid back", || async {
            let answer = part::ask(&world.rig, ticket(hold, 1), ACCOUNT).await;
            matches!(answer, CancelAnswer::Refunded { .. })
        })
        .await;
        world.rest().await;
    }
    for hold in holds {
        let AtStripe { charges, taken, returned, .. } = world.money(hold).await;
        assert_eq!((charges, taken, returned), (1, 2 * PRICE, PRICE), "{hold}");
    }
}

#[tokio::test]
async fn a_payment_that_is_given_up_is_closed_whatever_is_killed_between_two_requests() {
    let mut world = World::start().await;
    let mut holds = Vec::new();
    let created = Death { what: "send a confirmation", side: Side::Before, passes: 1 };
    for (seat, death) in (0..).zip(Death::all(&[VOIDED])) {
        holds.push(world.pay(seat, CARD, &[]).await);
        world.killed(created).await;
        sqlx::query("UPDATE orders SET payment_deadline = 0")
            .execute(&world.rig.pool)
            .await
            .unwrap();
        world.killed(death).await;
    }
    let _stage = world.stage();
    for &hold in &holds {
        world.rig.wait_for(hold, "cancelled").await;
    }
    world.rest().await;
    for hold in holds {
        let gone = AtStripe { intents: 1, cancelled: 1, ..AtStripe::default() };
        assert_eq!(world.money(hold).await, gone);
        assert_eq!(world.rig.owner.verdicts(hold), [(1, VerdictKind::Cancelled)]);
    }
}

/// A payment that no order has, set aside or taken.
async fn lose(world: &World, number: u128, how: &str) -> String {
    let order = OrderId(number).to_string();
    let form = format!(
        "amount={PRICE}&currency=eur&payment_method={CARD}&confirm=true\
        &capture_method={how}&metadata[system]=usher&metadata[order]={order}"
    );
    world.stripe.post("/v1/payment_intents", &form).await;
    order
}

#[tokio::test]
async fn money_of_no_order_goes_back_once_whatever_is_killed_between_two_requests() {
    let world = World::start().await;
    let untaken = [lose(&world, 1, "manual").await, lose(&world, 2, "manual").await];
    let taken = [lose(&world, 3, "automatic").await, lose(&world, 4, "automatic").await];
    // Younger ones are left to their drivers.
    tokio::time::sleep(Duration::from_millis(FOUND_AFTER.0) + Duration::from_secs(1)).await;
    // What is taken asks more before it goes back, so it is still there when the others are over.
    for death in Death::all(&[VOIDED, RETURNED]) {
        look_is_due(&world.rig).await;
        world.killed(death).await;
    }
    let _stage = world.stage();
    let found = "SELECT count(*) FROM found_money WHERE outcome IN ('voided', 'refunded')";
    eventually("all to be found", || async {
        look_is_due(&world.rig).await;
        world.rig.count(found).await == 4
    })
    .await;
    world.rest().await;
    let money = world.stripe.money().await;
    for order in &untaken {
        assert_eq!((money[order].cancelled, money[order].charges), (1, 0), "{order}");
    }
    for order in &taken {
        assert_eq!((money[order].charges, money[order].returned), (1, PRICE), "{order}");
    }
}

/// An event that no process has noted yet is taken, and known from then on.
async fn is_known_in_the_end(world: &World, event: &ProviderEvent) {
    let nats = world.rig.servers.nats().await;
    eventually("an event to be known", || async {
        let asked = nats.client.request(subject::SETTLE_EVENT, codec::encode(event).into()).await;
        let answer = asked.ok().map(|answer| codec::decode(&answer.payload).unwrap());
        answer == Some(ProviderEventAnswer::Known)
    })
    .await;
}

#[tokio::test]
async fn an_event_has_its_effect_once_whatever_is_killed_over_it() {
    let mut world = World::start().await;
    let hold = world.paid(1, 1).await[0];
    let intent = intent_of(&world, hold).await;
    let dispute = serde_json::json!({"id": "dp_1", "object": "dispute", "amount": PRICE,
        "currency": "eur", "payment_intent": intent, "status": "lost"});
    let payment = format!(r#"{{"object": "payment_intent", "id": "{intent}"}}"#);
    let mut events = Vec::new();
    for (number, death) in (0..).zip(Death::all(&TOLD)) {
        let is_of_dispute = death.what == "ask for a dispute";
        let event = if is_of_dispute {
            world.proxy.dispute(vec![dispute.clone()]);
            signed(&format!("evt_{number}"), "charge.dispute.closed", &dispute.to_string())
        } else {
            signed(&format!("evt_{number}"), "payment_intent.succeeded", &payment)
        };
        world.doomed(death).dies_asked(&world.rig, subject::SETTLE_EVENT, &event).await;
        events.push(event);
    }
    let _stage = world.stage();
    for event in &events {
        is_known_in_the_end(&world, event).await;
    }
    world.rest().await;
    let count = i64::try_from(events.len()).unwrap();
    assert_eq!(world.rig.count("SELECT count(*) FROM provider_event").await, count);
    let booked = "SELECT count(*) FROM ledger_transaction WHERE kind = 'chargeback'";
    assert_eq!(world.rig.count(booked).await, 1);
    assert_eq!(world.rig.state(hold).await, "paid");
    assert_eq!(world.rig.owner.verdicts(hold), [(1, VerdictKind::Sold)]);
}

#[tokio::test]
async fn a_look_goes_on_whatever_is_killed_over_it_and_whatever_stripe_does_not_tell() {
    let mut world = World::start().await;
    let stage = world.stage();
    let hold = world.pay(1, REFUSED, &[]).await;
    world.rig.wait_for(hold, "declined").await;
    world.rest().await;
    drop(stage);
    for death in Death::all(&LISTED) {
        look_is_due(&world.rig).await;
        world.killed(death).await;
    }
    let intent = intent_of(&world, hold).await;
    for death in Death::all(&UNTOLD) {
        world.proxy.plan(&order(hold), Deed::Fetch, Fault::Status(500), TRIES);
        if death.what != "put a look off" {
            world.proxy.plan("", Deed::ListOn, Fault::Status(500), TRIES);
        }
        look_is_due(&world.rig).await;
        let begun = "UPDATE reconciled SET gone_on_id = $1 WHERE provider = 'stripe'";
        sqlx::query(begun).bind(&intent).execute(&world.rig.pool).await.unwrap();
        world.killed(death).await;
    }
    look_is_due(&world.rig).await;
    let _stage = world.stage();
    let looked = "SELECT count(*) FROM ended_payment WHERE looks = 1";
    eventually("a look", || async { world.rig.count(looked).await == 1 }).await;
    let whole = "SELECT count(*) FROM reconciled
        WHERE provider = 'stripe' AND gone_on_id = '' AND gone_on_failed = 0";
    eventually("the rest of the list", || async { world.rig.count(whole).await == 1 }).await;
    world.rest().await;
    assert_eq!(world.rig.count("SELECT count(*) FROM found_money").await, 0);
}
