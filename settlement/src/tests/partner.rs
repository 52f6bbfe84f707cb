//! What partners have sold: orders without a provider.

use super::audit::assert_seen;
use super::cancel;
use super::crash::healthy;
use super::entrance::{OTHER, code, give, scan, ticket};
use super::kill::{Doomed, Work};
use super::owner::payment;
use super::part;
use super::reconcile::age;
use super::rig::{ACCOUNT, PATIENT, Point, Rig, plan};
use crate::{Sandbox, check_ledger, reconcile_once};
use chassis::Death;
use schema::{
    AccountId, CancelAnswer, Found, Held, HoldId, MilliPercent, OwnerKind, PARTNER_SALE, Payment,
    Terms, TransferAnswer, VerdictKind,
};
use sqlx::Row;
use std::collections::BTreeMap;
use uuid::Uuid;

const PROMOTER: AccountId = AccountId(99);
const ASKED_OF_PROVIDERS: &str =
    "SELECT (SELECT count(*) FROM payment_attempt) + (SELECT count(*) FROM sandbox.payment)";
const WAY: [&str; 8] = [
    "store announced payments",
    "read the catalogue",
    "store capacities of pools",
    "store capacities of areas",
    "sell",
    "send a verdict",
    "acknowledge the journal",
    "close verdicts",
];

