//! Money that comes after its order was given up: the same places, equal ones, or back.

use super::crash::{REFUSED, RESEATED, healthy, killed, look_is_due};
use super::owner::payment;
use super::reconcile::{age, reconciled};
use super::rig::{Point, Rig, eventually};
use crate::provider::Verb;
use crate::{Ending, Reviewed, Sandbox, end_review};
use chassis::Death;
use schema::{HoldId, Released, VerdictKind};
use sqlx::{Executor, Row};

/// An order for seat 1 that was given up, and whose money is there since.
pub(super) async fn late() -> (Rig, HoldId) {
    let mut rig = Rig::start().await;
    let stage = rig.stage(Point::Never);
    let places = rig.hold(&[1], 0);
    let hold = places.hold;
    rig.owner.announce(&rig.event, payment(places, 1, "tok_unknown", 300), false).await;
    rig.wait_for(hold, "cancelled").await;
    rig.rest().await;
    drop(stage);
    rig.pool.execute("UPDATE sandbox.payment SET state = 'captured'").await.unwrap();
    age(&rig).await;
    (rig, hold)
}

fn give(rig: &Rig, seats: &[u32]) {
    rig.owner.heard.lock().unwrap().late_seats = Some(seats.to_vec());
}

fn set_deaf(rig: &Rig, deaf: bool) {
    rig.owner.heard.lock().unwrap().deaf = deaf;
}

/// The rung, the reason, and the hold that was asked for.
async fn rung(rig: &Rig) -> (String, String, HoldId) {
    let query = "SELECT coalesce(rung, 'open') AS rung, coalesce(reason, '') AS reason, hold_id
        FROM reseat";
    let row = sqlx::query(query).fetch_one(&rig.pool).await.unwrap();
    let hold: uuid::Uuid = row.get("hold_id");
    (row.get("rung"), row.get("reason"), HoldId(hold.as_u128()))
}

async fn decided(rig: &Rig) -> (String, String, HoldId) {
    let what = "the claim to be decided";
    eventually(what, || async { rung(rig).await.0 != "open" }).await;
    rung(rig).await
}

/// The money has bought a ticket for `seat`, once, and nothing else is left of it.
async fn assert_seated(rig: &Rig, hold: HoldId, seat: i64) {
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    let sandbox = Sandbox::start(&rig.pool);
    assert_eq!(reconciled(rig, &sandbox).await, [""; 0]);
    rig.assert_clean().await;
    let tickets = "SELECT coalesce(sum(seat_idx), 0)::BIGINT FROM ticket WHERE state = 'valid'";
    assert_eq!(rig.count(tickets).await, seat);
    assert_eq!(rig.count("SELECT count(*) FROM live_seat").await, 1);
    let taken = "SELECT sum(amount)::BIGINT FROM ledger_entry WHERE account = 'provider_clearing'";
    assert_eq!(rig.count(taken).await, 5_000);
    let captured = "SELECT count(*) FROM sandbox.payment WHERE state = 'captured'";
    assert_eq!(rig.count(captured).await, 1);
    assert_eq!(rig.owner.verdicts(hold), [(1, VerdictKind::Sold)]);
    let outcomes = "SELECT count(*) FROM found_money WHERE outcome = 'reseated'";
    assert_eq!(rig.count(outcomes).await, 1);
}

/// The money is back, and no ticket is there for it.
async fn assert_back(rig: &Rig) {
    let open = "SELECT count(*) FROM found_money WHERE outcome IS DISTINCT FROM 'refunded'";
    eventually("the money to be back", || async { rig.count(open).await == 0 }).await;
    rig.rest().await;
    rig.assert_clean().await;
    let captured = "SELECT count(*) FROM sandbox.payment WHERE state = 'captured'";
    assert_eq!(rig.count(captured).await, 0);
    assert_eq!(rig.count("SELECT count(*) FROM ticket").await, 0);
    let booked = "SELECT coalesce(sum(amount), 0)::BIGINT FROM ledger_entry
        WHERE account = 'provider_clearing'";
    assert_eq!(rig.count(booked).await, 0);
}

