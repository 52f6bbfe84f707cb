//! A process that is killed at any call of a payment's way, and what the others make of it: nothing
//! is lost, and nothing is done twice.
//!
//! Each point has a process of its own, which finds what the ones before it left half done. At the
//! end a healthy one brings everything to rest, and the audit looks.

mod beside;
mod complete;

use super::chargeback;
use super::entrance::{self, OTHER, begin, code, give, give_under, ticket};
use super::kill::{Doomed, Work, deaths};
use super::owner::payment;
use super::part;
use super::reconcile::{PRICE, age, take};
use super::rig::{ACCOUNT, PATIENT, Point, Rig, Stage, eventually, plan};
use super::webhooks::{self, ALL, PROMOTER, Receiver};
use crate::provider::{NewPayment, Provider, Verb};
use crate::{Sandbox, reconcile_once};
use chassis::idempotency::{Begun, Claim, Keys};
use chassis::keys::HmacKey;
use chassis::{Death, Side};
use schema::{
    AccountId, CancelAnswer, CancelBooking, CancelTicket, CheckIn, HoldId, OrderId, Receipt,
    Released, Scan, Terms, TransferAnswer, TransferTicket, UnixMillis, VerdictKind, codec, subject,
};
use sqlx::Executor;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

const TO_TICKETS: [&str; 9] = [
    "open the journal's consumer",
    "pull the journal",
    "store announced payments",
    "create",
    "store payment ids",
    "authorise",
    "read the catalogue",
    "store capacities of pools",
    "store capacities of areas",
];
const FROM_TICKETS: [&str; 6] = [
    "sell",
    "send a verdict",
    "acknowledge the journal",
    "capture",
    "book captures",
    "close verdicts",
];
const TAKEN_OVER: [&str; 3] = ["claim orders", "read orders", "fetch"];
const IN_WORK: &str = "renew leases";
const UNHEARD: &str = "take due verdicts";
const FORGOTTEN: [&str; 2] = ["find forgotten verdicts", "open a verdict again"];
const DECLINED: &str = "move orders";
const DECLINED_ENDED: &str = "end declined orders";
const GIVEN_UP: [(&str, u32); 3] = [("move orders", 1), ("cancel", 1), ("move orders", 2)];
const REFUNDED: [&str; 10] = [
    "read an order",
    "read orders",
    "move orders",
    "fetch",
    "refund",
    "read booked sales",
    "book refunds",
    "send a verdict",
    "close verdicts",
    "answer a question",
];
const PAID_BACK_ALONE: [&str; 12] = [
    "read a ticket's way back",
    "begin a part",
    "read orders",
    "give back",
    "read booked sales",
    "look at a part",
    "read the catalogue",
    "book a part",
    "give up a place",
    "take due parts",
    "close parts",
    "answer a question",
];
const FOUND: [&str; 15] = [
    "begin to reconcile",
    "read found money",
    "list",
    "look up payments",
    "fetch",
    "look for a bank",
    "note found money",
    "refund",
    "settle found money",
    "read ended payments",
    "note a look",
    "end a reconciliation",
    "forget events",
    "go on with the whole list",
    "note how far the list was compared",
];
const FOUND_UNTAKEN: &str = "cancel";
/// Of disputes, the fourth and the fifth when one is there already.
const DISPUTED: [&str; 6] = [
    "list disputes",
    "look up a dispute",
    "note a dispute",
    "take open disputes",
    "fetch a dispute",
    "end a look at disputes",
];
/// Of late money, on its way to seats, and to none.
pub(super) const RESEATED: [&str; 4] =
    ["ask for places", "take due claims to places", "send a claim to places", "read rungs"];
pub(super) const REFUSED: &str = "refuse late money";
const TOLD: [&str; 6] = [
    "turn an endpoint off",
    "read what is to be told",
    "make messages",
    "take messages",
    "send a message",
    "store how a message went",
];
const TOLD_OTHERWISE: [&str; 2] = ["close verdicts", "forget messages"];
const GIVEN: [&str; 6] = [
    "read a ticket",
    "transfer a ticket",
    "begin a transfer",
    "give a ticket",
    "keep the receipt of a transfer",
    "commit a transfer",
];
const GIVEN_BEFORE: &str = "keep a receipt";
const SCANNED: [&str; 2] = ["read the events of tickets", "check tickets in"];

