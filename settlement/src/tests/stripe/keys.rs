//! Stripe repeats its first answer to a key for a day, whatever it was: nothing waits for the end
//! of that, and nothing is done twice because of it.

use super::{CARD, Deed, Fault, PRICE, REFUSED, World, order};
use crate::Stripe;
use crate::testing::AtStripe;
use crate::tests::owner::payment;
use crate::tests::rig::PATIENT;
use schema::VerdictKind;
use std::collections::BTreeSet;
use std::time::Duration;

/// Longer than any test takes.
const NEVER: u64 = u64::MAX;

/// How often there is another key where a test waits for it.
const SOON: u64 = 2_000;

/// With another key for creations, and for refunds, so often.
fn keys(create_every: u64, refund_every: u64) -> impl FnOnce(Stripe) -> Stripe {
    move |stripe| stripe.with_keys(create_every, refund_every, refund_every / 4)
}

fn keys_of(world: &World, deed: Deed) -> Vec<String> {
    let calls = world.proxy.passed().into_iter().filter(|call| call.deed == deed);
    calls.map(|call| call.key.expect("what could be done twice has a key")).collect()
}

#[tokio::test]
async fn a_failure_that_is_repeated_to_its_key_holds_up_no_payment_for_longer_than_the_key() {
    let mut world = World::start().await;
    let _stage = world.stage_with(keys(SOON, NEVER));
    let before = world.pay(1, CARD, &[(Deed::Create, Fault::Says(500), 1)]).await;
    let after = world.pay(2, CARD, &[(Deed::Create, Fault::SaysAfter(500), 1)]).await;
    for hold in [before, after] {
        world.rig.wait_for(hold, "paid").await;
    }
    world.rest().await;
    for (hold, intents) in [(before, 1), (after, 2)] {
        let money = world.money(hold).await;
        let paid = AtStripe { intents, charges: 1, taken: PRICE, ..AtStripe::default() };
        assert_eq!(money, paid, "what has failed charges nothing");
        assert_eq!(world.rig.owner.verdicts(hold), [(1, VerdictKind::Sold)]);
    }
    let keys: BTreeSet<String> = keys_of(&world, Deed::Create).into_iter().collect();
    assert!(4 <= keys.len(), "two each: {keys:?}");
}

#[tokio::test]
async fn what_has_no_key_fails_only_once() {
    let mut world = World::start().await;
    // A key of any of these would be said again.
    let _stage = world.stage_with(keys(NEVER, NEVER));
    let mut holds = Vec::new();
    for deed in [Deed::Confirm, Deed::Capture] {
        for fault in [Fault::Says(500), Fault::SaysAfter(500), Fault::Says(402)] {
            let seat = u32::try_from(holds.len()).unwrap();
            holds.push(world.pay(seat, CARD, &[(deed, fault, 1)]).await);
        }
    }
    let refused = world.pay(9, REFUSED, &[(Deed::Cancel, Fault::Says(500), 1)]).await;
    for &hold in &holds {
        world.rig.wait_for(hold, "paid").await;
    }
    world.rig.wait_for(refused, "declined").await;
    world.rest().await;
    for hold in holds {
        let paid = AtStripe { intents: 1, charges: 1, taken: PRICE, ..AtStripe::default() };
        assert_eq!(world.money(hold).await, paid);
    }
}

#[tokio::test]
async fn a_creation_that_is_said_again_makes_one_payment() {
    let mut world = World::start().await;
    let _stage = world.stage_with(keys(NEVER, NEVER));
    let within = Fault::CutWithin(Duration::from_millis(500));
    let mut holds = Vec::new();
    for fault in [Fault::CutAfter, Fault::StatusAfter(500), Fault::Repeat, within] {
        for times in [1, 4] {
            let seat = u32::try_from(holds.len()).unwrap();
            holds.push(world.pay(seat, CARD, &[(Deed::Create, fault, times)]).await);
        }
    }
    for &hold in &holds {
        world.rig.wait_for(hold, "paid").await;
    }
    world.rest().await;
    for hold in holds {
        let paid = AtStripe { intents: 1, charges: 1, taken: PRICE, ..AtStripe::default() };
        assert_eq!(world.money(hold).await, paid);
    }
}

#[tokio::test]
async fn another_card_for_the_same_order_is_another_call() {
    let mut world = World::start().await;
    let _stage = world.stage_with(keys(NEVER, NEVER));
    let places = world.rig.hold(&[1], 0);
    let hold = places.hold;
    for (attempt, card, state) in [(1, REFUSED, "declined"), (2, CARD, "paid")] {
        let payment = payment(places.clone(), attempt, card, PATIENT);
        world.rig.owner.announce(&world.rig.event, payment, false).await;
        world.rig.wait_for(hold, state).await;
    }
    world.rest().await;
    let AtStripe { intents, cancelled, charges, .. } = world.money(hold).await;
    assert_eq!((intents, cancelled, charges), (2, 1, 1));
}

#[tokio::test]
async fn a_refund_that_stripe_does_not_grant_under_one_key_is_asked_for_under_the_next() {
    let mut world = World::start().await;
    let _stage = world.stage_with(keys(NEVER, SOON));
    let mut holds = Vec::new();
    for fault in [Fault::Says(402), Fault::Says(500), Fault::SaysAfter(500)] {
        for times in [1, 3] {
            let seat = u32::try_from(holds.len()).unwrap();
            holds.push(world.pay(seat, CARD, &[(Deed::Refund, fault, times)]).await);
        }
    }
    for &hold in &holds {
        world.rig.wait_for(hold, "paid").await;
    }
    futures_util::future::join_all(holds.iter().map(|&hold| world.cancel(hold))).await;
    world.rest().await;
    for &hold in &holds {
        let AtStripe { charges, taken, returned, .. } = world.money(hold).await;
        assert_eq!((charges, taken, returned), (1, PRICE, PRICE), "{}", order(hold));
    }
    let refunds = world.stripe.get("/v1/refunds?limit=100").await;
    assert_eq!(refunds["data"].as_array().unwrap().len(), holds.len());
}