#[tokio::test]
async fn late_money_buys_the_seats_that_it_was_for_if_they_are_free() {
    let (rig, before) = late().await;
    give(&rig, &[1]);
    let sandbox = Sandbox::start(&rig.pool);
    let lines = reconciled(&rig, &sandbox).await;
    assert!(lines[0].ends_with("its places are asked for"), "{lines:?}");
    let _stage = rig.stage(Point::Never);
    let (rung, reason, hold) = decided(&rig).await;
    assert_eq!((rung.as_str(), reason.as_str()), ("same_seats", ""));
    assert_seated(&rig, hold, 1).await;
    assert_eq!(rig.state(before).await, "cancelled");
    let shown = "SELECT count(*) FROM booking_view WHERE status = 'CONFIRMED'";
    assert_eq!(rig.count(shown).await, 1);
    let reseats = rig.owner.heard.lock().unwrap().reseats.clone();
    assert_eq!(reseats.len(), 1);
    assert_eq!((reseats[0].before, reseats[0].paid.seats[0].price), (before, 5_000));
}

#[tokio::test]
async fn late_money_buys_equal_seats_where_its_own_are_taken() {
    let (rig, _) = late().await;
    give(&rig, &[9]);
    reconciled(&rig, &Sandbox::start(&rig.pool)).await;
    let _stage = rig.stage(Point::Never);
    let (rung, _, hold) = decided(&rig).await;
    assert_eq!(rung, "equal_seats");
    assert_seated(&rig, hold, 9).await;
    // What it has bought is not like what was paid for: the audit says so.
    rig.pool.execute("UPDATE orders SET amount = 1 WHERE state = 'cancelled'").await.unwrap();
    let found = crate::audit(&rig.pool).await.unwrap();
    assert!(found.iter().any(|line| line.contains("its late money has bought")), "{found:?}");
}

#[tokio::test]
async fn late_money_goes_back_where_there_are_no_seats() {
    let (rig, _) = late().await;
    let sandbox = Sandbox::start(&rig.pool);
    reconciled(&rig, &sandbox).await;
    let _stage = rig.stage(Point::Never);
    let (rung, reason, _) = decided(&rig).await;
    assert_eq!((rung.as_str(), reason.as_str()), ("refund", "NOT_ENOUGH_SEATS"));
    let lines = reconciled(&rig, &sandbox).await;
    assert!(lines.iter().all(|line| line.ends_with("refunded")), "{lines:?}");
    assert_back(&rig).await;
}

#[tokio::test]
async fn late_money_of_another_amount_buys_no_seats_and_goes_back() {
    let (rig, _) = late().await;
    give(&rig, &[1]);
    rig.pool.execute("UPDATE sandbox.payment SET amount = 4000").await.unwrap();
    let lines = reconciled(&rig, &Sandbox::start(&rig.pool)).await;
    assert!(lines[0].ends_with("refunded"), "{lines:?}");
    let (rung, reason, _) = rung(&rig).await;
    assert_eq!((rung.as_str(), reason.as_str()), ("refund", "AMOUNT_DIFFERS"));
    let taken = "SELECT count(*) FROM sandbox.payment WHERE state <> 'refunded'";
    assert_eq!(rig.count(taken).await, 0);
    assert_eq!(rig.count("SELECT count(*) FROM ticket").await, 0);
    rig.assert_clean().await;
    assert!(rig.owner.heard.lock().unwrap().reseats.is_empty());
    let other = "ALTER TABLE found_money DISABLE TRIGGER ALL;
        UPDATE found_money SET amount = 5000";
    rig.pool.execute(sqlx::raw_sql(other)).await.unwrap();
    let found = crate::audit(&rig.pool).await.unwrap();
    let says = "1 times beside its own, 4000 in all, found money asks for 1, 5000";
    assert!(found.iter().any(|line| line.contains(says)), "{found:?}");
}