/// A process that nobody kills, and that answers.
pub(super) async fn healthy(rig: &Rig) -> Stage {
    let stage = rig.stage(Point::Never);
    answers(rig).await;
    stage
}

/// Waits until a process answers.
pub(super) async fn answers(rig: &Rig) {
    let unknown = CancelBooking { order: OrderId(0), account: ACCOUNT };
    let nats = rig.servers.nats().await;
    eventually("a process to answer", || async {
        let asked = codec::encode(&unknown).into();
        nats.client.request(subject::SETTLE_CANCEL, asked).await.is_ok()
    })
    .await;
}

pub(super) async fn killed(rig: &Rig, death: Death) {
    Doomed::start(rig, death, &Work::Settles).dies().await;
}

/// Nothing differs from what should agree, at the provider neither, and no seat is stuck.
async fn assert_whole(rig: &Rig) {
    rig.rest().await;
    rig.assert_clean().await;
    age(rig).await;
    let sandbox = Sandbox::start(&rig.pool);
    assert_eq!(reconcile_once(&rig.pool, &sandbox).await.whole().unwrap(), []);
    let stuck = "SELECT count(*) FROM orders
        WHERE state NOT IN ('paid', 'declined', 'cancelled', 'refunded')";
    assert_eq!(rig.count(stuck).await, 0);
}

/// Every order is paid and told once, and nothing else was charged.
async fn assert_sold_once(rig: &Rig, holds: &[HoldId], places: i64) {
    for &hold in holds {
        rig.wait_for(hold, "paid").await;
    }
    assert_whole(rig).await;
    for &hold in holds {
        assert_eq!(rig.owner.verdicts(hold), [(1, VerdictKind::Sold)]);
    }
    assert_eq!(rig.count("SELECT count(*) FROM ticket").await, places);
    let count = i64::try_from(holds.len()).unwrap();
    let charged = "SELECT count(*) FROM sandbox.payment WHERE state = 'captured'";
    assert_eq!(rig.count(charged).await, count);
    assert_eq!(rig.count("SELECT count(*) FROM sandbox.payment").await, count, "none twice");
}

