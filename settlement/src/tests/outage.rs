//! Servers that die in mid-sale, several processes, and an owner that forgets.

use super::owner::payment;
use super::rig::{PATIENT, Point, Rig, eventually};
use chassis::Which;
use schema::VerdictKind;

const BUYERS: u32 = 60;

#[tokio::test]
async fn a_killed_postgres_loses_no_payment_and_repeats_none() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let mut holds = Vec::new();
    for seat in 0..BUYERS {
        holds.push(rig.pay(&[seat], "tok_ok").await);
        if seat == BUYERS / 2 {
            rig.servers.kill(Which::Postgres).await;
        }
    }
    rig.servers.restart(Which::Postgres).await;
    for &hold in &holds {
        rig.wait_for(hold, "paid").await;
    }
    rig.rest().await;
    rig.assert_clean().await;
    assert_eq!(rig.count("SELECT count(*) FROM ticket").await, i64::from(BUYERS));
}

#[tokio::test]
async fn what_the_database_refuses_of_the_journal_is_tried_until_it_is_taken() {
    let mut rig = Rig::start().await;
    rig.refuse("orders").await;
    let _stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1], "tok_ok").await;
    rig.refused_twice().await;
    rig.take_again().await;
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    rig.assert_clean().await;
}

#[tokio::test]
async fn a_killed_nats_delays_verdicts_and_loses_none() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let mut holds = Vec::new();
    for seat in 0..BUYERS {
        if seat == BUYERS / 2 {
            rig.servers.kill(Which::Nats).await;
            rig.servers.restart(Which::Nats).await;
        }
        holds.push(rig.pay(&[seat], "tok_ok").await);
    }
    for &hold in &holds {
        rig.wait_for(hold, "paid").await;
    }
    rig.rest().await;
    rig.assert_clean().await;
    for hold in holds {
        assert_eq!(rig.owner.verdicts(hold), [(1, VerdictKind::Sold)]);
    }
}

#[tokio::test]
async fn several_processes_share_the_orders_and_one_takes_over_from_another() {
    let mut rig = Rig::start().await;
    let (first, _second) = (rig.stage(Point::Never), rig.stage(Point::Never));
    let mut holds = Vec::new();
    for seat in 0..BUYERS {
        let token = if seat % 10 == 0 { "tok_slow" } else { "tok_ok" };
        holds.push(rig.pay(&[seat], token).await);
    }
    drop(first);
    for &hold in &holds {
        rig.wait_for(hold, "paid").await;
    }
    rig.rest().await;
    rig.assert_clean().await;
    let payments = rig.count("SELECT count(*) FROM sandbox.payment").await;
    assert_eq!(payments, i64::from(BUYERS));
}

#[tokio::test]
async fn a_verdict_is_told_until_it_is_heard_and_told_anew_if_it_was_forgotten() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    rig.owner.heard.lock().unwrap().deaf = true;
    let places = rig.hold(&[1], 0);
    let hold = places.hold;
    let again = payment(places, 1, "tok_ok", PATIENT);
    rig.owner.announce(&rig.event, again.clone(), false).await;
    rig.wait_for(hold, "paid").await;
    assert_eq!(rig.owner.verdicts(hold), []);
    rig.owner.heard.lock().unwrap().deaf = false;
    rig.rest().await;
    assert_eq!(rig.owner.verdicts(hold), [(1, VerdictKind::Sold)]);
    // As after a restore of the owner from an older state.
    rig.owner.announce(&rig.event, again, true).await;
    let sold = (1, VerdictKind::Sold);
    eventually("a second verdict", || async { rig.owner.verdicts(hold) == [sold, sold] }).await;
    rig.rest().await;
    rig.assert_clean().await;
}
