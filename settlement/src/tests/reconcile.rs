//! Money that the provider has and no order accounts for.

use super::late::late;
use super::rig::{ACCOUNT, Point, Rig, asked, eventually, trapped};
use crate::provider::{Cursor, Failure, NewPayment, Page, Payment, Provider, Verb};
use crate::store::FoundMoney;
use crate::{Error, Sandbox, books, compare_provider, reconcile_once};
use futures_util::future::BoxFuture;
use schema::{CancelAnswer, CancelBooking, Currency, Money, OrderId, UnixMillis, subject};
use settlement_core::Seen;
use sqlx::Executor;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(super) const PRICE: Money = Money { amount: 5_000, currency: Currency::EUR };

/// A payment that the provider has taken for an order, whatever we know of it.
pub(super) async fn take(sandbox: &Sandbox, order: OrderId, attempt: u32) -> String {
    take_by(sandbox, order, attempt, "tok_ok").await
}

/// As [`take`], by that token.
pub(super) async fn take_by(
    sandbox: &Sandbox,
    order: OrderId,
    attempt: u32,
    token: &str,
) -> String {
    let new = NewPayment { order, attempt, total: PRICE, token: token.to_owned() };
    let created = sandbox.create(&new).await.unwrap();
    sandbox.act(&created.id, Verb::Authorise).await.unwrap();
    assert_eq!(sandbox.act(&created.id, Verb::Capture).await, Ok(Seen::Captured));
    created.id
}

/// All payments are old enough to count as found.
pub(super) async fn age(rig: &Rig) {
    let older = "UPDATE sandbox.payment SET created_at = created_at - 100000";
    rig.pool.execute(older).await.unwrap();
}

pub(super) async fn reconciled(rig: &Rig, sandbox: &Sandbox) -> Vec<String> {
    let differences = reconcile_once(&rig.pool, sandbox).await.whole().unwrap();
    differences.iter().map(ToString::to_string).collect()
}

/// Nothing is left at the provider, in the ledger, or to be found.
async fn assert_given_back(rig: &Rig, sandbox: &Sandbox, captured: i64) {
    assert_eq!(reconciled(rig, sandbox).await, [""; 0], "found once");
    rig.assert_clean().await;
    let left = "SELECT count(*) FROM sandbox.payment WHERE state = 'captured'";
    assert_eq!(rig.count(left).await, captured);
    let balance = "SELECT coalesce(sum(amount), 0)::BIGINT FROM ledger_entry
        WHERE account = 'provider_clearing'";
    assert_eq!(rig.count(balance).await, captured * PRICE.amount);
    let open = "SELECT count(*) FROM found_money WHERE outcome IS DISTINCT FROM 'refunded'";
    assert_eq!(rig.count(open).await, 0);
}

#[tokio::test]
async fn money_without_an_order_goes_back_by_itself() {
    let rig = Rig::start().await;
    let sandbox = Sandbox::start(&rig.pool);
    take(&sandbox, OrderId(7), 1).await;
    assert_eq!(reconciled(&rig, &sandbox).await, [""; 0], "its driver may be at it");
    age(&rig).await;
    let _stage = rig.stage(Point::Never);
    eventually("the money to be found", || async {
        rig.count("SELECT count(*) FROM found_money WHERE outcome = 'refunded'").await == 1
    })
    .await;
    assert_given_back(&rig, &sandbox, 0).await;
}

