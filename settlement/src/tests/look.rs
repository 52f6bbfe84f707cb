//! What the looks at a provider's lists come upon without being told.

use super::crash::look_is_due;
use super::entrance::{OTHER, give, ticket};
use super::reconcile::{PRICE, age, reconciled, take};
use super::rig::{ACCOUNT, Point, Rig, asked, eventually};
use crate::provider::{Cursor, Failure, NewPayment, Page, Payment, Provider, Verb};
use crate::reconcile::{Rested, look_at_news};
use crate::store::FoundMoney;
use crate::{Ending, Reviewed, Sandbox, compare_provider, end_review, reconcile_once};
use futures_util::future::BoxFuture;
use schema::{
    CancelAnswer, CancelBooking, OrderId, TransferAnswer, UnixMillis, VerdictKind, subject,
};
use settlement_core::Seen;
use sqlx::{Executor, PgPool};
use std::sync::Arc;
use std::time::Duration;

const GIVEN_BACK: &str = "SELECT count(*) FROM found_money WHERE outcome = 'refunded'";

/// All payments are from long ago, and everything up to now was compared.
async fn long_ago(rig: &Rig) {
    let compared = "INSERT INTO reconciled (provider, seen_to, disputes_to, rest_until)
        SELECT 'sandbox', t, t, 0 FROM (SELECT extract(epoch FROM now()) * 1000 AS t) n
        ON CONFLICT (provider) DO UPDATE SET seen_to = EXCLUDED.seen_to, rest_until = 0";
    rig.pool.execute(compared).await.unwrap();
    rig.pool.execute("UPDATE sandbox.payment SET created_at = 2").await.unwrap();
}

/// In real time, with nothing made older: the bound is promised.
#[tokio::test]
async fn a_payment_without_an_order_is_found_within_a_minute() {
    let rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    take(&Sandbox::start(&rig.pool), OrderId(7), 1).await;
    let found = async {
        while rig.count(GIVEN_BACK).await == 0 {
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), found).await.expect("a minute");
}

#[tokio::test]
async fn the_whole_list_is_gone_through_part_by_part_and_again() {
    let rig = Rig::start().await;
    let sandbox = Sandbox::start(&rig.pool);
    // More than a part of the list stands before it.
    let others = "INSERT INTO sandbox.payment SELECT payment_id || n, order_ref, amount, currency,
            'cancelled', outcome, reason, delay_ms, silent, verb, settles_at, captured_at, 1,
            updated_at
        FROM sandbox.payment, generate_series(1, 600) n";
    take(&sandbox, OrderId(7), 1).await;
    rig.pool.execute(others).await.unwrap();
    let old = "UPDATE sandbox.payment SET created_at = 2 WHERE state = 'captured'";
    rig.pool.execute(old).await.unwrap();
    long_ago(&rig).await;
    rig.pool
        .execute("UPDATE sandbox.payment SET created_at = 1 WHERE state = 'cancelled'")
        .await
        .unwrap();
    let _stage = rig.stage(Point::Never);
    let round = async |count: i64| {
        eventually("old money to be found", || async {
            let due = "UPDATE reconciled SET rest_until = 0, gone_on_since = 0";
            rig.pool.execute(due).await.unwrap();
            rig.count(GIVEN_BACK).await == count
        })
        .await;
    };
    round(1).await;
    take(&sandbox, OrderId(8), 1).await;
    rig.pool
        .execute("UPDATE sandbox.payment SET created_at = 0 WHERE state = 'captured'")
        .await
        .unwrap();
    round(2).await;
    // The cursor names a payment that is of another account: no part is told from there on.
    let foreign = "UPDATE reconciled SET gone_on_id = 'unheard of', gone_on_to = 1 << 50";
    rig.pool.execute(foreign).await.unwrap();
    let money = FoundMoney { pool: &rig.pool, provider: "sandbox" };
    for _ in 0..2 {
        money.go_on_failed().await.unwrap();
        assert_eq!(money.gone_on_to().await.unwrap().unwrap().id, "unheard of");
    }
    money.go_on_failed().await.unwrap();
    let begin = money.gone_on_to().await.unwrap().unwrap();
    assert_eq!((begin.created_at, begin.id.as_str()), (UnixMillis(0), ""));
    assert_eq!(money.gone_on_to().await.unwrap(), None, "the next one is later");
}

