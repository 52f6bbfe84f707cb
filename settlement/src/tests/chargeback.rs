//! Money that buyers' banks take back.

use super::audit::assert_seen;
use super::cancel;
use super::crash::look_is_due;
use super::late::late;
use super::reconcile::{PRICE, age, reconciled, take_by};
use super::rig::{ACCOUNT, Point, Rig, asked, eventually, plan};
use crate::guarded::Guarded;
use crate::provider::{
    Cursor, Dispute, Disputes, Failure, NewPayment, Page, Payment, Provider, Verb,
};
use crate::store::FoundMoney;
use crate::{Sandbox, chargeback};
use futures_util::future::BoxFuture;
use schema::{
    AccountId, CancelAnswer, CancelTicket, HoldId, OrderId, Terms, TicketId, UnixMillis, subject,
};
use settlement_core::Seen;
use sqlx::{Executor, PgPool};
use std::sync::Arc;
use uuid::Uuid;

/// The sandbox's payments were taken so long ago, and everything is looked at now.
pub(super) async fn captured_ago(rig: &Rig, ms: i64) {
    let aged = "UPDATE sandbox.payment SET captured_at
        = (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT - $1";
    sqlx::query(aged).bind(ms).execute(&rig.pool).await.unwrap();
    rig.pool.execute("UPDATE chargeback SET look_at = 0").await.unwrap();
    look_is_due(rig).await;
}

pub(super) async fn stands(rig: &Rig, state: &'static str) {
    eventually(&format!("a dispute that is {state}"), || async {
        let found = sqlx::query_scalar("SELECT count(*) FROM chargeback WHERE state = $1");
        let found: i64 = found.bind(state).fetch_one(&rig.pool).await.unwrap();
        found == 1
    })
    .await;
}

/// What an account has, by what was booked.
async fn balance(rig: &Rig, account: &str) -> i64 {
    let sum = "SELECT coalesce(sum(amount), 0)::BIGINT FROM ledger_entry WHERE account = $1";
    sqlx::query_scalar(sum).bind(account).fetch_one(&rig.pool).await.unwrap()
}

async fn cancel_ticket(rig: &Rig, hold: HoldId) -> CancelAnswer {
    let ticket = TicketId { order: OrderId::from(hold), line: 0 };
    asked(rig, subject::SETTLE_CANCEL_TICKET, &CancelTicket { ticket, account: ACCOUNT }).await
}

#[tokio::test]
async fn what_a_bank_took_back_is_booked_once_and_nobody_pays_it_back_again() {
    let mut rig = Rig::start().await;
    let stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1, 2], "tok_chargeback").await;
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    for (ago, state) in [(2_000, "taken"), (120_000, "lost")] {
        captured_ago(&rig, ago).await;
        stands(&rig, state).await;
        assert_eq!(balance(&rig, "provider_clearing").await, 0, "{state}");
        assert_eq!(balance(&rig, "chargeback").await, 10_000, "the house's own event");
        assert_eq!(cancel::ask(&rig, hold, ACCOUNT).await, CancelAnswer::Disputed, "{state}");
        assert_eq!(cancel_ticket(&rig, hold).await, CancelAnswer::Disputed, "{state}");
        rig.assert_clean().await;
    }
    // Nor does a refund begin that was asked for before the bank was.
    let order = Uuid::from_u128(hold.0);
    let refund = "SELECT state FROM order_move(ARRAY[$1], ARRAY[1], ARRAY['paid'],
        ARRAY['refunding'], ARRAY[NULL], ARRAY[true], ARRAY[false], ARRAY[NULL],
        ARRAY[NULL]::UUID[], 1, 1)";
    let after: String = sqlx::query_scalar(refund).bind(order).fetch_one(&rig.pool).await.unwrap();
    assert_eq!(after, "paid");
    let part = "SELECT part_begin($1, 1, 0, gen_random_uuid(), 1)";
    let begun: bool = sqlx::query_scalar(part).bind(order).fetch_one(&rig.pool).await.unwrap();
    assert!(!begun);
    assert_eq!(rig.state(hold).await, "paid");
    let tickets = "SELECT count(*) FROM ticket WHERE state = 'valid'";
    assert_eq!(rig.count(tickets).await, 2, "the sale stands");
    drop(stage);
    assert_seen(&rig, PLANTED).await;
}