fn sale(held: Held) -> Payment {
    let held = Held { owner: OwnerKind::PartnerSale, ..held };
    let payment = payment(held, 1, r#"{"name":"Ana"}"#, PATIENT);
    Payment { method: PARTNER_SALE.into(), ..payment }
}

fn terms() -> Terms {
    let (fee_share, taxes) = (MilliPercent(10_000), vec![MilliPercent(19_000); 2]);
    Terms { fee_share, promoter: Some(PROMOTER), taxes, ..Terms::default() }
}

/// An event that is the promoter's, with standing places.
async fn open() -> Rig {
    let rig = Rig::start().await;
    rig.publish(&plan(Some(6)), terms()).await;
    rig
}

/// Announces the sale of these seats and standing places.
async fn sell(rig: &mut Rig, seats: &[u32], standing: u32) -> HoldId {
    let places = rig.hold(seats, standing);
    let hold = places.hold;
    rig.owner.announce_sale(&rig.event, sale(places)).await;
    hold
}

/// Account by account, and of the partner's own its party, what is booked in all.
async fn booked(rig: &Rig) -> BTreeMap<(String, Option<AccountId>), i64> {
    let query = "SELECT account, party, sum(amount)::BIGINT AS amount FROM ledger_entry
        GROUP BY account, party HAVING sum(amount) <> 0";
    let rows = sqlx::query(query).fetch_all(&rig.pool).await.unwrap();
    let party = |row: &sqlx::postgres::PgRow| {
        row.get::<Option<Uuid>, _>("party").map(|party| AccountId(party.as_u128()))
    };
    rows.iter().map(|row| ((row.get("account"), party(row)), row.get("amount"))).collect()
}

async fn owed(rig: &Rig) -> i64 {
    let account = ("partner_receivable".to_owned(), Some(ACCOUNT));
    booked(rig).await.get(&account).copied().unwrap_or(0)
}

/// Nothing differs anywhere, and no provider was ever asked.
async fn assert_whole(rig: &Rig) {
    rig.rest().await;
    rig.assert_clean().await;
    assert_eq!(check_ledger(&rig.pool).await.unwrap().differences, [""; 0]);
    age(rig).await;
    assert_eq!(reconcile_once(&rig.pool, &Sandbox::start(&rig.pool)).await.whole().unwrap(), []);
    assert_eq!(rig.count(ASKED_OF_PROVIDERS).await, 0);
}

#[tokio::test]
async fn what_a_partner_sells_is_sold_without_a_provider_and_owed_by_it() {
    let mut rig = open().await;
    let _stage = rig.stage(Point::Never);
    let hold = sell(&mut rig, &[1, 2], 1).await;
    rig.wait_for(hold, "paid").await;
    assert_whole(&rig).await;
    assert_eq!(rig.owner.verdicts(hold), [(1, VerdictKind::Sold)]);
    let split = [(5_000, 0), (5_000, 0), (3_000, 1)]
        .into_iter()
        .fold(schema::Split::default(), |sum, (price, level)| sum + terms().split(price, level));
    let expected = [
        (("partner_receivable", Some(ACCOUNT)), 13_000),
        (("promoter_payable", Some(PROMOTER)), -split.net),
        (("fees", None), -split.fee),
        (("tax_payable", None), -split.tax),
    ];
    let expected = expected.map(|((account, party), amount)| ((account.to_owned(), party), amount));
    assert_eq!(booked(&rig).await, BTreeMap::from(expected));
    let shown = "SELECT count(*) FROM bookings(ARRAY(SELECT order_id FROM orders))
        WHERE status = 'CONFIRMED' AND buyer = '{\"name\":\"Ana\"}' AND ticket_state = 'valid'";
    assert_eq!(rig.count(shown).await, 3);
    let first = code(&rig, ticket(hold, 0)).await;
    assert_eq!(scan(&rig, "EVT001", "North", &[(1, &first)]).await, [Found::Admitted]);
    assert_eq!(give(&rig, ticket(hold, 1), ACCOUNT, OTHER).await, TransferAnswer::Transferred);
    assert_whole(&rig).await;
}

#[tokio::test]
async fn a_partners_booking_that_is_cancelled_is_owed_no_more_and_its_places_are_free() {
    let mut rig = open().await;
    let _stage = rig.stage(Point::Never);
    let hold = sell(&mut rig, &[1, 2], 1).await;
    rig.wait_for(hold, "paid").await;
    assert_eq!(cancel::ask(&rig, hold, OTHER).await, CancelAnswer::Unknown, "not theirs");
    let answer = cancel::ask(&rig, hold, ACCOUNT).await;
    assert!(matches!(answer, CancelAnswer::Refunded { .. }), "{answer:?}");
    assert_eq!(cancel::ask(&rig, hold, ACCOUNT).await, answer, "a repetition");
    assert_whole(&rig).await;
    assert_eq!(booked(&rig).await, BTreeMap::new(), "nothing is left");
    let taken = "SELECT (SELECT count(*) FROM live_seat) + (SELECT sum(sold) FROM area_sold)
        + (SELECT sum(sold) FROM pool_sold)";
    assert_eq!(rig.count(taken).await, 0);
    assert_eq!(rig.owner.verdicts(hold), [(1, VerdictKind::Sold), (1, VerdictKind::Refunded)]);
    let fan = rig.pay(&[1], "tok_ok").await;
    rig.wait_for(fan, "paid").await;
    rig.rest().await;
    rig.assert_clean().await;
}

#[tokio::test]
async fn single_tickets_of_a_partners_booking_go_back_one_by_one() {
    let mut rig = open().await;
    let _stage = rig.stage(Point::Never);
    let hold = sell(&mut rig, &[1, 2], 1).await;
    rig.wait_for(hold, "paid").await;
    for (line, left) in [(2, 10_000), (0, 5_000)] {
        let answer = part::ask(&rig, ticket(hold, line), ACCOUNT).await;
        assert!(matches!(answer, CancelAnswer::Refunded { .. }), "{answer:?}");
        assert_whole(&rig).await;
        assert_eq!((owed(&rig).await, rig.state(hold).await), (left, "paid".to_owned()));
    }
    let other = Terms { fee_fixed: 7, ..Terms::default() };
    rig.publish(&plan(Some(6)), other).await;
    let answer = part::ask(&rig, ticket(hold, 1), ACCOUNT).await;
    assert!(matches!(answer, CancelAnswer::Refunded { .. }), "{answer:?}");
    assert_whole(&rig).await;
    assert_eq!(booked(&rig).await, BTreeMap::new(), "nothing is left");
    assert_eq!(rig.state(hold).await, "refunded");
}

#[tokio::test]
async fn a_sale_that_is_announced_again_is_one_order() {
    let mut rig = open().await;
    let places = rig.hold(&[1], 0);
    let hold = places.hold;
    for _ in 0..2 {
        rig.owner.announce_sale(&rig.event, sale(places.clone())).await;
    }
    let stage = rig.stage(Point::Never);
    rig.wait_for(hold, "paid").await;
    rig.owner.announce_sale(&rig.event, sale(places.clone())).await;
    rig.owner.announce(&rig.event, sale(places), true).await;
    drop(stage);
    let _stage = healthy(&rig).await;
    assert_whole(&rig).await;
    assert_eq!((owed(&rig).await, rig.count("SELECT count(*) FROM ticket").await), (5_000, 1));
}

#[tokio::test]
async fn a_sale_outlives_a_kill_at_any_call_of_its_way() {
    let mut rig = open().await;
    let mut holds = Vec::new();
    for (seat, death) in (0..).zip(Death::all(&WAY)) {
        let standing = u32::from(death.what.starts_with("store capacities"));
        holds.push(sell(&mut rig, &[seat], standing).await);
        Doomed::start(&rig, death, &Work::Creates).dies().await;
    }
    let _stage = healthy(&rig).await;
    for &hold in &holds {
        rig.wait_for(hold, "paid").await;
    }
    assert_whole(&rig).await;
    for &hold in &holds {
        assert_eq!(rig.owner.verdicts(hold), [(1, VerdictKind::Sold)]);
    }
    assert_eq!(owed(&rig).await, 5_000 * i64::try_from(holds.len()).unwrap() + 4 * 3_000);
}

#[tokio::test]
async fn of_a_fan_and_a_partner_on_one_seat_the_partners_order_ends_for_a_person_to_look_at() {
    let mut rig = open().await;
    let _stage = rig.stage(Point::Never);
    let fan = rig.pay(&[1], "tok_ok").await;
    rig.wait_for(fan, "paid").await;
    let hold = sell(&mut rig, &[1, 2], 0).await;
    rig.wait_for(hold, "review_needed").await;
    rig.rest().await;
    assert_eq!(rig.owner.verdicts(hold), [(1, VerdictKind::Cancelled)]);
    let found = crate::audit(&rig.pool).await.unwrap();
    let [line] = &found[..] else { panic!("{found:?}") };
    assert!(line.contains("a seat belongs to another order"), "{line}");
    assert_eq!(owed(&rig).await, 0);
}

#[tokio::test]
async fn the_audit_sees_what_a_partners_order_must_not_have_and_a_fans_must() {
    let mut rig = open().await;
    let stage = rig.stage(Point::Never);
    let fan = rig.pay(&[1], "tok_ok").await;
    rig.wait_for(fan, "paid").await;
    let hold = sell(&mut rig, &[2, 3], 0).await;
    rig.wait_for(hold, "paid").await;
    let answer = part::ask(&rig, ticket(hold, 0), ACCOUNT).await;
    assert!(matches!(answer, CancelAnswer::Refunded { .. }), "{answer:?}");
    rig.rest().await;
    drop(stage);
    assert_seen(
        &rig,
        &[
            (
                "UPDATE payment_attempt SET order_id = (SELECT order_id FROM orders
                     WHERE method = 'PARTNER')",
                "was sold by a partner, and has payment",
            ),
            ("DELETE FROM payment_attempt", "is sold, and has no payment"),
            (
                "UPDATE orders SET method = 'CREDIT_CARD'",
                "was sold by the house, and its sale books",
            ),
            ("UPDATE orders SET method = 'PARTNER'", "and its capture books provider_clearing"),
            (
                "ALTER TABLE ledger_transaction DISABLE TRIGGER ALL;
                 UPDATE ledger_transaction SET party[1] = gen_random_uuid()
                 WHERE account[1] = 'partner_receivable'",
                "and its sale books partner_receivable of",
            ),
            (
                "ALTER TABLE ledger_transaction DISABLE TRIGGER ALL;
                 DELETE FROM ledger_transaction WHERE kind = 'part_reversal'",
                "has booked part_reversal 1 of nothing and given back 5000",
            ),
            (
                "ALTER TABLE ledger_transaction DISABLE TRIGGER ALL;
                 UPDATE ledger_transaction SET amount[1] = amount[1] + 1, amount[2] = amount[2] - 1
                 WHERE account[1] = 'partner_receivable' AND kind = 'sale'",
                "and 10001 EUR is booked as sale",
            ),
        ],
    )
    .await;
}