#[tokio::test]
async fn of_two_who_look_at_an_ended_payment_one_notes_it_and_its_own_amount_is_asked_for() {
    let rig = Rig::start().await;
    let planted = "
        INSERT INTO payment_attempt VALUES (gen_random_uuid(), 1, 'sandbox', 'pay_x', 50, 'USD', 1);
        INSERT INTO ended_payment SELECT order_id, attempt, 0, 1 FROM payment_attempt";
    rig.pool.execute(sqlx::raw_sql(planted)).await.unwrap();
    let money = FoundMoney { pool: &rig.pool, provider: "sandbox" };
    let due = money.ended().await.unwrap();
    let [(payment, 0)] = &due[..] else { panic!("{due:?}") };
    // Whatever the order came to cost for another attempt.
    assert_eq!(payment.amount, Money::new(50, "USD".parse().unwrap()));
    for _ in 0..2 {
        money.looked("pay_x", 0).await.unwrap();
    }
    money.looked("pay_x", 2).await.unwrap();
    assert_eq!(rig.count("SELECT looks::BIGINT FROM ended_payment").await, 1);
    for looks in [1, 2, 2] {
        money.looked("pay_x", looks).await.unwrap();
    }
    assert_eq!(rig.count("SELECT count(*) FROM ended_payment").await, 0);
}

#[tokio::test]
async fn what_stands_between_the_books_is_found_and_what_passes_is_not() {
    let (rig, _) = Rig::paid(&[1, 2]).await;
    let books = rig.books().await;
    assert_eq!(books::look(&books, Duration::ZERO).await.unwrap().differences, BTreeSet::new());
    let gone = "DELETE FROM live_seat WHERE seat_idx = 1 RETURNING event_id, order_id";
    let (event, order): (String, uuid::Uuid) =
        sqlx::query_as(gone).fetch_one(&rig.pool).await.unwrap();
    let standing = books::look(&books, Duration::ZERO).await.unwrap().differences;
    assert!(standing.iter().any(|what| what.contains("seat 1 of")), "{standing:?}");
    let back = async {
        // Longer than the first look takes, shorter than the second waits.
        tokio::time::sleep(Duration::from_millis(700)).await;
        let back =
            "INSERT INTO live_seat (event_id, seat_idx, order_id, line) VALUES ($1, 1, $2, 0)";
        sqlx::query(back).bind(event).bind(order).execute(&rig.pool).await.unwrap();
        rig.pool.execute("DELETE FROM live_seat WHERE seat_idx = 2").await.unwrap();
    };
    let look = books::look(&books, Duration::from_secs(3));
    let (standing, ()) = tokio::join!(look, back);
    assert_eq!(standing.unwrap().differences, BTreeSet::new(), "one has passed, one is new");
}

#[tokio::test]
async fn who_compares_the_books_lets_others_in_a_minute_later_also_if_it_failed() {
    let rig = Rig::start().await;
    let books = rig.books().await;
    let rest = "SELECT rest_until FROM reconciled WHERE provider = 'books'";
    let mut said_until = UnixMillis(0);
    books::look_if_due(&books, &mut said_until).await.unwrap();
    let first = rig.count(rest).await;
    assert_eq!(i64::try_from(said_until.0).unwrap(), first);
    books::look_if_due(&books, &mut said_until).await.unwrap();
    assert_eq!(rig.count(rest).await, first, "it is not time");
    rig.pool.execute("UPDATE reconciled SET rest_until = 0").await.unwrap();
    rig.pool.execute("ALTER TABLE found_money RENAME TO gone").await.unwrap();
    books::look_if_due(&books, &mut said_until).await.unwrap_err();
    let left = rig.count(rest).await - crate::store::millis(chassis::clock::now());
    assert!(0 < left && left < 300_000, "{left} ms");
}

#[tokio::test]
async fn a_payment_that_nobody_heard_of_is_voided_before_it_can_be_taken() {
    let rig = Rig::start().await;
    let sandbox = Sandbox::start(&rig.pool);
    let new =
        NewPayment { order: OrderId(7), attempt: 1, total: PRICE, token: "tok_ok".to_owned() };
    let id = sandbox.create(&new).await.unwrap().id;
    age(&rig).await;
    let lines = reconciled(&rig, &sandbox).await;
    assert!(lines[0].contains("no order has this payment; voided"), "{lines:?}");
    assert_eq!(sandbox.act(&id, Verb::Authorise).await, Ok(Seen::Cancelled));
    assert_eq!(reconciled(&rig, &sandbox).await, [""; 0]);
    assert_eq!(rig.count("SELECT count(*) FROM ledger_entry").await, 0);
}