const PLANTED: &[(&str, &str)] = &[
    // That its bank has it is no excuse for a payment that nobody has found.
    (
        "ALTER TABLE orders DISABLE TRIGGER ALL; UPDATE orders SET state = 'cancelled'",
        "is captured, its order is cancelled",
    ),
    ("DELETE FROM chargeback", "nobody has noted it"),
    ("UPDATE chargeback SET part = 2", "its bank has taken nothing"),
    ("UPDATE chargeback SET amount = amount - 1", "its bank has taken 9999"),
    (
        "ALTER TABLE chargeback DISABLE TRIGGER ALL; UPDATE chargeback SET state = 'won'",
        "has booked chargeback_won 1 of nothing",
    ),
    (
        "INSERT INTO ledger_transaction SELECT order_id, kind, 2, event_id, at, currency,
             account, amount, party FROM ledger_transaction WHERE kind = 'chargeback'",
        "has booked chargeback 2 of 10000",
    ),
];

#[tokio::test]
async fn a_chargeback_is_the_loss_of_whose_event_it_is_until_it_is_won() {
    const PROMOTER: AccountId = AccountId(5);
    let mut rig = Rig::start().await;
    rig.publish(&plan(None), Terms { promoter: Some(PROMOTER), ..Terms::default() }).await;
    let _stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1], "tok_chargeback_won").await;
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    captured_ago(&rig, 2_000).await;
    stands(&rig, "taken").await;
    assert_eq!(balance(&rig, "partner_receivable").await, 5_000);
    assert_eq!(balance(&rig, "chargeback").await, 0);
    captured_ago(&rig, 120_000).await;
    stands(&rig, "won").await;
    assert_eq!(balance(&rig, "partner_receivable").await, 0);
    assert_eq!(balance(&rig, "provider_clearing").await, 5_000);
    rig.assert_clean().await;
    let answer = cancel::ask(&rig, hold, ACCOUNT).await;
    assert!(matches!(answer, CancelAnswer::Refunded { .. }), "{answer:?}");
    rig.rest().await;
    rig.assert_clean().await;
}

/// What a look says of found money, and its outcome after that.
async fn looked(rig: &Rig, sandbox: &Sandbox) -> (Vec<String>, Option<String>) {
    let said = reconciled(rig, sandbox).await;
    rig.assert_clean().await;
    let outcome = sqlx::query_scalar("SELECT outcome FROM found_money");
    (said, outcome.fetch_one(&rig.pool).await.unwrap())
}

#[tokio::test]
async fn money_that_no_order_has_is_over_when_its_bank_keeps_it_and_goes_back_when_it_does_not() {
    let over =
        [("tok_chargeback", "lost", "charged_back"), ("tok_chargeback_won", "won", "refunded")];
    for (token, state, outcome) in over {
        let rig = Rig::start().await;
        let sandbox = Sandbox::start(&rig.pool);
        take_by(&sandbox, OrderId(7), 1, token).await;
        age(&rig).await;
        captured_ago(&rig, 2_000).await;
        // The bank has it before anybody has found it, and until it decides nothing ends that.
        for _ in 0..3 {
            let (_, open) = looked(&rig, &sandbox).await;
            assert_eq!(open, None);
            assert_eq!(balance(&rig, "provider_clearing").await, -PRICE.amount);
            captured_ago(&rig, 2_000).await;
        }
        stands(&rig, "taken").await;
        assert_eq!(looked(&rig, &sandbox).await, (vec![], None), "nobody can do anything");
        captured_ago(&rig, 120_000).await;
        let mut said = Vec::new();
        for _ in 0..2 {
            said.extend(reconciled(&rig, &sandbox).await);
        }
        stands(&rig, state).await;
        let ends = if state == "lost" { "its bank has given it back" } else { "refunded" };
        assert!(said.len() == 1 && said[0].ends_with(ends), "{said:?}");
        assert_eq!(looked(&rig, &sandbox).await, (vec![], Some(outcome.to_owned())));
        for account in ["provider_clearing", "chargeback", "fan_receivable"] {
            assert_eq!(balance(&rig, account).await, 0, "{account}, {state}");
        }
    }
}

