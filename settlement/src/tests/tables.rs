//! What the database itself refuses, and what it does for two at once.

use super::audit::one_connection;
use super::rig::{Point, Rig, eventually};
use crate::provider::{Cursor, Listed, Provider};
use crate::store::{Answered, FoundMoney, Lease, NoPlaces, Parts, Reseats, Sale, Store};
use crate::{Config, Sandbox, ticket_code};
use chassis::keys::KeyFolder;
use schema::{CommandId, Currency, OrderId, Split, TicketId, UnixMillis};
use settlement_core::{Payer, State, TRANSITIONS, on_sale};
use sqlx::{Executor, PgPool};
use uuid::Uuid;

#[tokio::test]
async fn the_database_allows_the_moves_of_the_core_and_no_other() {
    let mut rig = Rig::start().await;
    let stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    drop(stage);
    for from in State::ALL.into_iter().filter(|&state| state != State::Open) {
        for to in State::ALL.into_iter().filter(|&state| state != State::Open && state != from) {
            let legal = TRANSITIONS.iter().any(|legal| legal.from == from && legal.to == to);
            assert_eq!(try_move(&rig.pool, from, to).await, legal, "{from} to {to}");
        }
    }
}

/// Tries a move of the one order, and takes it back.
async fn try_move(pool: &PgPool, from: State, to: State) -> bool {
    let mut connection = pool.acquire().await.unwrap();
    connection.execute("BEGIN").await.unwrap();
    connection.execute("ALTER TABLE orders DISABLE TRIGGER orders_move").await.unwrap();
    let place = sqlx::query("UPDATE orders SET state = $1, reason = 'test'").bind(from.as_str());
    place.execute(&mut *connection).await.unwrap();
    connection.execute("ALTER TABLE orders ENABLE TRIGGER orders_move").await.unwrap();
    let moved = sqlx::query("UPDATE orders SET state = $1").bind(to.as_str());
    let moved = moved.execute(&mut *connection).await.is_ok();
    connection.execute("ROLLBACK").await.unwrap();
    moved
}

#[tokio::test]
async fn the_ledger_takes_only_whole_transactions_and_gives_nothing_back() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    let booked = |account: &str, amount: &str, party: &str| {
        format!(
            "INSERT INTO ledger_transaction VALUES (gen_random_uuid(), 'sale', 0, 'EVT001', 1,
                 'EUR', ARRAY[{account}], ARRAY[{amount}], ARRAY[{party}]::UUID[])"
        )
    };
    let accounts = "'fees', 'fan_receivable'";
    let refused = [
        booked(accounts, "1, -2", "NULL, NULL"),
        booked(accounts, "9223372036854775807, 1", "NULL, NULL"),
        booked(accounts, "1, -1, 0", "NULL, NULL"),
        booked(accounts, "1, NULL", "NULL, NULL"),
        booked("'fees', 'fan_receivable', 'fees'", "1, -1, NULL", "NULL, NULL, NULL"),
        booked(accounts, "1, -1", "NULL"),
        booked("'fees', 'gifts'", "1, -1", "NULL, NULL"),
        booked("", "", ""),
        "UPDATE ledger_transaction SET amount = ARRAY[0]".to_owned(),
        "UPDATE ledger_transaction SET at = 0".to_owned(),
        "DELETE FROM ledger_transaction".to_owned(),
        "TRUNCATE ledger_transaction".to_owned(),
    ];
    for statement in refused {
        let refusal = rig.pool.execute(sqlx::AssertSqlSafe(&*statement)).await;
        assert!(refusal.is_err(), "{statement}");
    }
    rig.assert_clean().await;
    let whole = booked(accounts, "1, -1", "NULL, NULL");
    rig.pool.execute(sqlx::AssertSqlSafe(whole)).await.unwrap();
}

#[tokio::test]
async fn selling_twice_is_selling_once() {
    let (rig, hold) = Rig::paid(&[1, 2]).await;
    let folder = tempfile::tempdir().unwrap();
    let key = KeyFolder::open(folder.path()).unwrap().ed25519("ticket").unwrap();
    let order = OrderId::from(hold);
    let code = |line| ticket_code(&key, &rig.event, TicketId { order, line }, 0);
    let sale = Sale {
        order,
        attempt: 1,
        posting: on_sale(Split { net: 10_000, fee: 0, tax: 0 }, Currency::EUR, Payer::Fan, None),
        charged: true,
        codes: vec![code(0), code(1)],
    };
    let lease = Lease { owner: Uuid::nil(), ms: 1_000 };
    let store = Store::start(&rig.pool, &Config::default(), "sandbox", lease);
    let both = futures_util::join!(store.sell(sale.clone()), store.sell(sale));
    let paid: (State, Option<String>) = (State::Paid, None);
    assert_eq!((both.0.unwrap(), both.1.unwrap()), (paid.clone(), paid));
    assert_eq!(rig.count("SELECT count(*) FROM ticket").await, 2);
    assert_eq!(rig.count("SELECT count(*) FROM ledger_entry").await, 4);
    rig.assert_clean().await;
}

