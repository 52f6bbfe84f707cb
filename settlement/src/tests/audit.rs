//! SEAT-1's last guard, and an audit that sees what is planted.

use super::owner::payment;
use super::rig::{PATIENT, Point, Rig, eventually, plan};
use chassis::metrics::NAME_PREFIX;
use schema::{Terms, VerdictKind};
use sqlx::Executor;

/// How often the page of metrics says that SEAT-1 was found broken, and that there was a review.
fn assert_counted(metrics: &chassis::metrics::Handle, broken: u32, reviews: u32) {
    let page = metrics.render();
    for line in [
        format!("{NAME_PREFIX}invariant_broken_total{{id=\"SEAT-1\"}} {broken}"),
        format!("{NAME_PREFIX}settlement_reviews_total {reviews}"),
    ] {
        assert!(page.contains(&line), "{line} is not in {page}");
    }
}

#[tokio::test]
async fn of_two_orders_for_one_seat_one_fails_alone_and_its_money_is_set_free() {
    let metrics = chassis::metrics::install(&chassis::Shutdown::new()).unwrap();
    let mut rig = Rig::start().await;
    let mut holds = Vec::new();
    for seat in 0..20 {
        holds.push(rig.pay(&[seat, seat + 100], "tok_ok").await);
    }
    let places = rig.hold(&[7, 300], 0);
    let twin = places.hold;
    rig.owner.announce(&rig.event, payment(places.clone(), 1, "tok_ok", PATIENT), false).await;
    // Started last, so that all orders are ready together and go into the same commit.
    let _stage = rig.stage(Point::Never);
    for &hold in holds.iter().filter(|&&hold| hold != holds[7]) {
        rig.wait_for(hold, "paid").await;
    }
    rig.rest().await;
    let pair = [rig.state(holds[7]).await, rig.state(twin).await];
    assert!(pair == ["paid", "review_needed"] || pair == ["review_needed", "paid"], "{pair:?}");
    assert_counted(&metrics, 1, 1);
    let differences = crate::audit(&rig.pool).await.unwrap();
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert!(differences[0].contains("a seat belongs to another order"), "{differences:?}");
    let voided = "SELECT count(*) FROM sandbox.payment WHERE state = 'cancelled'";
    assert_eq!(rig.count(voided).await, 1);
    let loser = if pair[0] == "paid" { twin } else { holds[7] };
    let ended = [(1, VerdictKind::Cancelled)];
    assert_eq!(rig.owner.verdicts(loser), ended, "the hold ends, the order stays under review");
    // As an owner that has forgotten the verdict reminds.
    let places =
        if loser == twin { places } else { schema::Held { hold: loser, ..rig.hold(&[7, 107], 0) } };
    rig.owner.announce(&rig.event, payment(places, 1, "tok_ok", PATIENT), true).await;
    eventually("a second verdict", || async { rig.owner.verdicts(loser).len() == 2 }).await;
    rig.rest().await;
    assert_eq!(rig.state(loser).await, "review_needed");
    let next = rig.pay(&[if loser == twin { 300 } else { 107 }], "tok_ok").await;
    rig.wait_for(next, "paid").await;
}

#[tokio::test]
async fn a_review_is_counted_once_where_the_answer_of_its_commit_was_lost() {
    let metrics = chassis::metrics::install(&chassis::Shutdown::new()).unwrap();
    let mut rig = Rig::start().await;
    rig.refuse("live_seat").await;
    let _stage = rig.stage(Point::Never);
    rig.pay(&[1], "tok_ok").await;
    rig.refused_twice().await;
    // One of these commits was made after all, and its driver has heard of a failure only.
    let made =
        "UPDATE orders SET state = 'review_needed', reason = 'a seat belongs to another order'";
    rig.pool.execute(made).await.unwrap();
    rig.rest().await;
    assert_counted(&metrics, 1, 1);
}