#[tokio::test]
async fn money_that_comes_after_its_order_was_given_up_goes_back() {
    // It is old, and no list of new ones shows it, nor the part of the whole list that is next:
    // only the look at ended payments does.
    let (rig, _) = late().await;
    rig.pool.execute("UPDATE ended_payment SET look_at = look_at - 30000").await.unwrap();
    let seen = "UPDATE reconciled SET seen_to = extract(epoch FROM now()) * 1000, rest_until = 0,
            gone_on_to = extract(epoch FROM now()) * 1000";
    rig.pool.execute(seen).await.unwrap();
    rig.pool.execute("UPDATE sandbox.payment SET created_at = 1").await.unwrap();
    let _stage = rig.stage(Point::Never);
    eventually("the money to be found", || async {
        rig.count("SELECT count(*) FROM found_money WHERE why = 'late'").await == 1
    })
    .await;
    let sandbox = Sandbox::start(&rig.pool);
    rig.rest().await;
    eventually("its outcome", || async {
        rig.count("SELECT count(*) FROM found_money WHERE outcome IS NULL").await == 0
    })
    .await;
    assert_given_back(&rig, &sandbox, 0).await;
    assert_eq!(rig.count("SELECT count(*) FROM ended_payment WHERE looks = 1").await, 1);
}

#[tokio::test]
async fn a_second_payment_of_a_paid_order_goes_back_and_the_order_stays() {
    let (rig, hold) = Rig::paid(&[1]).await;
    let sandbox = Sandbox::start(&rig.pool);
    for attempt in [2, 3] {
        take(&sandbox, OrderId::from(hold), attempt).await;
    }
    age(&rig).await;
    let lines = reconciled(&rig, &sandbox).await;
    let all_back = lines.iter().all(|line| line.ends_with("refunded"));
    assert!(lines.len() == 2 && all_back, "{lines:?}");
    assert_eq!(rig.state(hold).await, "paid");
    assert_given_back(&rig, &sandbox, 1).await;
}

#[tokio::test]
async fn a_fan_whom_the_provider_charges_twice_pays_once() {
    let mut rig = Rig::start().await;
    let sandbox = Sandbox::start(&rig.pool);
    let _stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1], "tok_duplicate").await;
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    let taken = "SELECT count(*) FROM sandbox.payment WHERE state = 'captured'";
    assert_eq!(rig.count(taken).await, 2);
    age(&rig).await;
    eventually("the second charge to go back", || async { rig.count(taken).await == 1 }).await;
    rig.rest().await;
    assert_eq!(rig.state(hold).await, "paid");
    let asked_for = "SELECT count(*) FROM sandbox.payment JOIN payment_attempt
        ON provider_id = payment_id WHERE sandbox.payment.state = 'captured'";
    assert_eq!(rig.count(asked_for).await, 1, "the other one went back");
    assert_given_back(&rig, &sandbox, 1).await;
}

#[tokio::test]
async fn a_paid_order_whose_money_is_gone_is_told_and_left_to_a_person() {
    let (rig, hold) = Rig::paid(&[1]).await;
    let sandbox = Sandbox::start(&rig.pool);
    let gone = "UPDATE sandbox.payment SET state = 'refunded', back = amount";
    rig.pool.execute(gone).await.unwrap();
    rig.pool.execute("UPDATE orders SET updated_at = updated_at - 100000").await.unwrap();
    age(&rig).await;
    for _ in 0..2 {
        let lines = reconciled(&rig, &sandbox).await;
        let is_told = lines.len() == 1 && lines[0].contains("a person has to look");
        assert!(is_told, "{lines:?}");
    }
    assert_eq!(rig.state(hold).await, "paid");
}