/// Rows that wait for answers, in each table that has such ones.
const UNANSWERED: &str = "
    INSERT INTO outbox (order_id, attempt, kind, round, command_id, event_id, created_at, send_at)
    SELECT gen_random_uuid(), 1, 'sold', 0, gen_random_uuid(), 'EVT001', 1, 1
    FROM generate_series(1, 20);
    INSERT INTO order_part (order_id, part, line, amount, state, begun_at, refunded_at, command_id,
        send_at)
    SELECT gen_random_uuid(), 1, 0, 1, 'refunded', 1, 1, gen_random_uuid(), 1
    FROM generate_series(1, 20);
    INSERT INTO reseat (order_id, provider, provider_id, hold_id, command_id, asked_at, send_at)
    SELECT gen_random_uuid(), 'sandbox', gen_random_uuid()::TEXT, gen_random_uuid(),
        gen_random_uuid(), 1, 1
    FROM generate_series(1, 20)";

/// Many more that had theirs: the tables are large, so each row is looked up by its command.
const ANSWERED: &str = "
    INSERT INTO outbox (order_id, attempt, kind, round, command_id, event_id, created_at, send_at,
        done_at)
    SELECT gen_random_uuid(), 1, 'sold', 0, gen_random_uuid(), 'EVT001', 1, 1, 1
    FROM generate_series(1, 20000);
    INSERT INTO order_part (order_id, part, line, amount, state, begun_at, refunded_at, command_id,
        send_at, done_at)
    SELECT gen_random_uuid(), 1, 0, 1, 'refunded', 1, 1, gen_random_uuid(), 1, 1
    FROM generate_series(1, 20000);
    INSERT INTO reseat (order_id, provider, provider_id, hold_id, command_id, asked_at, send_at,
        rung, answered_at)
    SELECT gen_random_uuid(), 'sandbox', gen_random_uuid()::TEXT, gen_random_uuid(),
        gen_random_uuid(), 1, 1, 'same_seats', 1
    FROM generate_series(1, 20000);
    ANALYZE outbox, order_part, reseat";

/// The commands of what waits in each of them.
const COMMANDS: [(&str, &str); 3] = [
    ("outbox", "SELECT command_id FROM outbox WHERE done_at IS NULL"),
    ("order_part", "SELECT command_id FROM order_part WHERE done_at IS NULL"),
    ("reseat", "SELECT command_id FROM reseat WHERE rung IS NULL"),
];

/// Takes the answers to commands, in their order.
async fn close(pool: &PgPool, table: &str, commands: Vec<Uuid>) {
    let count = commands.len();
    let ids = commands.iter().map(|command| CommandId(command.as_u128()));
    match table {
        "outbox" => {
            let close = sqlx::query("SELECT outbox_close($1, $2, $3, 1)");
            let close = close.bind(commands).bind(vec![1_i64; count]);
            close.bind(vec![None::<&str>; count]).execute(pool).await.unwrap();
        }
        "order_part" => {
            let answered = |command| Answered { command, sequence: 1, refusal: None };
            Parts(pool).close(&ids.map(answered).collect::<Vec<_>>()).await.unwrap();
        }
        "reseat" => {
            let refused = |command| NoPlaces { command, why: "SOLD_OUT" };
            Reseats(pool).refuse(&ids.map(refused).collect::<Vec<_>>()).await.unwrap();
        }
        other => unreachable!("nothing waits in {other}"),
    }
}

#[tokio::test]
async fn two_who_close_the_same_rows_in_opposite_orders_never_wait_for_each_other() {
    let rig = Rig::start().await;
    let pools = [one_connection(&rig).await, one_connection(&rig).await];
    rig.pool.execute(sqlx::raw_sql(ANSWERED)).await.unwrap();
    for _ in 0..3 {
        rig.pool.execute(sqlx::raw_sql(UNANSWERED)).await.unwrap();
        for (table, commands) in COMMANDS {
            let waiting = async || {
                sqlx::query_scalar::<_, Uuid>(commands).fetch_all(&rig.pool).await.unwrap()
            };
            let forwards = waiting().await;
            let backwards = forwards.iter().rev().copied().collect();
            // Each comes as far as the middle, or waits for who has come before.
            let mut middle = rig.pool.begin().await.unwrap();
            let hold = format!("SELECT FROM {table} WHERE command_id = $1 FOR UPDATE");
            let hold = sqlx::query(sqlx::AssertSqlSafe(hold)).bind(forwards[forwards.len() / 2]);
            hold.execute(&mut *middle).await.unwrap();
            let let_go = async {
                let wait = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
                eventually("both to wait", || async { rig.count(wait).await == 2 }).await;
                middle.rollback().await.unwrap();
            };
            futures_util::join!(
                close(&pools[0], table, forwards),
                close(&pools[1], table, backwards),
                let_go
            );
            assert_eq!(waiting().await, Vec::<Uuid>::new(), "{table}");
        }
    }
}