#[tokio::test]
async fn a_full_area_refuses_the_order_that_does_not_fit_and_no_other() {
    let metrics = chassis::metrics::install(&chassis::Shutdown::new()).unwrap();
    let mut rig = Rig::start().await;
    let capacity = "INSERT INTO area_sold (event_id, area_idx, capacity) VALUES ('EVT001', 0, 5)";
    rig.pool.execute(capacity).await.unwrap();
    rig.publish(&plan(None), Terms::default()).await;
    let _stage = rig.stage(Point::Never);
    let mut holds = Vec::new();
    for quantity in [2, 2, 3] {
        let held = rig.hold(&[], quantity);
        holds.push(held.hold);
        let payment = payment(held, 1, "tok_ok", PATIENT);
        rig.owner.announce(&rig.event, payment, false).await;
    }
    let all = "SELECT count(*) FROM orders";
    eventually("three orders", || async { rig.count(all).await == 3 }).await;
    rig.rest().await;
    let mut ends = Vec::new();
    for &hold in &holds {
        ends.push((rig.state(hold).await, rig.owner.verdicts(hold)));
    }
    ends.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let ended = |state: &str, kind| (state.to_owned(), vec![(1, kind)]);
    let paid = ended("paid", VerdictKind::Sold);
    let refused = ended("review_needed", VerdictKind::Cancelled);
    assert_eq!(ends, [paid.clone(), paid, refused]);
    let differences = crate::audit(&rig.pool).await.unwrap();
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert!(differences[0].contains("an area is full"), "{differences:?}");
    assert_counted(&metrics, 0, 1);
}

#[tokio::test]
async fn a_full_pool_refuses_the_order_that_does_not_fit_and_no_other() {
    let metrics = chassis::metrics::install(&chassis::Shutdown::new()).unwrap();
    let mut rig = Rig::start().await;
    rig.publish(&plan(Some(6)), Terms::default()).await;
    let _stage = rig.stage(Point::Never);
    let mut holds = Vec::new();
    // Any two of them fit into the pool, and each area has room for all of its own.
    for (area, quantity) in [(0, 3), (1, 2), (1, 2)] {
        let mut held = rig.hold(&[], quantity);
        held.areas[0].area = schema::AreaIdx(area);
        holds.push(held.hold);
        let payment = payment(held, 1, "tok_ok", PATIENT);
        rig.owner.announce(&rig.event, payment, false).await;
    }
    let all = "SELECT count(*) FROM orders";
    eventually("three orders", || async { rig.count(all).await == 3 }).await;
    rig.rest().await;
    let mut states = Vec::new();
    for &hold in &holds {
        states.push(rig.state(hold).await);
    }
    states.sort_unstable();
    assert_eq!(states, ["paid", "paid", "review_needed"]);
    let differences = crate::audit(&rig.pool).await.unwrap();
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert!(differences[0].contains("a pool of areas is full"), "{differences:?}");
    assert_counted(&metrics, 0, 1);
    let apart = "SELECT (SELECT sum(sold) FROM area_sold) - (SELECT sum(sold) FROM pool_sold)";
    assert_eq!(rig.count(apart).await, 0);
}