#[tokio::test]
async fn a_list_that_is_older_than_a_refund_finds_nothing() {
    let mut rig = Rig::start().await;
    let stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    let wanted = CancelBooking { order: OrderId::from(hold), account: ACCOUNT };
    let answer: CancelAnswer = asked(&rig, subject::SETTLE_CANCEL, &wanted).await;
    assert!(matches!(answer, CancelAnswer::Refunded { .. }), "{answer:?}");
    rig.rest().await;
    drop(stage);
    age(&rig).await;
    let sandbox = Sandbox::start(&rig.pool);
    let told = reconcile_once(&rig.pool, &Behind(sandbox)).await.whole().unwrap();
    assert_eq!(told, []);
    assert_eq!(rig.count("SELECT count(*) FROM found_money").await, 0);
    rig.assert_clean().await;
}

/// Lists payments as if none had been given back.
#[derive(Debug)]
struct Behind(Sandbox);

impl Provider for Behind {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn create<'a>(&'a self, new: &'a NewPayment) -> BoxFuture<'a, Result<Payment, Failure>> {
        self.0.create(new)
    }

    fn act<'a>(&'a self, id: &'a str, verb: Verb) -> BoxFuture<'a, Result<Seen, Failure>> {
        self.0.act(id, verb)
    }

    fn give_back<'a>(&'a self, id: &'a str, back: i64) -> BoxFuture<'a, Result<i64, Failure>> {
        self.0.give_back(id, back)
    }

    fn list<'a>(&'a self, after: &'a Cursor) -> BoxFuture<'a, Result<Page, Failure>> {
        Box::pin(async move {
            let mut page = self.0.list(after).await?;
            page.payments.iter_mut().for_each(|payment| payment.seen = Seen::Captured);
            Ok(page)
        })
    }
}

/// Somebody has found all payments, and died before anything became of them.
async fn note_all(rig: &Rig) {
    let note = "INSERT INTO found_money (provider, provider_id, order_id, amount, currency, why,
            taken, found_at)
        SELECT 'sandbox', payment_id, gen_random_uuid(), amount, currency, 'orphan',
            state = 'captured', 1000 FROM sandbox.payment";
    rig.pool.execute(note).await.unwrap();
}

#[tokio::test]
async fn money_that_was_back_when_its_finder_died_is_booked_by_the_next() {
    let rig = Rig::start().await;
    let sandbox = Sandbox::start(&rig.pool);
    let taken = take(&sandbox, OrderId(7), 1).await;
    let new = NewPayment { order: OrderId(8), attempt: 1, total: PRICE, token: "tok_ok".into() };
    let untaken = sandbox.create(&new).await.unwrap().id;
    note_all(&rig).await;
    assert_eq!(sandbox.act(&taken, Verb::Refund).await, Ok(Seen::Refunded));
    assert_eq!(sandbox.act(&untaken, Verb::Cancel).await, Ok(Seen::Cancelled));
    let mut lines = reconciled(&rig, &sandbox).await;
    lines.sort_unstable_by_key(|line| line.ends_with("voided"));
    assert!(lines[0].ends_with("no order has this payment; refunded"), "{lines:?}");
    assert!(lines[1].ends_with("no order has this payment; voided"), "{lines:?}");
    assert_eq!(reconciled(&rig, &sandbox).await, [""; 0], "found once");
    rig.assert_clean().await;
    let booked = "SELECT count(*) FROM ledger_transaction WHERE kind IN ('capture', 'payout')";
    assert_eq!(rig.count(booked).await, 2);
}

#[tokio::test]
async fn money_that_was_there_is_not_gone_because_its_provider_does_not_know_it_any_more() {
    let rig = Rig::start().await;
    let sandbox = Sandbox::start(&rig.pool);
    take(&sandbox, OrderId(7), 1).await;
    note_all(&rig).await;
    // As with the key of another account.
    let other = &trapped(&rig.pool, Point::Forgotten)[0];
    let open = "SELECT count(*) FROM found_money WHERE outcome IS NULL";
    let lines = reconcile_once(&rig.pool, &**other).await.whole().unwrap();
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.to_string().ends_with("no order has this payment; not mended yet"), "{line}");
    assert_eq!(rig.count(open).await, 1);
    age(&rig).await;
    reconciled(&rig, &sandbox).await;
    assert_given_back(&rig, &sandbox, 0).await;
}