#[tokio::test]
async fn what_a_bank_takes_of_a_second_payment_is_no_matter_of_the_order_nor_of_its_promoter() {
    const PROMOTER: AccountId = AccountId(5);
    let mut rig = Rig::start().await;
    rig.publish(&plan(None), Terms { promoter: Some(PROMOTER), ..Terms::default() }).await;
    let _stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    let sandbox = Sandbox::start(&rig.pool);
    take_by(&sandbox, OrderId::from(hold), 2, "tok_chargeback").await;
    age(&rig).await;
    captured_ago(&rig, 2_000).await;
    for _ in 0..2 {
        reconciled(&rig, &sandbox).await;
    }
    rig.assert_clean().await;
    stands(&rig, "taken").await;
    let owed = [balance(&rig, "partner_receivable").await, balance(&rig, "chargeback").await];
    assert_eq!(owed, [0, PRICE.amount]);
    let answer = cancel::ask(&rig, hold, ACCOUNT).await;
    assert!(matches!(answer, CancelAnswer::Refunded { .. }), "its own money is there: {answer:?}");
    rig.rest().await;
    captured_ago(&rig, 120_000).await;
    for _ in 0..2 {
        reconciled(&rig, &sandbox).await;
    }
    assert_eq!(looked(&rig, &sandbox).await, (vec![], Some("charged_back".to_owned())));
    assert_eq!(balance(&rig, "chargeback").await, 0);
}

#[tokio::test]
async fn late_money_that_its_bank_has_buys_no_places() {
    let (rig, _) = late().await;
    let sandbox = Sandbox::start(&rig.pool);
    let money = FoundMoney { pool: &rig.pool, provider: sandbox.name() };
    rig.pool.execute("UPDATE sandbox.payment SET charged_back = 'lost'").await.unwrap();
    captured_ago(&rig, 2_000).await;
    chargeback::look(money, &sandbox, UnixMillis(0)).await.unwrap();
    stands(&rig, "taken").await;
    for _ in 0..2 {
        assert_eq!(reconciled(&rig, &sandbox).await, [""; 0]);
    }
    assert_eq!(looked(&rig, &sandbox).await, (vec![], None));
    captured_ago(&rig, 120_000).await;
    for _ in 0..2 {
        reconciled(&rig, &sandbox).await;
    }
    assert_eq!(looked(&rig, &sandbox).await, (vec![], Some("charged_back".to_owned())));
    assert_eq!(rig.count("SELECT count(*) FROM reseat").await, 0);
    let left = "SELECT coalesce(sum(abs(amount)), 0)::BIGINT FROM (SELECT sum(amount) AS amount
        FROM ledger_entry GROUP BY account) a";
    assert_eq!(rig.count(left).await, 0, "nobody has lost anything");
}

#[tokio::test]
async fn a_refund_that_a_bank_has_overtaken_is_for_a_person() {
    overtaken("UPDATE orders SET state = 'refunding', todo = true, lease_until = 0").await;
}

#[tokio::test]
async fn a_ticket_whose_money_a_bank_has_taken_meanwhile_is_for_a_person() {
    overtaken("SELECT part_begin(order_id, 1, 0, gen_random_uuid(), 1) FROM orders").await;
}

/// `begun` begins to give money back.
async fn overtaken(begun: &'static str) {
    let mut rig = Rig::start().await;
    let stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1, 2], "tok_chargeback").await;
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    drop(stage);
    // Before anybody has heard of the bank.
    rig.pool.execute(begun).await.unwrap();
    rig.pool.execute("UPDATE orders SET lease_until = 0").await.unwrap();
    let aged = "UPDATE sandbox.payment SET captured_at = captured_at - 120000";
    rig.pool.execute(aged).await.unwrap();
    let _stage = rig.stage(Point::Never);
    rig.wait_for(hold, "review_needed").await;
    let given = "SELECT count(*) FROM sandbox.payment WHERE back <> 0 OR state <> 'captured'";
    assert_eq!(rig.count(given).await, 0, "it went back once, and not twice");
}