/// How many entries of an index have been read by now.
async fn entries_read(pool: &PgPool, index: &'static str) -> i64 {
    pool.execute("SELECT pg_stat_force_next_flush()").await.unwrap();
    let read = sqlx::query_scalar("SELECT pg_stat_get_tuples_returned($1::REGCLASS)");
    read.bind(index).fetch_one(pool).await.unwrap()
}

/// How many entries of indexes are read meanwhile.
async fn reading<const N: usize>(
    pool: &PgPool,
    indexes: [&'static str; N],
    work: impl Future<Output = ()>,
) -> [i64; N] {
    let mut read = [0; N];
    for (read, index) in read.iter_mut().zip(indexes) {
        *read = entries_read(pool, index).await;
    }
    work.await;
    for (read, index) in read.iter_mut().zip(indexes) {
        *read = entries_read(pool, index).await - *read;
    }
    read
}

/// No vacuum and no ANALYZE comes by. It makes plans anew, so it stands before them.
const ALONE: &str = "ALTER TABLE outbox SET (autovacuum_enabled = false);
    ALTER TABLE orders SET (autovacuum_enabled = false)";

/// Verdicts on their way and orders that are left to do, as a sale makes them.
const BUSY: &str = "
    INSERT INTO outbox (order_id, attempt, kind, round, command_id, event_id, created_at, send_at)
    SELECT gen_random_uuid(), 1, 'sold', 0, gen_random_uuid(), 'EVT001', 1, 1
    FROM generate_series(1, 20000);
    INSERT INTO orders (order_id, event_id, account_id, state, attempt, method, token, amount,
        currency, line_seat, line_area, line_level, line_price, payment_deadline, created_at,
        updated_at, todo, lease_until)
    SELECT gen_random_uuid(), 'EVT001', gen_random_uuid(), 'paying', 1, 'CREDIT_CARD', 'tok_ok', 1,
        'EUR', '{1}', '{-1}', '{0}', '{1}', 1, 1, 1, true, 1
    FROM generate_series(1, 20000)";

#[tokio::test]
async fn looks_for_what_is_left_to_do_go_through_what_is_done_once() {
    let rig = Rig::start().await;
    let pool = one_connection(&rig).await;
    rig.pool.execute(sqlx::raw_sql(ALONE)).await.unwrap();
    rig.pool.execute(sqlx::raw_sql(BUSY)).await.unwrap();
    rig.pool.execute("UPDATE outbox SET done_at = 1").await.unwrap();
    rig.pool.execute("UPDATE orders SET todo = false").await.unwrap();
    let look = async || {
        for look in ["outbox_due(2, 1, 256)", "order_claim(gen_random_uuid(), 9, 2, 256)"] {
            let look = format!("SELECT count(*) FROM {look}");
            let found = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(look));
            assert_eq!(found.fetch_one(&pool).await.unwrap(), 0);
        }
    };
    let first = reading(&pool, ["outbox_undone", "orders_todo"], look()).await;
    assert!(first.iter().all(|read| 20_000 <= *read), "{first:?} of 20,000 that are done now");
    let next = reading(&pool, ["outbox_undone", "orders_todo"], look()).await;
    assert!(next.iter().all(|read| *read < 200), "{next:?} again");
}

#[tokio::test]
async fn an_answer_reads_its_own_verdict_and_no_other() {
    let rig = Rig::start().await;
    rig.pool.execute(sqlx::raw_sql(ALONE)).await.unwrap();
    // Its plan is made while nothing is on its way, and kept.
    let early = one_connection(&rig).await;
    close(&early, "outbox", vec![Uuid::nil()]).await;
    rig.pool.execute(sqlx::raw_sql(BUSY)).await.unwrap();
    let late = one_connection(&rig).await;
    for pool in [&early, &late] {
        let some = "SELECT command_id FROM outbox WHERE done_at IS NULL LIMIT 20";
        let some: Vec<Uuid> = sqlx::query_scalar(some).fetch_all(pool).await.unwrap();
        let indexes = ["outbox_command", "outbox_pkey", "outbox_undone"];
        let read = reading(pool, indexes, close(pool, "outbox", some)).await;
        assert_eq!(read, [20, 20, 0]);
        rig.pool.execute("ANALYZE outbox").await.unwrap();
    }
    let left = "SELECT count(*) FROM outbox WHERE done_at IS NULL";
    assert_eq!(rig.count(left).await, 20_000 - 40);
}