/// However much there is that nobody can end, what can be ended has its turn.
#[tokio::test]
async fn found_money_that_stays_as_it_is_holds_up_no_other() {
    let rig = Rig::start().await;
    let sandbox = Sandbox::start(&rig.pool);
    let unknown = "INSERT INTO found_money (provider, provider_id, order_id, amount, currency, why,
            taken, found_at)
        SELECT 'sandbox', 'of another account ' || n, gen_random_uuid(), 100, 'EUR', 'orphan', true,
            n FROM generate_series(1, 300) n";
    rig.pool.execute(unknown).await.unwrap();
    let money = FoundMoney { pool: &rig.pool, provider: sandbox.name() };
    let mut seen = Vec::new();
    // After everything that was looked at before.
    for since in [UnixMillis(1 << 50), UnixMillis(1 << 51)] {
        let taken = money.open(since).await.unwrap();
        seen.extend(taken.into_iter().map(|(payment, ..)| payment.id));
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 300, "who was looked at is last");
    rig.pool.execute("UPDATE found_money SET looked_at = 0").await.unwrap();
    let taken = take(&sandbox, OrderId(7), 1).await;
    note_all(&rig).await;
    assert_eq!(sandbox.act(&taken, Verb::Refund).await, Ok(Seen::Refunded));
    assert_eq!(reconciled(&rig, &sandbox).await.len(), 301, "one look at each");
    assert_eq!(rig.count("SELECT count(*) FROM found_money WHERE outcome IS NULL").await, 300);
}

#[tokio::test]
async fn found_money_has_no_outcome_while_its_provider_is_still_at_it() {
    let rig = Rig::start().await;
    let sandbox = Sandbox::start(&rig.pool);
    let token = "tok_unknown".to_owned();
    let new = NewPayment { order: OrderId(7), attempt: 1, total: PRICE, token };
    let id = sandbox.create(&new).await.unwrap().id;
    sandbox.act(&id, Verb::Authorise).await.unwrap_err();
    let long = "UPDATE sandbox.payment SET settles_at = settles_at + 600000";
    rig.pool.execute(long).await.unwrap();
    note_all(&rig).await;
    age(&rig).await;
    let open = "SELECT count(*) FROM found_money WHERE outcome IS NULL";
    assert_eq!(reconciled(&rig, &sandbox).await, [""; 0]);
    assert_eq!(rig.count(open).await, 1);
    rig.pool.execute("UPDATE sandbox.payment SET settles_at = 0").await.unwrap();
    let lines = reconciled(&rig, &sandbox).await;
    assert!(lines[0].ends_with("no order has this payment; voided"), "{lines:?}");
    assert_eq!(rig.count(open).await, 0);
    assert_eq!(sandbox.act(&id, Verb::Capture).await, Ok(Seen::Cancelled));
}

#[tokio::test]
async fn an_auditor_tells_what_differs_at_the_provider_and_mends_nothing() {
    let (rig, hold) = Rig::paid(&[1]).await;
    let sandbox = Sandbox::start(&rig.pool);
    let orphan = take(&sandbox, OrderId(7), 1).await;
    let told = async || compare_provider(&rig.pool, &sandbox).await.unwrap();
    assert_eq!(told().await, [""; 0], "its driver may be at it");
    age(&rig).await;
    let lines = told().await;
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.starts_with(&format!("ORD-2: payment {orphan} of 5000 EUR")), "{line}");
    assert!(line.ends_with("no order has this payment"), "{line}");
    assert_eq!(rig.count("SELECT count(*) FROM found_money").await, 0);
    assert_eq!(sandbox.act(&orphan, Verb::Fetch).await, Ok(Seen::Captured));
    let gone = "UPDATE sandbox.payment SET state = 'refunded' WHERE payment_id <> $1";
    sqlx::query(gone).bind(&orphan).execute(&rig.pool).await.unwrap();
    let lines = told().await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    let missing = lines.iter().find(|line| line.starts_with("MON-1: ")).unwrap();
    assert!(missing.ends_with("its order is paid, and the money is not there"), "{missing}");
    assert_eq!(rig.state(hold).await, "paid");
    let silent = compare_provider(&rig.pool, &Silent::default()).await;
    assert!(matches!(silent, Err(Error::Provider { .. })), "{silent:?}");
}

