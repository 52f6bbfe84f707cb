//! A season by changing terms, its statements, and a check of the ledger that sees what is planted.

use super::audit::one_connection;
use super::cancel;
use super::owner::payment;
use super::rig::{ACCOUNT, PATIENT, Point, Rig, plan};
use crate::{check_ledger, ledger};
use chassis::clock;
use schema::{AccountId, CancelAnswer, FeePayer, HoldId, MilliPercent, Split, Terms};
use sqlx::{Executor, Row};
use std::collections::BTreeMap;
use uuid::Uuid;

const PROMOTERS: [AccountId; 2] = [AccountId(501), AccountId(502)];

/// Terms that leave rests, changed twice.
fn seasons() -> [Terms; 3] {
    let first = Terms {
        fee_fixed: 33,
        fee_share: MilliPercent(3_333),
        fee_payer: FeePayer::Seller,
        promoter: Some(PROMOTERS[0]),
        taxes: vec![MilliPercent(7_000), MilliPercent(19_000)],
    };
    let second = Terms { fee_payer: FeePayer::Buyer, fee_fixed: 101, ..first.clone() };
    let third = Terms { promoter: Some(PROMOTERS[1]), taxes: vec![], ..first.clone() };
    [first, second, third]
}

/// Sums by account, party and kind.
type Sums = BTreeMap<(String, Option<AccountId>, String), i64>;

fn book(sums: &mut Sums, kind: &str, terms: &Terms, split: Split) {
    let sign = if kind == "sale" { 1 } else { -1 };
    for (account, party, amount) in [
        ("fan_receivable", None, split.charged()),
        ("promoter_payable", terms.promoter, -split.net),
        ("fees", None, -split.fee),
        ("tax_payable", None, -split.tax),
    ] {
        if amount != 0 {
            let key = (account.to_owned(), party, kind.to_owned());
            *sums.entry(key).or_default() += sign * amount;
        }
    }
}

/// What a statement shows; balances at `from` are of the kind `opening`.
async fn statement(rig: &Rig, party: Option<AccountId>, from: i64, to: i64) -> Sums {
    let query = "SELECT account, kind, sum(amount)::BIGINT AS amount
        FROM ledger_statement($1, $2, $3, $4) GROUP BY account, kind";
    let event = party.is_none().then(|| rig.event.to_string());
    let rows = sqlx::query(query)
        .bind(event)
        .bind(party.map(|party| Uuid::from_u128(party.0)))
        .bind(from)
        .bind(to)
        .fetch_all(&rig.pool)
        .await
        .unwrap();
    let line = |row: &sqlx::postgres::PgRow| {
        let kind: Option<String> = row.get("kind");
        let kind = kind.unwrap_or_else(|| "opening".to_owned());
        ((row.get("account"), party, kind), row.get("amount"))
    };
    rows.iter().map(line).collect()
}

/// Sells to ten under each terms, and takes two of the season before back under other terms than
/// they were sold by. Returns what that books as sales and reversals, and the time in the middle.
async fn play(rig: &mut Rig) -> (Sums, i64) {
    let (mut sums, mut middle) = (Sums::new(), 0);
    let mut sold: Vec<(HoldId, Terms, Split)> = Vec::new();
    for (season, terms) in (0_u32..).zip(seasons()) {
        rig.publish(&plan(None), terms.clone()).await;
        // A new process, which has not read the terms of before.
        let stage = rig.stage(Point::Never);
        let mut holds = Vec::new();
        for number in 0..10_u32 {
            let seat = 100 * season + 3 * number;
            let standing = u32::from(number == 9);
            let mut held = rig.hold(&[seat, seat + 1, seat + 2], standing);
            for place in &mut held.seats {
                place.price = i64::from(3_331 + 7 * place.seat.0);
            }
            let seats = held.seats.iter().map(|seat| terms.split(seat.price, 0));
            let areas = held.areas.iter().map(|area| terms.split(area.price, 1));
            let split = seats.chain(areas).fold(Split::default(), |sum, part| sum + part);
            book(&mut sums, "sale", &terms, split);
            holds.push((held.hold, terms.clone(), split));
            let payment = payment(held, 1, "tok_ok", PATIENT);
            rig.owner.announce(&rig.event, payment, false).await;
        }
        for (hold, ..) in &holds {
            rig.wait_for(*hold, "paid").await;
        }
        for (hold, terms, split) in sold.drain(..).take(2) {
            let answer = cancel::ask(rig, hold, ACCOUNT).await;
            assert!(matches!(answer, CancelAnswer::Refunded { .. }), "{answer:?}");
            book(&mut sums, "reversal", &terms, split);
        }
        sold = holds;
        rig.rest().await;
        drop(stage);
        if season == 1 {
            middle = i64::try_from(clock::now().0).unwrap();
        }
    }
    (sums, middle)
}