#[tokio::test]
async fn what_rests_is_passed_over_until_it_is_shown_otherwise_but_not_in_the_whole_list() {
    let metrics = chassis::metrics::install(&chassis::Shutdown::new()).unwrap();
    let (rig, _) = Rig::paid(&[1, 2]).await;
    let sandbox = Sandbox::start(&rig.pool);
    age(&rig).await;
    rig.pool.execute("UPDATE orders SET updated_at = updated_at - 100000").await.unwrap();
    let mut rested = Rested::default();
    let mut told = async |is_whole_due: bool| {
        let due = "UPDATE reconciled SET rest_until = 0, gone_on_since = CASE WHEN $1 THEN 0
            ELSE gone_on_since END";
        sqlx::query(due).bind(is_whole_due).execute(&rig.pool).await.unwrap();
        look_at_news(&rig.pool, &sandbox, &mut rested).await.unwrap();
        let page = metrics.render();
        let line = page.split_once("settlement_money_amiss_total{what=\"uneven\"} ");
        let (_, counted) = line.expect("it is shown from the start");
        counted.lines().next().unwrap().parse::<u32>().unwrap()
    };
    assert_eq!(told(false).await, 0);
    // The books say that a ticket was paid back, of which the provider knows nothing.
    let part = "INSERT INTO order_part (order_id, part, line, amount, state, begun_at, refunded_at,
            command_id, send_at)
        SELECT order_id, 1, 0, 5000, 'refunded', 1, 1, gen_random_uuid(), 1 FROM orders";
    rig.pool.execute(part).await.unwrap();
    assert_eq!(told(false).await, 0, "the provider shows it as it was");
    assert_eq!(told(true).await, 1);
    rig.pool.execute("UPDATE sandbox.payment SET back = 1").await.unwrap();
    assert_eq!(told(false).await, 2, "it is shown otherwise");
    assert_eq!(told(false).await, 3, "and is not even yet");
    rig.pool.execute("UPDATE sandbox.payment SET back = 5000").await.unwrap();
    assert_eq!(told(true).await, 3);
}

#[tokio::test]
async fn a_person_books_what_went_back_at_the_provider_by_paying_the_booking_back() {
    let metrics = chassis::metrics::install(&chassis::Shutdown::new()).unwrap();
    let mut rig = Rig::start().await;
    let hold = {
        let _stage = rig.stage(Point::Never);
        let hold = rig.pay(&[1, 2], "tok_ok").await;
        rig.wait_for(hold, "paid").await;
        rig.rest().await;
        hold
    };
    let order = OrderId::from(hold);
    let gone = "UPDATE sandbox.payment SET state = 'refunded', back = amount";
    rig.pool.execute(gone).await.unwrap();
    age(&rig).await;
    {
        look_is_due(&rig).await;
        let _stage = rig.stage(Point::Never);
        let alarm = "settlement_money_amiss_total{what=\"missing\"} 1";
        eventually("the alarm", async || metrics.render().contains(alarm)).await;
    }
    let sandbox = Sandbox::start(&rig.pool);
    let lines = reconciled(&rig, &sandbox).await;
    assert!(lines[0].ends_with("the money is not there; a person has to look"), "{lines:?}");
    let end = async |ending| end_review(&rig.pool, order, ending, "gone by hand").await.unwrap();
    assert_eq!(end(Ending::Keep).await, Reviewed::NotUnderReview, "it stands as it is");
    assert_eq!(end(Ending::Refund).await, Reviewed::Begun);
    let _stage = rig.stage(Point::Never);
    rig.wait_for(hold, "refunded").await;
    rig.rest().await;
    rig.assert_clean().await;
    assert_eq!(reconciled(&rig, &sandbox).await, [""; 0]);
    let told = [(1, VerdictKind::Sold), (1, VerdictKind::Refunded)];
    assert_eq!(rig.owner.verdicts(hold), told);
}

#[tokio::test]
async fn a_person_pays_back_a_booking_of_which_a_ticket_was_given_away() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1, 2], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    let given = give(&rig, ticket(hold, 0), ACCOUNT, OTHER).await;
    assert!(given == TransferAnswer::Transferred, "{given:?}");
    let ended = end_review(&rig.pool, hold.into(), Ending::Refund, "the event is off").await;
    assert_eq!(ended.unwrap(), Reviewed::Begun);
    rig.wait_for(hold, "refunded").await;
    rig.rest().await;
    rig.assert_clean().await;
    assert_eq!(rig.count("SELECT count(*) FROM ticket WHERE state = 'valid'").await, 0);
    assert_eq!(rig.count("SELECT count(*) FROM sandbox.payment WHERE back = amount").await, 1);
}