#[tokio::test]
async fn an_answer_that_comes_late_leaves_the_next_round_open() {
    let rig = Rig::start().await;
    let pool = one_connection(&rig).await;
    rig.pool.execute(sqlx::raw_sql(UNANSWERED)).await.unwrap();
    let of = "SELECT order_id, command_id FROM outbox ORDER BY order_id";
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(of).fetch_all(&rig.pool).await.unwrap();
    let [(first, _), (second, answered), ..] = rows[..] else { panic!("{rows:?}") };
    // Whoever closes both waits for the first, and has seen the second undone.
    let mut somebody = rig.pool.begin().await.unwrap();
    let hold = "SELECT FROM outbox WHERE order_id = $1 FOR UPDATE";
    sqlx::query(hold).bind(first).execute(&mut *somebody).await.unwrap();
    let next = Uuid::from_u128(7);
    let meanwhile = async {
        let wait = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        eventually("it to wait", || async { rig.count(wait).await == 1 }).await;
        close(&rig.pool, "outbox", vec![answered]).await;
        let again = "UPDATE outbox SET round = 1, command_id = $1, done_at = NULL
            WHERE order_id = $2";
        let again = sqlx::query(again).bind(next).bind(second);
        again.execute(&rig.pool).await.unwrap();
        somebody.rollback().await.unwrap();
    };
    let both = rows.iter().take(2).map(|(_, command)| *command).collect();
    futures_util::join!(close(&pool, "outbox", both), meanwhile);
    let open = "SELECT count(*) FROM outbox WHERE done_at IS NULL
        AND command_id = '00000000-0000-0000-0000-000000000007'";
    assert_eq!(rig.count(open).await, 1);
}

#[tokio::test]
async fn payments_are_listed_and_compared_each_by_itself() {
    let (rig, _) = Rig::paid(&[1]).await;
    let pool = one_connection(&rig).await;
    let sandbox = Sandbox::start(&pool);
    let money = FoundMoney { pool: &pool, provider: "sandbox" };
    let list = async || {
        let first = Cursor { created_at: UnixMillis(0), id: String::new() };
        sandbox.list(&first).await.unwrap().payments
    };
    let known = async |payments: &[Listed]| {
        let known = money.known(payments, UnixMillis(u64::MAX >> 1)).await.unwrap();
        assert!(known.iter().all(|known| known.is_uneven == Some(false)), "{:?}", known[0]);
    };
    // Plans are made while there is hardly anything, and kept.
    let paid = list().await;
    known(&paid).await;
    let more = "INSERT INTO orders SELECT (o).* FROM (SELECT jsonb_populate_record(o,
            jsonb_build_object('order_id', gen_random_uuid())) AS o
            FROM orders o, generate_series(1, 5000)) o;
        INSERT INTO payment_attempt SELECT order_id, 1, 'sandbox', 'copy ' || order_id, amount,
            currency, 1 FROM orders ON CONFLICT DO NOTHING;
        INSERT INTO sandbox.payment SELECT (p).* FROM (SELECT jsonb_populate_record(p,
            jsonb_build_object('payment_id', p.payment_id || n, 'created_at', p.created_at + n))
            AS p FROM sandbox.payment p, generate_series(1, 5000) n) p";
    rig.pool.execute(sqlx::raw_sql(more)).await.unwrap();
    let some = "SELECT provider_id FROM payment_attempt WHERE provider_id LIKE 'copy%' LIMIT 500";
    let some: Vec<String> = sqlx::query_scalar(some).fetch_all(&rig.pool).await.unwrap();
    let many: Vec<Listed> = some.into_iter().map(|id| Listed { id, ..paid[0].clone() }).collect();
    let ids = "payment_attempt_provider_provider_id_key";
    for _ in 0..2 {
        let work = async {
            assert_eq!(list().await.len(), 500);
            known(&many).await;
        };
        let read = reading(&pool, ["sandbox.payment_created", ids, "orders_pkey"], work).await;
        assert!(read.iter().all(|read| (500..600).contains(read)), "{read:?}");
        let plan_anew = "ANALYZE orders, payment_attempt, sandbox.payment";
        rig.pool.execute(plan_anew).await.unwrap();
    }
}