/// A provider whose disputes cannot be told: those with this word in their names, or all of them.
#[derive(Debug)]
struct Mute {
    sandbox: Sandbox,
    about: Option<String>,
}

impl Provider for Mute {
    fn name(&self) -> &'static str {
        self.sandbox.name()
    }

    fn create<'a>(&'a self, new: &'a NewPayment) -> BoxFuture<'a, Result<Payment, Failure>> {
        self.sandbox.create(new)
    }

    fn act<'a>(&'a self, id: &'a str, verb: Verb) -> BoxFuture<'a, Result<Seen, Failure>> {
        self.sandbox.act(id, verb)
    }

    fn give_back<'a>(&'a self, id: &'a str, back: i64) -> BoxFuture<'a, Result<i64, Failure>> {
        self.sandbox.give_back(id, back)
    }

    fn list<'a>(&'a self, after: &'a Cursor) -> BoxFuture<'a, Result<Page, Failure>> {
        self.sandbox.list(after)
    }

    fn disputes<'a>(&'a self, after: &'a Cursor) -> BoxFuture<'a, Result<Disputes, Failure>> {
        if self.about.is_none() { refused("list") } else { self.sandbox.disputes(after) }
    }

    fn dispute<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Dispute>, Failure>> {
        match &self.about {
            Some(word) if !id.contains(word) => self.sandbox.dispute(id),
            _ => refused("fetch"),
        }
    }
}

fn refused<T: Send + 'static>(what: &'static str) -> BoxFuture<'static, Result<T, Failure>> {
    let why = "the key may not see disputes".to_owned();
    Box::pin(async move { Err(Failure::Unknown { what, why }) })
}

#[tokio::test]
async fn a_provider_that_tells_of_no_dispute_is_not_taken_for_one_that_is_away() {
    let rig = Rig::start().await;
    let sandbox = Sandbox::start(&rig.pool);
    let guarded = Guarded::new(Arc::new(Mute { sandbox, about: None }));
    let after = Cursor { created_at: UnixMillis(0), id: String::new() };
    for _ in 0..40 {
        guarded.disputes(&after).await.unwrap_err();
        guarded.dispute("dp_1").await.unwrap_err();
    }
    assert!(!guarded.is_down());
    assert!(guarded.list(&after).await.is_ok());
}

#[tokio::test]
async fn a_dispute_that_cannot_be_told_holds_up_no_other() {
    let mut rig = Rig::start().await;
    let stage = rig.stage(Point::Never);
    let mut holds = Vec::new();
    for seat in 0..6 {
        holds.push(rig.pay(&[seat], "tok_chargeback_won").await);
    }
    for &hold in &holds {
        rig.wait_for(hold, "paid").await;
    }
    rig.rest().await;
    drop(stage);
    let first = OrderId::from(holds[0]).to_string();
    let provider = Mute { sandbox: Sandbox::start(&rig.pool), about: Some(first) };
    let money = FoundMoney { pool: &rig.pool, provider: provider.name() };
    captured_ago(&rig, 2_000).await;
    // All are in the list, and those that are known are looked at one by one.
    chargeback::look(money, &provider, UnixMillis(0)).await.unwrap();
    captured_ago(&rig, 120_000).await;
    let late = UnixMillis(u64::MAX >> 1);
    chargeback::look(money, &provider, late).await.unwrap_err();
    let stand = "SELECT count(*) FROM chargeback WHERE state = 'won'";
    assert_eq!(rig.count(stand).await, 5);
}

#[tokio::test]
async fn disputes_that_are_not_told_keep_no_look_at_payments_from_its_end() {
    let rig = Rig::start().await;
    let mute = |pool: &PgPool| -> Vec<Arc<dyn Provider>> {
        vec![Arc::new(Mute { sandbox: Sandbox::start(pool), about: None })]
    };
    let _stage = rig.stage_at(mute, |_| {});
    eventually("a look that has ended", || async {
        let ended = "SELECT count(*) FROM reconciled WHERE provider = 'sandbox' AND 0 < seen_to";
        rig.count(ended).await == 1
    })
    .await;
    assert_eq!(rig.count("SELECT max(disputes_to) FROM reconciled").await, 0);
}