/// Damages, each with what the audit says of it.
const PLANTED: &[(&str, &str)] = &[
    ("UPDATE ticket SET state = 'void', voided_at = 0 WHERE line = 0", "valid tickets of 2"),
    ("DELETE FROM live_seat WHERE seat_idx = 1", "is not its own"),
    ("INSERT INTO live_seat VALUES ('EVT001', 9, gen_random_uuid(), 0)", "no valid ticket"),
    ("UPDATE sandbox.payment SET state = 'refunded'", "its payment is refunded"),
    ("UPDATE sandbox.payment SET state = 'authorised'", "its payment is authorised"),
    ("DELETE FROM sandbox.payment", "its payment is missing"),
    ("DELETE FROM payment_attempt", "is captured, its order is missing"),
    (
        "INSERT INTO sandbox.payment SELECT payment_id || '2', order_ref, amount, currency,
             state, outcome, reason, delay_ms, silent, verb, settles_at, captured_at,
             created_at, updated_at FROM sandbox.payment",
        "was charged 2 times",
    ),
    (
        "INSERT INTO ticket SELECT gen_random_uuid(), line, event_id, account_id, issue,
             seat_idx, area_idx, price_level, price, code, state, issued_at, voided_at
         FROM ticket WHERE line = 0",
        "is valid, but seat 1 of EVT001 is not its own",
    ),
    ("UPDATE orders SET captured_at = NULL, state = 'refunding'", "its order is refunding"),
    ("INSERT INTO area_sold VALUES ('EVT001', 0, 1, 5)", "counts 1 sold"),
    ("INSERT INTO pool_sold VALUES ('EVT001', 0, 1, 5)", "its areas have sold 0"),
    (
        "ALTER TABLE ledger_transaction DISABLE TRIGGER ALL;
         ALTER TABLE ledger_transaction DROP CONSTRAINT ledger_balances;
         UPDATE ledger_transaction SET amount[1] = amount[1] + 1 WHERE kind = 'sale'",
        "the ledger is off by 1 EUR",
    ),
    (
        "INSERT INTO ledger_transaction SELECT order_id, kind, 1, event_id, at, currency,
             account, amount, party FROM ledger_transaction",
        "has booked sale 1 times beside its own",
    ),
    (
        "ALTER TABLE ledger_transaction DISABLE TRIGGER ALL; DELETE FROM ledger_transaction",
        "is paid and has booked nothing",
    ),
    ("UPDATE orders SET sold_at = NULL", "is paid and has booked"),
    (
        "INSERT INTO ledger_transaction SELECT order_id, 'reversal', 0, event_id, at, currency,
             account, amount, party FROM ledger_transaction WHERE kind = 'sale'",
        "its reversal leaves",
    ),
    ("UPDATE orders SET currency = 'USD'", "EUR is booked as sale"),
    (
        "INSERT INTO ledger_transaction SELECT order_id, 'chargeback', 0, event_id, at,
             currency, ARRAY['chargeback', 'fees'], ARRAY[7, -7], party
             FROM ledger_transaction WHERE kind = 'sale'",
        "taken less given back is 10007",
    ),
    (
        "INSERT INTO checkin VALUES (gen_random_uuid(), 0, gen_random_uuid(), 'A',
             gen_random_uuid(), 1, 1)",
        "was used and is missing",
    ),
    ("UPDATE ticket SET account_id = gen_random_uuid()", "or given to last"),
    ("UPDATE outbox SET done_at = NULL, created_at = 0", "has not answered \"sold\""),
    ("UPDATE outbox SET answer = 'RESERVATION_UNKNOWN'", "refused \"sold\""),
    ("UPDATE orders SET todo = true, payment_deadline = 0, updated_at = 0", "its deadline"),
];

#[tokio::test]
async fn the_audit_sees_what_is_planted() {
    let mut rig = Rig::start().await;
    let stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1, 2], "tok_ok").await;
    rig.rest().await;
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    assert_eq!(rig.owner.verdicts(hold), [(1, VerdictKind::Sold)]);
    drop(stage);
    assert_seen(&rig, PLANTED).await;
}

/// The audit sees each damage, and nothing before and after.
pub(super) async fn assert_seen(rig: &Rig, planted: &[(&'static str, &str)]) {
    rig.assert_clean().await;
    for (statement, expected) in planted {
        // One connection: the damage is looked at, then rolled back with its transaction.
        let pool = one_connection(rig).await;
        pool.execute("BEGIN").await.unwrap();
        pool.execute(sqlx::raw_sql(*statement)).await.unwrap();
        let differences = crate::audit(&pool).await.unwrap();
        let seen = differences.iter().any(|difference| difference.contains(expected));
        assert!(seen, "{statement}: {differences:?}");
        pool.close().await;
    }
    rig.assert_clean().await;
}

pub(super) async fn one_connection(rig: &Rig) -> sqlx::PgPool {
    let config = chassis::PostgresConfig { connections: 1, ..rig.servers.postgres_config() };
    chassis::connect_postgres(&config, "planted").await.unwrap()
}