#[tokio::test]
async fn late_money_whose_own_order_was_given_up_too_goes_back() {
    let (rig, _) = late().await;
    give(&rig, &[1]);
    reconciled(&rig, &Sandbox::start(&rig.pool)).await;
    // It is not there when its order begins, and comes once more after that has ended.
    rig.pool.execute("UPDATE sandbox.payment SET state = 'cancelled'").await.unwrap();
    let stage = rig.stage(Point::Never);
    let (_, _, hold) = decided(&rig).await;
    rig.wait_for(hold, "declined").await;
    rig.owner.release(&rig.event, hold, Released::Expired).await;
    rig.wait_for(hold, "cancelled").await;
    rig.rest().await;
    drop(stage);
    rig.pool.execute("UPDATE sandbox.payment SET state = 'captured'").await.unwrap();
    reconciled(&rig, &Sandbox::start(&rig.pool)).await;
    let captured = "SELECT count(*) FROM sandbox.payment WHERE state = 'captured'";
    assert_eq!(rig.count(captured).await, 0);
    assert_eq!(rig.count("SELECT count(*) FROM ticket").await, 0);
    let booked = "SELECT count(*) FROM ledger_transaction WHERE kind IN ('capture', 'payout')";
    assert_eq!(rig.count(booked).await, 2, "taken and given back");
    rig.assert_clean().await;
}

#[tokio::test]
async fn late_money_waits_for_an_owner_that_is_down_and_is_asked_for_until_it_answers() {
    let (rig, _) = late().await;
    set_deaf(&rig, true);
    give(&rig, &[1]);
    let sandbox = Sandbox::start(&rig.pool);
    reconciled(&rig, &sandbox).await;
    let stage = rig.stage(Point::Never);
    let sent = "SELECT count(*) FROM reseat WHERE asked_at + 1000 < send_at";
    eventually("the owner to be asked again", || async { rig.count(sent).await == 1 }).await;
    let lines = reconciled(&rig, &sandbox).await;
    assert!(lines[0].ends_with("its places are asked for"), "{lines:?}");
    drop(stage);
    set_deaf(&rig, false);
    let _stage = rig.stage(Point::Never);
    let (_, _, hold) = decided(&rig).await;
    assert_seated(&rig, hold, 1).await;
}

#[tokio::test]
async fn late_money_buys_its_seats_once_wherever_its_settlement_is_killed() {
    let (rig, _) = late().await;
    give(&rig, &[1]);
    for death in Death::all(&RESEATED) {
        look_is_due(&rig).await;
        killed(&rig, death).await;
    }
    let _stage = healthy(&rig).await;
    let (_, _, hold) = decided(&rig).await;
    assert_seated(&rig, hold, 1).await;
}

#[tokio::test]
async fn late_money_without_seats_goes_back_once_wherever_its_settlement_is_killed() {
    let (rig, _) = late().await;
    reconciled(&rig, &Sandbox::start(&rig.pool)).await;
    for death in Death::all(&[REFUSED]) {
        killed(&rig, death).await;
    }
    let _stage = healthy(&rig).await;
    decided(&rig).await;
    look_is_due(&rig).await;
    assert_back(&rig).await;
}

#[tokio::test]
async fn an_answer_that_is_journaled_while_no_settlement_runs_is_heard_later() {
    let (rig, before) = late().await;
    give(&rig, &[1]);
    reconciled(&rig, &Sandbox::start(&rig.pool)).await;
    // As the relay does, and then dies.
    let due = crate::store::Reseats(&rig.pool);
    let records = due.due().await.unwrap();
    assert_eq!((records.len(), records[0].order), (1, before.into()));
    assert_eq!(due.due().await.unwrap(), [], "once a second");
    let command = settlement_core::reseat(&records[0], chassis::clock::now());
    let bytes = schema::codec::encode(&command);
    let nats = rig.servers.nats().await;
    let subject = schema::subject::commands(before.shard());
    nats.client.publish(subject, bytes.into()).await.unwrap();
    let asked = || async { !rig.owner.heard.lock().unwrap().reseats.is_empty() };
    eventually("the owner to hear it", asked).await;
    let _stage = rig.stage(Point::Never);
    let (_, _, hold) = decided(&rig).await;
    assert_seated(&rig, hold, 1).await;
}