#[tokio::test]
async fn of_a_provider_that_does_not_answer_nothing_is_concluded() {
    let (rig, hold) = Rig::paid(&[1]).await;
    age(&rig).await;
    let told = reconcile_once(&rig.pool, &Silent::default()).await.whole();
    assert!(matches!(told, Err(Error::Provider { .. })), "{told:?}");
    assert_eq!(rig.state(hold).await, "paid");
    assert_eq!(rig.count("SELECT count(*) FROM found_money").await, 0);
}

#[tokio::test]
async fn a_payment_that_the_provider_does_not_tell_of_is_not_taken_for_unpaid() {
    let (rig, _) = late().await;
    let sandbox = Sandbox::start(&rig.pool);
    let lines = reconciled(&rig, &sandbox).await;
    assert!(lines[0].ends_with("its places are asked for"), "{lines:?}");
    let told = reconcile_once(&rig.pool, &Silent { listed: Some(sandbox), ..Silent::default() })
        .await
        .whole();
    assert!(matches!(told, Err(Error::Provider { .. })), "{told:?}");
    let open = "SELECT count(*) FROM found_money WHERE outcome IS NULL";
    assert_eq!(rig.count(open).await, 1);
}

#[tokio::test]
async fn a_look_that_the_provider_broke_off_is_made_again_from_where_it_began() {
    let rig = Rig::start().await;
    let sandbox = Sandbox::start(&rig.pool);
    take(&sandbox, OrderId(7), 1).await;
    // Older than what a look takes once more of the one before.
    let older = "UPDATE sandbox.payment SET created_at = created_at - 1000000";
    rig.pool.execute(older).await.unwrap();
    let silent = Silent::default();
    let asked = Arc::clone(&silent.asked);
    let broken = rig.stage_at(|_| vec![Arc::new(silent)], |_| ());
    // Relaxed: sooner or later is soon enough.
    eventually("a look", || async { asked.load(Ordering::Relaxed) }).await;
    drop(broken);
    rig.pool.execute("UPDATE reconciled SET rest_until = 0").await.unwrap();
    let _stage = rig.stage(Point::Never);
    eventually("the money to be found", || async {
        rig.count("SELECT count(*) FROM found_money WHERE outcome = 'refunded'").await == 1
    })
    .await;
    assert_given_back(&rig, &sandbox, 0).await;
}

/// Tells nothing of any payment.
#[derive(Debug, Default)]
struct Silent {
    /// Whether it was asked for its list.
    asked: Arc<AtomicBool>,
    /// Whose list it tells; none if it tells no list either.
    listed: Option<Sandbox>,
}

fn unreachable<T>(what: &'static str) -> Result<T, Failure> {
    Err(Failure::Unknown { what, why: "connection refused".to_owned() })
}

impl Provider for Silent {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn create<'a>(&'a self, _: &'a NewPayment) -> BoxFuture<'a, Result<Payment, Failure>> {
        Box::pin(async { unreachable("create") })
    }

    fn act<'a>(&'a self, _: &'a str, verb: Verb) -> BoxFuture<'a, Result<Seen, Failure>> {
        Box::pin(async move { unreachable(verb.as_str()) })
    }

    fn give_back<'a>(&'a self, _: &'a str, _: i64) -> BoxFuture<'a, Result<i64, Failure>> {
        Box::pin(async { unreachable("give back") })
    }

    fn list<'a>(&'a self, after: &'a Cursor) -> BoxFuture<'a, Result<Page, Failure>> {
        // Relaxed: as above.
        self.asked.store(true, Ordering::Relaxed);
        let unreachable = || Box::pin(async { unreachable("list") });
        self.listed.as_ref().map_or_else(|| unreachable() as _, |sandbox| sandbox.list(after))
    }
}