async fn pay_while_killed(calls: &[&'static str]) {
    let mut rig = Rig::start().await;
    rig.publish(&plan(Some(6)), Terms::default()).await;
    let (mut holds, mut places) = (Vec::new(), 0);
    for (seat, death) in (0..).zip(Death::all(calls)) {
        let standing = u32::from(death.what.starts_with("store capacities"));
        let held = rig.hold(&[seat], standing);
        holds.push(held.hold);
        places += 1 + i64::from(standing);
        rig.owner.announce(&rig.event, payment(held, 1, "tok_ok", PATIENT), false).await;
        Doomed::start(&rig, death, &Work::Creates).dies().await;
    }
    let _stage = healthy(&rig).await;
    assert_sold_once(&rig, &holds, places).await;
}

#[tokio::test]
async fn a_payment_outlives_a_kill_at_any_call_before_it_is_sold() {
    pay_while_killed(&TO_TICKETS).await;
}

#[tokio::test]
async fn a_payment_outlives_a_kill_at_any_call_from_its_sale_on() {
    pay_while_killed(&FROM_TICKETS).await;
}

#[tokio::test]
async fn an_order_outlives_who_takes_it_over_and_a_verdict_who_tells_it_again() {
    let mut rig = Rig::start().await;
    let mut holds = vec![rig.pay(&[0], "tok_ok").await];
    killed(&rig, Death { what: "store announced payments", side: Side::After, passes: 1 }).await;
    for death in Death::all(&TAKEN_OVER) {
        lease_over(&rig).await;
        killed(&rig, death).await;
    }
    for (seat, death) in (1..).zip(Death::all(&[IN_WORK])) {
        holds.push(rig.pay(&[seat], "tok_slow").await);
        killed(&rig, death).await;
    }
    rig.owner.heard.lock().unwrap().deaf = true;
    let stage = healthy(&rig).await;
    holds.push(rig.pay(&[8], "tok_ok").await);
    rig.wait_for(holds[3], "paid").await;
    drop(stage);
    for death in Death::all(&[UNHEARD]) {
        rig.pool.execute("UPDATE outbox SET send_at = 0").await.unwrap();
        killed(&rig, death).await;
    }
    rig.owner.heard.lock().unwrap().deaf = false;
    let _stage = healthy(&rig).await;
    assert_sold_once(&rig, &holds, 4).await;
}

/// Waits until whoever has died works on no order any more.
async fn lease_over(rig: &Rig) {
    let leased = "SELECT count(*) FROM orders
        WHERE todo AND extract(epoch FROM clock_timestamp()) * 1000 < lease_until";
    eventually("leases to end", || async { rig.count(leased).await == 0 }).await;
}

#[tokio::test]
async fn a_verdict_that_its_owner_forgot_is_told_again_whoever_dies_over_it() {
    let mut rig = Rig::start().await;
    let mut again = Vec::new();
    let stage = healthy(&rig).await;
    for seat in 0..4 {
        let held = rig.hold(&[seat], 0);
        let paying = payment(held, 1, "tok_ok", PATIENT);
        rig.owner.announce(&rig.event, paying.clone(), false).await;
        rig.wait_for(paying.held.hold, "paid").await;
        again.push(paying);
    }
    rig.rest().await;
    drop(stage);
    for (paying, death) in again.iter().zip(Death::all(&FORGOTTEN)) {
        rig.owner.announce(&rig.event, paying.clone(), true).await;
        killed(&rig, death).await;
    }
    let _stage = healthy(&rig).await;
    let sold = (1, VerdictKind::Sold);
    for paying in again {
        let told = || async { rig.owner.verdicts(paying.held.hold) == [sold, sold] };
        eventually("a second verdict", told).await;
    }
    assert_whole(&rig).await;
}

#[tokio::test]
async fn a_payment_that_fails_ends_once_whatever_is_killed_over_it() {
    let mut rig = Rig::start().await;
    let mut ends = Vec::new();
    for (seat, death) in (0..).zip(Death::all(&[DECLINED])) {
        ends.push((rig.pay(&[seat], "tok_declined").await, VerdictKind::Declined));
        killed(&rig, death).await;
    }
    for (seat, death) in (10..).zip(deaths(&GIVEN_UP)) {
        let held = rig.hold(&[seat], 0);
        ends.push((held.hold, VerdictKind::Cancelled));
        // It is over before it has begun.
        rig.owner.announce(&rig.event, payment(held, 1, "tok_ok", 0), false).await;
        killed(&rig, death).await;
    }
    let stage = healthy(&rig).await;
    for (hold, kind) in &ends {
        let ended = [(1, *kind)];
        eventually("a verdict", || async { rig.owner.verdicts(*hold) == ended }).await;
    }
    rig.rest().await;
    drop(stage);
    for (&(hold, _), death) in ends.iter().zip(Death::all(&[DECLINED_ENDED])) {
        rig.owner.release(&rig.event, hold, Released::Expired).await;
        killed(&rig, death).await;
    }
    let _stage = healthy(&rig).await;
    for (hold, _) in &ends {
        rig.wait_for(*hold, "cancelled").await;
    }
    assert_whole(&rig).await;
    for (hold, kind) in ends {
        assert_eq!(rig.owner.verdicts(hold), [(1, kind)]);
    }
    let there = "SELECT count(*) FROM sandbox.payment WHERE state IN ('authorised', 'captured')";
    assert_eq!(rig.count(there).await, 0);
    assert_eq!(rig.count("SELECT count(*) FROM live_seat").await, 0);
}

/// Bookings of one seat each, at rest, and nobody who settles.
async fn booked(rig: &mut Rig, count: u32) -> Vec<HoldId> {
    let _stage = healthy(rig).await;
    let mut holds = Vec::new();
    for seat in 0..count {
        holds.push(rig.pay(&[seat], "tok_ok").await);
    }
    for &hold in &holds {
        rig.wait_for(hold, "paid").await;
    }
    rig.rest().await;
    holds
}

#[tokio::test]
async fn a_refund_is_made_once_whatever_is_killed_over_it() {
    let mut rig = Rig::start().await;
    let deaths = Death::all(&REFUNDED);
    let holds = booked(&mut rig, u32::try_from(deaths.len()).unwrap()).await;
    for (&hold, death) in holds.iter().zip(deaths) {
        let wanted = CancelBooking { order: OrderId::from(hold), account: ACCOUNT };
        let doomed = Doomed::start(&rig, death, &Work::Settles);
        doomed.dies_asked(&rig, subject::SETTLE_CANCEL, &wanted).await;
    }
    let _stage = healthy(&rig).await;
    for &hold in &holds {
        eventually("a refund", || async {
            matches!(entrance::cancel(&rig, hold).await, CancelAnswer::Refunded { .. })
        })
        .await;
    }
    assert_whole(&rig).await;
    for hold in holds {
        let expected = [(1, VerdictKind::Sold), (1, VerdictKind::Refunded)];
        assert_eq!(rig.owner.verdicts(hold), expected);
    }
    assert_eq!(rig.count("SELECT count(*) FROM live_seat").await, 0);
    let kept = "SELECT count(*) FROM sandbox.payment WHERE state <> 'refunded'";
    assert_eq!(rig.count(kept).await, 0);
}

#[tokio::test]
async fn a_ticket_is_paid_back_once_whatever_is_killed_over_it() {
    let mut rig = Rig::start().await;
    let deaths = Death::all(&PAID_BACK_ALONE);
    let stage = healthy(&rig).await;
    let mut holds = Vec::new();
    for number in 0..u32::try_from(deaths.len()).unwrap() {
        holds.push(rig.pay(&[2 * number, 2 * number + 1], "tok_ok").await);
    }
    for &hold in &holds {
        rig.wait_for(hold, "paid").await;
    }
    rig.rest().await;
    drop(stage);
    for (&hold, death) in holds.iter().zip(deaths) {
        let wanted = CancelTicket { ticket: ticket(hold, 1), account: ACCOUNT };
        let doomed = Doomed::start(&rig, death, &Work::Settles);
        doomed.dies_asked(&rig, subject::SETTLE_CANCEL_TICKET, &wanted).await;
    }
    let _stage = healthy(&rig).await;
    for &hold in &holds {
        eventually("a ticket to be paid back", || async {
            let answer = part::ask(&rig, ticket(hold, 1), ACCOUNT).await;
            matches!(answer, CancelAnswer::Refunded { .. })
        })
        .await;
    }
    assert_whole(&rig).await;
    let one = i64::try_from(holds.len()).unwrap();
    let back = "SELECT count(*) FROM sandbox.payment WHERE back = 5000 AND state = 'captured'";
    assert_eq!(rig.count(back).await, one);
    assert_eq!(rig.count("SELECT count(*) FROM live_seat").await, one);
    assert_eq!(i64::try_from(rig.owner.heard.lock().unwrap().parts.len()).unwrap(), one);
}

/// A payment that no order has, old enough to count as found.
async fn lose(rig: &Rig, sandbox: &Sandbox, number: u128, is_taken: bool) {
    let order = OrderId(number);
    if is_taken {
        take(sandbox, order, 1).await;
    } else {
        let new = NewPayment { order, attempt: 1, total: PRICE, token: "tok_ok".to_owned() };
        let created = sandbox.create(&new).await.unwrap();
        sandbox.act(&created.id, Verb::Authorise).await.unwrap();
    }
    let aged = "UPDATE sandbox.payment SET created_at = created_at - 100000 WHERE order_ref = $1";
    sqlx::query(aged).bind(order.to_string()).execute(&rig.pool).await.unwrap();
}

/// It is time for a look at the provider's list, also at all of it, and at ended payments.
pub(super) async fn look_is_due(rig: &Rig) {
    let due = "UPDATE reconciled SET rest_until = 0, gone_on_since = 0";
    rig.pool.execute(due).await.unwrap();
    rig.pool.execute("UPDATE ended_payment SET look_at = 0, looks = 0").await.unwrap();
}

#[tokio::test]
async fn found_money_goes_back_once_whatever_is_killed_over_it() {
    let mut rig = Rig::start().await;
    let sandbox = Sandbox::start(&rig.pool);
    let stage = healthy(&rig).await;
    let declined = rig.pay(&[1], "tok_declined").await;
    rig.wait_for(declined, "declined").await;
    rig.rest().await;
    drop(stage);
    let taken = Death::all(&FOUND).into_iter().map(|death| (death, true));
    let untaken = Death::all(&[FOUND_UNTAKEN]).into_iter().map(|death| (death, false));
    let mut lost = 0;
    for (death, is_taken) in taken.chain(untaken) {
        lost += 1;
        lose(&rig, &sandbox, lost, is_taken).await;
        look_is_due(&rig).await;
        killed(&rig, death).await;
    }
    look_is_due(&rig).await;
    let _stage = healthy(&rig).await;
    let lost = i64::try_from(lost).unwrap();
    eventually("all to be found", || async {
        let settled = "SELECT count(*) FROM found_money WHERE outcome IS NOT NULL";
        rig.count(settled).await == lost
    })
    .await;
    assert_whole(&rig).await;
    let there = "SELECT count(*) FROM sandbox.payment WHERE state IN ('authorised', 'captured')";
    assert_eq!(rig.count(there).await, 0);
    let voided = "SELECT count(*) FROM found_money WHERE outcome = 'voided'";
    assert_eq!(rig.count(voided).await, 2);
    for kind in ["capture", "payout"] {
        let booked = sqlx::query_scalar("SELECT count(*) FROM ledger_transaction WHERE kind = $1");
        let booked: i64 = booked.bind(kind).fetch_one(&rig.pool).await.unwrap();
        assert_eq!(booked, lost - 2, "{kind} of each that was taken, once");
    }
}

#[tokio::test]
async fn a_chargeback_is_booked_once_whatever_is_killed_over_it() {
    let mut rig = Rig::start().await;
    let stage = healthy(&rig).await;
    let hold = rig.pay(&[1], "tok_chargeback").await;
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    drop(stage);
    for death in Death::all(&DISPUTED) {
        chargeback::captured_ago(&rig, 2_000).await;
        killed(&rig, death).await;
    }
    chargeback::captured_ago(&rig, 120_000).await;
    let _stage = healthy(&rig).await;
    eventually("the bank's last word", || async {
        rig.count("SELECT count(*) FROM chargeback WHERE state = 'lost'").await == 1
    })
    .await;
    assert_whole(&rig).await;
    let booked = "SELECT count(*) FROM ledger_transaction WHERE kind = 'chargeback'";
    assert_eq!(rig.count(booked).await, 1);
}

/// A verdict is to be told, as it is where somebody listens when it is closed.
async fn tell_of(rig: &Rig, hold: HoldId) {
    let due = "INSERT INTO webhook_due (order_id, attempt, kind)
        SELECT order_id, attempt, kind FROM outbox WHERE order_id = $1";
    sqlx::query(due).bind(Uuid::from_u128(hold.0)).execute(&rig.pool).await.unwrap();
}

#[tokio::test]
async fn a_message_comes_under_one_id_whatever_is_killed_over_it() {
    let mut rig = webhooks::start().await;
    let mut told = booked(&mut rig, u32::try_from(2 * TOLD.len()).unwrap()).await;
    let (receiver, gone) = (Receiver::start(&[]).await, Receiver::start(&[410; 64]).await);
    webhooks::listen(&rig, PROMOTER, &receiver.url(), ALL).await;
    webhooks::listen(&rig, PROMOTER, &gone.url(), ALL).await;
    for (&hold, death) in told.iter().zip(Death::all(&TOLD)) {
        tell_of(&rig, hold).await;
        webhooks::due(&rig).await;
        killed(&rig, death).await;
    }
    for (seat, death) in (100..).zip(Death::all(&TOLD_OTHERWISE)) {
        told.push(rig.pay(&[seat], "tok_ok").await);
        killed(&rig, death).await;
    }
    let _stage = healthy(&rig).await;
    let waiting = "SELECT (SELECT count(*) FROM webhook_message WHERE state = 'waiting')
        + (SELECT count(*) FROM webhook_due)";
    let bookings = |receiver: &Receiver| -> HashMap<String, HashSet<String>> {
        let mut bookings: HashMap<String, HashSet<String>> = HashMap::new();
        for got in receiver.got() {
            assert_eq!(got.kind(), "booking.confirmed");
            let (_, rest) = got.body.split_once("\"bookingId\" : \"").unwrap();
            let booking = rest.split_once('"').unwrap().0.to_owned();
            bookings.entry(booking).or_default().insert(got.id().to_owned());
        }
        bookings
    };
    eventually("all to be told", || async {
        webhooks::due(&rig).await;
        bookings(&receiver).len() == told.len() && rig.count(waiting).await == 0
    })
    .await;
    assert_whole(&rig).await;
    let bookings = bookings(&receiver);
    for hold in told {
        let ids = &bookings[&OrderId::from(hold).to_string()];
        assert_eq!(ids.len(), 1, "{hold} is told under {ids:?}");
    }
    let off = "SELECT count(*) FROM webhook_endpoint WHERE off_reason = 'GONE'";
    assert_eq!(rig.count(off).await, 1);
}

fn given_under(claim: Claim, hold: HoldId) -> TransferTicket {
    let Claim { key, attempt } = claim;
    let receipt = Some(Receipt { key, attempt, status: 200, body: "given".into() });
    TransferTicket { ticket: ticket(hold, 0), from: ACCOUNT, to: OTHER, receipt }
}

/// Whoever takes a key over from an attempt that died hears in the end what became of it.
async fn heard_under_its_key(rig: &Rig, keys: &Keys, hold: HoldId, claim: Claim) {
    let key = hold.to_string();
    keys.leave(&claim).await.unwrap();
    if let Begun::Turn(next) = begin(keys, &key).await {
        assert!(next.is_repeat);
        let answer = give_under(rig, ticket(hold, 0), OTHER, next.claim).await;
        assert_eq!(answer, TransferAnswer::Transferred);
    }
    let Begun::Answered(kept) = begin(keys, &key).await else { panic!("{hold} has no answer") };
    assert_eq!((kept.status, kept.body.as_str()), (200, "given"));
}

#[tokio::test]
async fn a_ticket_is_given_away_once_and_its_key_answered_whatever_is_killed_over_it() {
    let mut rig = Rig::start().await;
    let mut deaths: Vec<Death> = Death::all(&GIVEN);
    let fresh = deaths.len();
    deaths.extend(Death::all(&[GIVEN_BEFORE, "answer a question"]));
    let holds = booked(&mut rig, u32::try_from(deaths.len()).unwrap()).await;
    let stage = healthy(&rig).await;
    for &hold in &holds[fresh..] {
        let given = give(&rig, ticket(hold, 0), ACCOUNT, OTHER).await;
        assert_eq!(given, TransferAnswer::Transferred);
    }
    drop(stage);
    let keys = Keys::new(&rig.pool, HmacKey::from_bytes([1; 32]));
    let mut claims = Vec::new();
    for (&hold, death) in holds.iter().zip(deaths) {
        let Begun::Turn(turn) = begin(&keys, &hold.to_string()).await else { panic!("fresh") };
        let doomed = Doomed::start(&rig, death, &Work::Settles);
        let wanted = given_under(turn.claim, hold);
        doomed.dies_asked(&rig, subject::SETTLE_TRANSFER, &wanted).await;
        claims.push(turn.claim);
    }
    let _stage = healthy(&rig).await;
    for (&hold, claim) in holds.iter().zip(claims) {
        heard_under_its_key(&rig, &keys, hold, claim).await;
    }
    let count = i64::try_from(holds.len()).unwrap();
    assert_eq!(rig.count("SELECT count(*) FROM ticket_transfer").await, count);
    assert_eq!(rig.count("SELECT count(*) FROM ticket WHERE issue = 1").await, count);
    assert_whole(&rig).await;
}

#[tokio::test]
async fn a_scan_lets_in_once_whatever_is_killed_over_it() {
    let mut rig = Rig::start().await;
    let deaths = Death::all(&SCANNED);
    let holds = booked(&mut rig, u32::try_from(deaths.len()).unwrap()).await;
    let mut scans = Vec::new();
    for (number, (&hold, death)) in (1..).zip(holds.iter().zip(deaths)) {
        let code = code(&rig, ticket(hold, 0)).await;
        let scan = Scan { id: [number; 16], code: code.as_str().into(), at: UnixMillis(1) };
        let wanted = CheckIn {
            event: rig.event.clone(),
            entrance: "North".into(),
            account: AccountId(1),
            scans: vec![scan],
        };
        let doomed = Doomed::start(&rig, death, &Work::Settles);
        doomed.dies_asked(&rig, subject::SETTLE_CHECKIN, &wanted).await;
        scans.push((number, code));
    }
    let _stage = healthy(&rig).await;
    for (number, code) in &scans {
        for _ in 0..2 {
            let found = entrance::scan(&rig, "EVT001", "North", &[(*number, code)]).await;
            assert_eq!(found, [schema::Found::Admitted], "the same scan, heard again");
        }
        let found = entrance::scan(&rig, "EVT001", "South", &[(100 + number, code)]).await;
        assert!(matches!(found[..], [schema::Found::Duplicate { .. }]), "{found:?}");
    }
    assert_eq!(rig.count("SELECT count(*) FROM checkin").await, 4);
    assert_whole(&rig).await;
}