#[tokio::test]
async fn seats_are_given_up_whose_late_money_has_gone_back_meanwhile() {
    let (rig, _) = late().await;
    set_deaf(&rig, true);
    give(&rig, &[1]);
    let sandbox = Sandbox::start(&rig.pool);
    reconciled(&rig, &sandbox).await;
    // Somebody has given it back by hand.
    rig.pool.execute("UPDATE sandbox.payment SET state = 'refunded'").await.unwrap();
    reconciled(&rig, &sandbox).await;
    set_deaf(&rig, false);
    let _stage = rig.stage(Point::Never);
    let (rung, reason, hold) = decided(&rig).await;
    assert_eq!((rung.as_str(), reason.as_str()), ("refund", "MONEY_GONE"));
    rig.wait_for(hold, "cancelled").await;
    assert_back(&rig).await;
    assert_eq!(rig.owner.verdicts(hold), [(1, VerdictKind::Cancelled)]);
}

#[tokio::test]
async fn a_refund_whose_settlement_died_before_it_was_noted_is_booked_later() {
    let (rig, _) = late().await;
    let sandbox = Sandbox::start(&rig.pool);
    reconciled(&rig, &sandbox).await;
    rig.pool
        .execute("UPDATE reseat SET rung = 'refund', reason = 'SOLD_OUT', answered_at = 1")
        .await
        .unwrap();
    rig.pool.execute("UPDATE sandbox.payment SET state = 'refunded'").await.unwrap();
    let lines = reconciled(&rig, &sandbox).await;
    assert!(lines.len() == 1 && lines[0].ends_with("was given up; refunded"), "{lines:?}");
    assert_eq!(reconciled(&rig, &sandbox).await, [""; 0]);
    assert_back(&rig).await;
    assert_eq!(rig.count("SELECT count(*) FROM ledger_transaction WHERE part = 1").await, 2);
}

#[tokio::test]
async fn who_was_told_that_the_card_was_refused_has_late_money_back_at_once() {
    let mut rig = Rig::start().await;
    let stage = rig.stage(Point::Never);
    give(&rig, &[1]);
    let hold = rig.pay(&[1], "tok_declined").await;
    rig.wait_for(hold, "declined").await;
    rig.owner.release(&rig.event, hold, Released::Expired).await;
    rig.wait_for(hold, "cancelled").await;
    rig.rest().await;
    drop(stage);
    rig.pool.execute("UPDATE sandbox.payment SET state = 'captured'").await.unwrap();
    age(&rig).await;
    let lines = reconciled(&rig, &Sandbox::start(&rig.pool)).await;
    assert!(lines[0].ends_with("refunded"), "{lines:?}");
    let (rung, reason, _) = rung(&rig).await;
    assert_eq!((rung.as_str(), reason.as_str()), ("refund", "CARD_DECLINED"));
    assert_back(&rig).await;
    assert!(rig.owner.heard.lock().unwrap().reseats.is_empty());
}

#[tokio::test]
async fn late_money_of_an_order_that_a_person_has_given_up_buys_its_seats_too() {
    let mut rig = Rig::start().await;
    let stage = rig.stage(Point::Refused(Verb::Authorise));
    let before = rig.pay(&[1], "tok_ok").await;
    rig.wait_for(before, "review_needed").await;
    rig.rest().await;
    drop(stage);
    rig.pool.execute("UPDATE orders SET updated_at = 0").await.unwrap();
    let ended = end_review(&rig.pool, before.into(), Ending::Refund, "looked at by hand").await;
    assert_eq!(ended.unwrap(), Reviewed::Ended);
    assert_eq!(rig.state(before).await, "cancelled");
    rig.pool.execute("UPDATE sandbox.payment SET state = 'captured'").await.unwrap();
    age(&rig).await;
    give(&rig, &[1]);
    let lines = reconciled(&rig, &Sandbox::start(&rig.pool)).await;
    assert!(lines[0].ends_with("its places are asked for"), "{lines:?}");
    let _stage = rig.stage(Point::Never);
    let (rung, reason, hold) = decided(&rig).await;
    assert_eq!((rung.as_str(), reason.as_str()), ("same_seats", ""), "no card was refused");
    assert_seated(&rig, hold, 1).await;
}
