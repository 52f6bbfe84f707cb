//! `usher audit --all` and `usher ledger check` fail on what must never be, each in its own way,
//! and on nothing else.

use crate::auditor::{assert_clean, audit, check_ledger, postgres, reconcile};
use crate::fan::{Fan, best};
use crate::process::free_port;
use crate::system::System;
use crate::up::{Reach, Up};
use crate::wait::until;
use chassis::{TestServers, Which};
use schema::OrderId;
use sqlx::types::Uuid;
use sqlx::{AssertSqlSafe, PgPool, Row};

/// A damage: what makes and mends it, and what the two commands then say, if anything.
#[derive(Debug, Clone)]
struct Planted {
    plant: String,
    mend: String,
    audit: String,
    ledger: Option<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_double_sale_a_lost_payment_and_an_unbalanced_row_fail_both_commands() {
    let up = Up::start().await;
    let reach = up.reach();
    let fan = Fan::new(&reach.client, "audited").await;
    let (one, other) = (fan.buy(&best("EVT002", 1)).await, fan.buy(&best("EVT002", 1)).await);
    let pool = postgres(&reach).await;
    until("both payments to be booked", async || {
        let booked = "SELECT count(*) FROM ledger_transaction WHERE kind = 'capture'";
        let booked: i64 = sqlx::query_scalar(booked).fetch_one(&pool).await.unwrap();
        (booked == 2).then_some(())
    })
    .await;
    // As somebody with the rights of the owner of the tables could.
    let free = "ALTER TABLE ledger_transaction DISABLE TRIGGER ALL, \
                DROP CONSTRAINT ledger_balances";
    sqlx::query(free).execute(&pool).await.unwrap();
    assert_sound(&reach).await;
    let (one, other) = (Sold::find(&pool, &one.id).await, Sold::find(&pool, &other.id).await);
    for planted in [double_sales(&one, &other), lost_payments(&one), unbalanced(&one)].concat() {
        execute(&pool, &planted.plant).await;
        let both = tokio::join!(audit(&reach, &["--all"]), check_ledger(&reach.variables));
        let ((code, printed), (ledger_code, ledger_printed)) = both;
        assert_eq!(code, 1, "{}: {printed}", planted.plant);
        assert!(printed.contains(&planted.audit), "{:?} is not in:\n{printed}", planted.audit);
        let is_seen = i32::from(planted.ledger.is_some());
        assert_eq!(ledger_code, is_seen, "{}: {ledger_printed}", planted.plant);
        let expected = planted.ledger.as_deref().unwrap_or(", 0 differences");
        assert!(ledger_printed.contains(expected), "{expected:?} is not in:\n{ledger_printed}");
        execute(&pool, &planted.mend).await;
    }
    assert_sound(&reach).await;
}

/// Both commands find nothing.
async fn assert_sound(reach: &Reach) {
    assert_clean(reach, &["--all"]).await;
    let sound = "checked 4 transactions with 8 entries, 0 differences".to_owned();
    assert_eq!(check_ledger(&reach.variables).await, (0, sound));
}

async fn execute(pool: &PgPool, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(pool).await.unwrap();
}

/// A seat is sold twice, or a sale is booked twice.
fn double_sales(one: &Sold, other: &Sold) -> Vec<Planted> {
    let Sold { order, seat } = one;
    let (second, second_seat) = (&other.order, other.seat);
    vec![
        Planted {
            plant: format!("UPDATE ticket SET seat_idx = {seat} WHERE order_id = '{second}'"),
            mend: format!("UPDATE ticket SET seat_idx = {second_seat} WHERE order_id = '{second}'"),
            audit: format!(
                "ORD-3: ticket {second}/0 is valid, but seat {seat} of EVT002 is not its own"
            ),
            ledger: None,
        },
        Planted {
            plant: format!(
                "INSERT INTO ledger_transaction SELECT order_id, kind, 1, event_id, at, currency,
                     account, amount, party FROM ledger_transaction
                 WHERE order_id = '{order}' AND kind = 'sale'"
            ),
            mend: "DELETE FROM ledger_transaction WHERE part = 1".to_owned(),
            audit: format!("MON-1: order {order} has booked sale 1 times beside its own"),
            ledger: Some(format!("MON-1: order {order} has booked sale 1 times beside its own")),
        },
    ]
}

/// Money is there without an order, or an order is paid without the money.
fn lost_payments(one: &Sold) -> Vec<Planted> {
    let order = &one.order;
    vec![
        Planted {
            // Too young to be found by settlement itself.
            plant: format!(
                "INSERT INTO sandbox.payment SELECT 'lost', '{}', amount, currency, state, outcome,
                     reason, delay_ms, silent, verb, settles_at, captured_at,
                     created_at + 3600000, updated_at
                 FROM sandbox.payment LIMIT 1",
                OrderId(7)
            ),
            mend: "DELETE FROM sandbox.payment WHERE payment_id = 'lost'".to_owned(),
            audit: "ORD-2: payment lost is captured, its order is missing".to_owned(),
            ledger: None,
        },
        Planted {
            plant: format!(
                "UPDATE sandbox.payment SET state = 'authorised' WHERE payment_id =
                     (SELECT provider_id FROM payment_attempt WHERE order_id = '{order}')"
            ),
            mend: "UPDATE sandbox.payment SET state = 'captured'".to_owned(),
            audit: format!("ORD-2: order {order} is paid, its payment is authorised"),
            ledger: None,
        },
        Planted {
            plant: format!(
                "CREATE TABLE taken AS SELECT * FROM ledger_transaction
                     WHERE order_id = '{order}' AND kind = 'capture';
                 DELETE FROM ledger_transaction WHERE order_id = '{order}' AND kind = 'capture'"
            ),
            mend: "INSERT INTO ledger_transaction SELECT * FROM taken; DROP TABLE taken".to_owned(),
            audit: format!("MON-1: order {order} is paid and has booked sale"),
            ledger: Some(format!("MON-1: order {order} is paid and has booked sale")),
        },
    ]
}

/// A row does not balance.
fn unbalanced(one: &Sold) -> Vec<Planted> {
    let order = &one.order;
    vec![Planted {
        plant: format!(
            "UPDATE ledger_transaction SET amount[1] = amount[1] + 1
                 WHERE order_id = '{order}' AND kind = 'sale'"
        ),
        mend: format!(
            "UPDATE ledger_transaction SET amount[1] = amount[1] - 1
                 WHERE order_id = '{order}' AND kind = 'sale'"
        ),
        audit: format!("MON-1: order {order}: sale is off by 1"),
        ledger: Some(" EUR, and the ledger since then by 1".to_owned()),
    }]
}

/// A sold seat.
struct Sold {
    order: String,
    seat: i32,
}

impl Sold {
    async fn find(pool: &PgPool, booking: &str) -> Self {
        let order: OrderId = booking.parse().unwrap();
        let order = Uuid::from_u128(order.0);
        let query = sqlx::query("SELECT seat_idx FROM live_seat WHERE order_id = $1").bind(order);
        let seat = query.fetch_one(pool).await.unwrap().get("seat_idx");
        Self { order: order.to_string(), seat }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_cannot_be_read_is_said_to_be_unchecked() {
    let nowhere = format!("postgres://a@127.0.0.1:{}/a", free_port());
    let variables = [("USHER__POSTGRES__URL".to_owned(), nowhere)];
    let (code, printed) = check_ledger(&variables).await;
    assert_eq!(code, 2, "{printed}");
    assert!(printed.starts_with("not checked: connect to P"), "{printed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_asked_is_no_difference_to_a_reconcile() {
    let nowhere = format!("postgres://a@127.0.0.1:{}/a", free_port());
    let servers = TestServers::with(&[Which::Postgres]).await;
    let here = servers.url(Which::Postgres).to_owned();
    for (url, why) in [(nowhere, "connect to P"), (here, "use payment provider nobody")] {
        let variables = [("POSTGRES__URL", url.as_str()), ("SETTLEMENT__PROVIDER", "nobody")];
        let variables = variables.map(|(name, value)| (format!("USHER__{name}"), value.to_owned()));
        let (code, printed) = reconcile(&variables).await;
        assert_eq!(code, 2, "{printed}");
        assert!(printed.starts_with(&format!("not reconciled: {why}")), "{printed}");
    }
}