#[tokio::test]
async fn money_of_a_refunded_order_that_is_here_again_goes_back_once_more_and_is_told_after_that() {
    let mut rig = Rig::start().await;
    let stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    let wanted = CancelBooking { order: hold.into(), account: ACCOUNT };
    let answer: CancelAnswer = asked(&rig, subject::SETTLE_CANCEL, &wanted).await;
    assert!(matches!(answer, CancelAnswer::Refunded { .. }), "{answer:?}");
    rig.rest().await;
    drop(stage);
    age(&rig).await;
    rig.pool.execute("UPDATE orders SET updated_at = updated_at - 100000").await.unwrap();
    let sandbox = Sandbox::start(&rig.pool);
    assert_eq!(reconciled(&rig, &sandbox).await, [""; 0]);
    let failed = "UPDATE sandbox.payment SET state = 'captured', back = 0";
    rig.pool.execute(failed).await.unwrap();
    let lines = reconciled(&rig, &sandbox).await;
    assert!(lines.iter().any(|line| line.ends_with("was paid back; refunded")), "{lines:?}");
    rig.assert_clean().await;
    rig.pool.execute(failed).await.unwrap();
    let lines = reconciled(&rig, &sandbox).await;
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.ends_with("a person has to look"), "{line}");
}

/// A provider that does not tell of one payment.
#[derive(Debug)]
struct Deaf {
    sandbox: Sandbox,
    about: String,
}

impl Provider for Deaf {
    fn name(&self) -> &'static str {
        self.sandbox.name()
    }

    fn create<'a>(&'a self, new: &'a NewPayment) -> BoxFuture<'a, Result<Payment, Failure>> {
        self.sandbox.create(new)
    }

    fn act<'a>(&'a self, id: &'a str, verb: Verb) -> BoxFuture<'a, Result<Seen, Failure>> {
        if id == self.about {
            let why = "silence".to_owned();
            return Box::pin(async { Err(Failure::Unknown { what: "fetch", why }) });
        }
        self.sandbox.act(id, verb)
    }

    fn give_back<'a>(&'a self, id: &'a str, back: i64) -> BoxFuture<'a, Result<i64, Failure>> {
        self.sandbox.give_back(id, back)
    }

    fn list<'a>(&'a self, after: &'a Cursor) -> BoxFuture<'a, Result<Page, Failure>> {
        self.sandbox.list(after)
    }
}

#[tokio::test]
async fn a_payment_that_cannot_be_told_now_holds_up_no_other() {
    let mut rig = Rig::start().await;
    let stage = rig.stage(Point::Never);
    let declined = rig.pay(&[1], "tok_declined").await;
    rig.wait_for(declined, "declined").await;
    rig.rest().await;
    let seen_to = "SELECT coalesce(max(seen_to), 0)::BIGINT FROM reconciled";
    eventually("a first look", || async { rig.count(seen_to).await != 0 }).await;
    drop(stage);
    let sandbox = Sandbox::start(&rig.pool);
    let about = take(&sandbox, OrderId(7), 1).await;
    for order in 8..28 {
        take(&sandbox, OrderId(order), 1).await;
    }
    age(&rig).await;
    let deaf = Deaf { sandbox, about: about.clone() };
    reconcile_once(&rig.pool, &deaf).await.whole().unwrap_err();
    assert_eq!(rig.count(GIVEN_BACK).await, 20);
    let before = rig.count(seen_to).await;
    look_is_due(&rig).await;
    let deaf = move |pool: &PgPool| -> Vec<Arc<dyn Provider>> {
        vec![Arc::new(Deaf { sandbox: Sandbox::start(pool), about: about.clone() })]
    };
    let _stage = rig.stage_at(deaf, |_| {});
    eventually("the ended payment to be looked at", || async {
        rig.count("SELECT count(*) FROM ended_payment WHERE looks = 0").await == 0
    })
    .await;
    assert_eq!(rig.count(seen_to).await, before, "the next look begins where this one did");
}

#[tokio::test]
async fn payments_for_one_order_that_is_not_there_go_back_side_by_side() {
    let rig = Rig::start().await;
    let sandbox = Sandbox::start(&rig.pool);
    for attempt in 1..=12 {
        take(&sandbox, OrderId(7), attempt).await;
    }
    age(&rig).await;
    assert_eq!(reconciled(&rig, &sandbox).await.len(), 12);
    assert_eq!(rig.count(GIVEN_BACK).await, 12);
    rig.assert_clean().await;
    let booked = "SELECT sum(amount)::BIGINT FROM ledger_entry WHERE kind = 'payout'
        AND account = 'fan_receivable'";
    assert_eq!(rig.count(booked).await, 12 * PRICE.amount);
}

#[tokio::test]
async fn an_auditor_tells_of_a_dispute_that_nobody_has_noted() {
    let mut rig = Rig::start().await;
    let stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1], "tok_chargeback").await;
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    drop(stage);
    let aged = "UPDATE sandbox.payment SET captured_at = captured_at - 120000";
    rig.pool.execute(aged).await.unwrap();
    let sandbox = Sandbox::start(&rig.pool);
    let lines = compare_provider(&rig.pool, &sandbox).await.unwrap();
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.starts_with("MON-1: dispute ") && line.ends_with("noted is nothing"), "{line}");
    reconciled(&rig, &sandbox).await;
    assert_eq!(compare_provider(&rig.pool, &sandbox).await.unwrap(), [""; 0]);
}