#[tokio::test]
async fn statements_of_a_season_with_changing_terms_are_the_sums_of_its_orders() {
    let mut rig = Rig::start().await;
    let (expected, middle) = play(&mut rig).await;
    rig.assert_clean().await;
    let checked = check_ledger(&rig.pool).await.unwrap();
    assert_eq!(checked.differences, Vec::<String>::new());
    // 30 sales and captures, 4 reversals and payouts.
    assert_eq!(checked.transactions, 68);

    let shown = statement(&rig, None, 0, i64::MAX).await;
    let mut by_kind = BTreeMap::new();
    for ((account, _, kind), amount) in &expected {
        *by_kind.entry((account.clone(), None, kind.clone())).or_insert(0) += amount;
    }
    for kind in ["capture", "payout"] {
        let of = if kind == "capture" { "sale" } else { "reversal" };
        let total = by_kind[&("fan_receivable".to_owned(), None, of.to_owned())];
        by_kind.insert(("fan_receivable".to_owned(), None, kind.to_owned()), -total);
        by_kind.insert(("provider_clearing".to_owned(), None, kind.to_owned()), total);
    }
    assert_eq!(shown, by_kind, "the event's statement");
    for promoter in PROMOTERS {
        let own =
            |((_, party, _), _): &(&(_, Option<AccountId>, _), &i64)| *party == Some(promoter);
        let expected: Sums = expected.iter().filter(own).map(|(k, v)| (k.clone(), *v)).collect();
        assert_eq!(statement(&rig, Some(promoter), 0, i64::MAX).await, expected);
        let (before, after) = (
            statement(&rig, Some(promoter), 0, middle).await,
            statement(&rig, Some(promoter), middle, i64::MAX).await,
        );
        let sum = |sums: &Sums| sums.values().sum::<i64>();
        let key = ("promoter_payable".to_owned(), Some(promoter), "opening".to_owned());
        assert_eq!(after.get(&key).copied().unwrap_or(0), sum(&before), "closing is opening");
        assert_eq!(sum(&after), sum(&expected));
    }
    let late = statement(&rig, None, middle, i64::MAX).await;
    assert!(late.values().sum::<i64>() == 0 && late != shown, "{late:?}");
}

/// Damages, each with what a check says of it. Entries of a sale and of its reversal: what the fan
/// owes, what the promoter gets, fee, tax.
const PLANTED: &[(&str, &str)] = &[
    (
        "UPDATE ledger_transaction SET amount[3] = amount[3] + 1 WHERE kind = 'sale'
          AND order_id = (SELECT order_id FROM orders WHERE state = 'paid')",
        "is off by 1 EUR, and the ledger since then by 1",
    ),
    (
        "INSERT INTO ledger_transaction SELECT order_id, kind, 1, event_id, at, currency, account,
          amount, party FROM ledger_transaction WHERE kind = 'capture'",
        "has booked capture 1 times beside its own",
    ),
    ("DELETE FROM ledger_transaction WHERE kind = 'capture'", "is paid and has booked sale"),
    (
        "UPDATE ledger_transaction SET currency = 'USD' WHERE kind = 'capture'",
        "USD is booked as capture",
    ),
    ("DELETE FROM ledger_transaction WHERE kind = 'sale'", "and has booked capture"),
    ("DELETE FROM ledger_transaction WHERE kind = 'payout'", "owed"),
    (
        "UPDATE ledger_transaction SET amount[3] = amount[3] + 1, amount[4] = amount[4] - 1
          WHERE kind = 'reversal'",
        "its reversal leaves 1 in fees",
    ),
    (
        "UPDATE ledger_transaction SET party[2] = gen_random_uuid() WHERE kind = 'reversal'",
        "its reversal leaves",
    ),
    (
        "UPDATE ledger_transaction SET amount = ARRAY[amount[1] - 1, amount[2] + 1]
          WHERE kind = 'capture'",
        "is at rest and 1 is owed",
    ),
    (
        "UPDATE ledger_transaction SET order_id = gen_random_uuid() WHERE kind = 'sale'",
        "is missing and has booked sale",
    ),
    ("UPDATE ticket SET state = 'void', voided_at = 1", "its live tickets cost 0"),
    ("UPDATE orders SET amount = amount + 1", "is booked as sale"),
];

#[tokio::test]
async fn a_check_of_the_ledger_sees_what_is_planted() {
    let mut rig = Rig::start().await;
    rig.publish(&plan(None), seasons()[0].clone()).await;
    let stage = rig.stage(Point::Never);
    let (kept, refunded) = (rig.pay(&[1, 2], "tok_ok").await, rig.pay(&[3], "tok_ok").await);
    rig.wait_for(kept, "paid").await;
    rig.wait_for(refunded, "paid").await;
    cancel::ask(&rig, refunded, ACCOUNT).await;
    rig.rest().await;
    drop(stage);
    assert_eq!(check_ledger(&rig.pool).await.unwrap().differences, Vec::<String>::new());
    for (statement, expected) in PLANTED {
        // One connection: the damage is looked at, then rolled back with its transaction.
        let pool = one_connection(&rig).await;
        pool.execute("BEGIN").await.unwrap();
        let free = "ALTER TABLE ledger_transaction DISABLE TRIGGER ALL;
            ALTER TABLE ledger_transaction DROP CONSTRAINT ledger_balances";
        pool.execute(sqlx::raw_sql(free)).await.unwrap();
        pool.execute(sqlx::raw_sql(*statement)).await.unwrap();
        let checked = ledger::check(&mut pool.acquire().await.unwrap()).await.unwrap();
        let seen = checked.differences.iter().any(|difference| difference.contains(expected));
        assert!(seen, "{statement}: {:?}", checked.differences);
        let money = |line: &String| line.starts_with("MON-1");
        assert!(checked.differences.iter().all(money), "{:?}", checked.differences);
        pool.close().await;
    }
    assert_eq!(check_ledger(&rig.pool).await.unwrap().differences, Vec::<String>::new());
}
