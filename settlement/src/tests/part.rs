//! Tickets that are paid back alone.

use super::audit::assert_seen;
use super::cancel;
use super::crash::healthy;
use super::entrance::{OTHER, code, give, scan, ticket};
use super::owner::payment;
use super::reconcile::age;
use super::rig::{ACCOUNT, PATIENT, Point, Rig, asked, eventually, plan};
use crate::provider::Verb;
use crate::store::Parts;
use crate::{Sandbox, check_ledger, reconcile_once};
use schema::{
    AccountId, CancelAnswer, CancelTicket, FeePayer, Found, HoldId, MilliPercent, SeatIdx, Terms,
    TicketId, TransferAnswer, VerdictKind, subject,
};
use sqlx::Executor;
use uuid::Uuid;

const LINES: &str = "SELECT count(*) FROM ticket WHERE state <> 'void'";
const BACK: &str = "SELECT sum(back)::BIGINT FROM sandbox.payment";
const CLEARING: &str =
    "SELECT sum(amount)::BIGINT FROM ledger_entry WHERE account = 'provider_clearing'";

pub(super) async fn ask(rig: &Rig, ticket: TicketId, account: AccountId) -> CancelAnswer {
    asked(rig, subject::SETTLE_CANCEL_TICKET, &CancelTicket { ticket, account }).await
}

async fn back(rig: &Rig, hold: HoldId, line: u16) -> u64 {
    let answer = ask(rig, ticket(hold, line), ACCOUNT).await;
    let CancelAnswer::Refunded { sequence } = answer else { panic!("{answer:?}") };
    assert!(0 < sequence);
    sequence
}

/// Nothing differs, in the ledger and in the provider's list neither.
pub(super) async fn assert_whole(rig: &Rig) {
    rig.rest().await;
    rig.assert_clean().await;
    assert_eq!(check_ledger(&rig.pool).await.unwrap().differences, [""; 0]);
    age(rig).await;
    let sandbox = Sandbox::start(&rig.pool);
    assert_eq!(reconcile_once(&rig.pool, &sandbox).await.whole().unwrap(), []);
}

#[tokio::test]
async fn one_ticket_of_three_goes_back_and_the_others_stay_until_they_go_too() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1, 2, 3], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    for (line, account) in [(0, AccountId(1)), (3, ACCOUNT), (4_096, ACCOUNT)] {
        assert_eq!(ask(&rig, ticket(hold, line), account).await, CancelAnswer::Unknown);
    }
    assert_eq!(ask(&rig, ticket(HoldId(1), 0), ACCOUNT).await, CancelAnswer::Unknown);
    let sequence = back(&rig, hold, 1).await;
    assert_eq!(back(&rig, hold, 1).await, sequence, "a repetition");
    assert_eq!(rig.state(hold).await, "paid");
    assert_eq!((rig.count(LINES).await, rig.count(BACK).await), (2, 5_000));
    assert_eq!(rig.count("SELECT count(*) FROM live_seat WHERE seat_idx = 2").await, 0);
    let heard = rig.owner.heard.lock().unwrap().parts.clone();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!((heard[0].0, &heard[0].1.seats[..]), (1, &[SeatIdx(2)][..]));
    assert_whole(&rig).await;
    let next = rig.pay(&[2], "tok_ok").await;
    rig.wait_for(next, "paid").await;
    back(&rig, hold, 0).await;
    assert_whole(&rig).await;
    let rest = cancel::ask(&rig, hold, ACCOUNT).await;
    assert!(matches!(rest, CancelAnswer::Refunded { .. }), "{rest:?}");
    assert_eq!(back(&rig, hold, 1).await, sequence, "a repetition");
    assert_eq!(CancelAnswer::Refunded { sequence: back(&rig, hold, 2).await }, rest);
    assert_whole(&rig).await;
    assert_eq!((rig.state(hold).await, rig.count(BACK).await), ("refunded".to_owned(), 15_000));
    assert_eq!((rig.count(LINES).await, rig.count(CLEARING).await), (1, 5_000), "the next one's");
    assert_eq!(rig.owner.verdicts(hold), [(1, VerdictKind::Sold), (1, VerdictKind::Refunded)]);
    let last = rig.owner.heard.lock().unwrap().parts.last().cloned().unwrap();
    assert_eq!((last.0, &last.1.seats[..]), (2, &[SeatIdx(1)][..]));
}

#[tokio::test]
async fn a_part_begins_when_the_sales_money_was_taken_and_is_missed_if_nobody_is_at_it() {
    let (rig, hold) = Rig::paid(&[1, 2]).await;
    let begin = async || Parts(&rig.pool).begin(ticket(hold, 0), 0).await.unwrap();
    rig.pool.execute("UPDATE orders SET captured_at = NULL").await.unwrap();
    assert!(!begin().await, "its driver would take the money and rest");
    rig.pool.execute("UPDATE orders SET captured_at = sold_at").await.unwrap();
    assert!(begin().await);
    rig.assert_clean().await;
    rig.pool.execute("UPDATE orders SET todo = false").await.unwrap();
    let found = crate::audit(&rig.pool).await.unwrap();
    assert!(found.iter().any(|line| line.contains("nobody is at part 1")), "{found:?}");
}

#[tokio::test]
async fn standing_places_go_back_one_by_one_and_the_last_takes_the_booking_along() {
    let mut rig = Rig::start().await;
    rig.publish(&plan(Some(6)), Terms::default()).await;
    let _stage = rig.stage(Point::Never);
    let places = rig.hold(&[7], 2);
    let hold = places.hold;
    rig.owner.announce(&rig.event, payment(places, 1, "tok_ok", PATIENT), false).await;
    rig.wait_for(hold, "paid").await;
    let sold = "SELECT (SELECT sum(sold) FROM area_sold) * 10 + (SELECT sum(sold) FROM pool_sold)";
    assert_eq!(rig.count(sold).await, 22);
    back(&rig, hold, 2).await;
    assert_eq!(rig.count(sold).await, 11);
    assert_whole(&rig).await;
    back(&rig, hold, 0).await;
    assert_whole(&rig).await;
    back(&rig, hold, 1).await;
    assert_whole(&rig).await;
    assert_eq!((rig.state(hold).await, rig.count(sold).await), ("refunded".to_owned(), 0));
    assert_eq!(rig.count(CLEARING).await, 0);
}

#[tokio::test]
async fn a_ticket_that_was_used_or_given_away_stays_and_does_not_keep_the_others() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1, 2, 3], "tok_ok").await;
    let declined = rig.pay(&[4], "tok_declined").await;
    rig.wait_for(hold, "paid").await;
    rig.wait_for(declined, "declined").await;
    let used = code(&rig, ticket(hold, 0)).await;
    assert_eq!(scan(&rig, "EVT001", "North", &[(1, &used)]).await, [Found::Admitted]);
    assert_eq!(give(&rig, ticket(hold, 1), ACCOUNT, OTHER).await, TransferAnswer::Transferred);
    for (ticket, account, answer) in [
        (ticket(hold, 0), ACCOUNT, CancelAnswer::CheckedIn),
        (ticket(hold, 1), ACCOUNT, CancelAnswer::Transferred),
        (ticket(hold, 1), OTHER, CancelAnswer::Unknown),
        (ticket(declined, 0), ACCOUNT, CancelAnswer::NotConfirmed),
    ] {
        assert_eq!(ask(&rig, ticket, account).await, answer, "{ticket}");
    }
    assert_eq!(cancel::ask(&rig, hold, ACCOUNT).await, CancelAnswer::CheckedIn);
    let third = code(&rig, ticket(hold, 2)).await;
    back(&rig, hold, 2).await;
    assert_eq!(scan(&rig, "EVT001", "North", &[(2, &third)]).await, [Found::Void]);
    assert_eq!(give(&rig, ticket(hold, 2), ACCOUNT, OTHER).await, TransferAnswer::Void);
    assert_whole(&rig).await;
}

#[tokio::test]
async fn a_ticket_on_its_way_back_opens_nothing_and_nothing_else_of_its_order_begins() {
    let (rig, hold) = Rig::paid(&[1, 2, 3]).await;
    let parts = Parts(&rig.pool);
    assert!(!parts.begin(ticket(hold, 1), 1).await.unwrap(), "there is no part before");
    assert!(parts.begin(ticket(hold, 1), 0).await.unwrap());
    assert!(!parts.begin(ticket(hold, 1), 0).await.unwrap(), "again");
    assert!(!parts.begin(ticket(hold, 0), 1).await.unwrap(), "another one");
    let order = Uuid::from_u128(hold.0);
    let asked = |query| sqlx::query_scalar::<_, String>(query).bind(order).fetch_one(&rig.pool);
    let found = "SELECT found FROM check_in(ARRAY[$1], ARRAY[1], ARRAY[0],
        ARRAY[gen_random_uuid()], ARRAY[1::BIGINT], 'EVT001', 'North', gen_random_uuid(), 1)";
    assert_eq!(asked(found).await.unwrap(), "void");
    let given = "SELECT ticket_transfer($1, 1, 0, account_id, gen_random_uuid(), 'code', 1)::TEXT
        FROM orders WHERE order_id = $1";
    assert_eq!(asked(given).await.unwrap(), "false");
    let whole = "SELECT state FROM order_move(ARRAY[$1], ARRAY[1], ARRAY['paid'],
        ARRAY['refunding'], ARRAY[NULL], ARRAY[true], ARRAY[false], ARRAY[NULL],
        ARRAY[NULL]::UUID[], 1, 1)";
    assert_eq!(asked(whole).await.unwrap(), "paid");
    rig.assert_clean().await;
    // The next process goes on with it, and with what waited for it.
    let _stage = healthy(&rig).await;
    let waited = cancel::ask(&rig, hold, ACCOUNT).await;
    assert!(matches!(waited, CancelAnswer::Refunded { .. }), "{waited:?}");
    assert_whole(&rig).await;
    assert_eq!(rig.count(BACK).await, 15_000);
}

#[tokio::test]
async fn tickets_that_are_all_asked_back_at_once_go_one_after_the_other() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1, 2, 3], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    let all = [0, 1, 2, 0, 1, 2].map(|line| ask(&rig, ticket(hold, line), ACCOUNT));
    for answer in futures_util::future::join_all(all).await {
        assert!(matches!(answer, CancelAnswer::Refunded { .. }), "{answer:?}");
    }
    assert_whole(&rig).await;
    assert_eq!((rig.state(hold).await, rig.count(BACK).await), ("refunded".to_owned(), 15_000));
    assert_eq!(rig.count("SELECT count(*) FROM order_part").await, 2, "the last one is the rest");
}

#[tokio::test]
async fn a_ticket_gives_back_what_was_booked_for_it_whatever_the_terms_are_then() {
    let mut rig = Rig::start().await;
    let promoter = Some(AccountId(501));
    let taxes = vec![MilliPercent(7_000)];
    let fee_payer = FeePayer::Seller;
    let fee_share = MilliPercent(10_000);
    let then = Terms { fee_fixed: 100, fee_share, fee_payer, promoter, taxes };
    rig.publish(&plan(None), then).await;
    let stage = rig.stage(Point::Never);
    let mut places = rig.hold(&[1, 2, 3, 4], 0);
    places.seats[0].price = 1_070;
    places.seats[2].price = 0;
    places.seats[3].price = 333;
    let hold = places.hold;
    rig.owner.announce(&rig.event, payment(places, 1, "tok_ok", PATIENT), false).await;
    rig.wait_for(hold, "paid").await;
    let fees = "SELECT -sum(amount)::BIGINT FROM ledger_entry WHERE account = 'fees'";
    let tax = "SELECT -sum(amount)::BIGINT FROM ledger_entry WHERE account = 'tax_payable'";
    let payable = "SELECT -sum(amount)::BIGINT FROM ledger_entry WHERE account = 'promoter_payable'
        AND party IS NOT NULL";
    assert_eq!((rig.count(fees).await, rig.count(tax).await), (207 + 600 + 133, 70 + 327 + 22));
    back(&rig, hold, 0).await;
    assert_eq!((rig.count(fees).await, rig.count(tax).await), (600 + 133, 327 + 22));
    back(&rig, hold, 3).await;
    assert_eq!((rig.count(fees).await, rig.count(tax).await), (600, 327), "of the other ticket");
    assert_whole(&rig).await;
    drop(stage);
    rig.publish(&plan(None), Terms::default()).await;
    let _stage = healthy(&rig).await;
    back(&rig, hold, 1).await;
    for account in [fees, tax, payable, CLEARING] {
        assert_eq!(rig.count(account).await, 0, "{account}");
    }
    // What is left has cost nothing, and the payment is all back.
    assert_whole(&rig).await;
    let rest = cancel::ask(&rig, hold, ACCOUNT).await;
    assert!(matches!(rest, CancelAnswer::Refunded { .. }), "{rest:?}");
    assert_whole(&rig).await;
}

#[tokio::test]
async fn a_provider_that_refuses_a_part_makes_a_person_look() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Refused(Verb::Refund));
    let hold = rig.pay(&[1, 2], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    let answer = ask(&rig, ticket(hold, 0), ACCOUNT).await;
    assert_eq!(answer, CancelAnswer::UnderReview);
    rig.wait_for(hold, "review_needed").await;
    assert_eq!((rig.count(LINES).await, rig.count(BACK).await), (2, 0));
}

#[tokio::test]
async fn a_part_that_the_owner_refuses_is_a_difference() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1, 2], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    rig.owner.heard.lock().unwrap().refuses = true;
    back(&rig, hold, 0).await;
    let differences = crate::audit(&rig.pool).await.unwrap();
    let refused = "refused part 1 with REQUEST_INVALID";
    assert!(differences.iter().any(|line| line.contains(refused)), "{differences:?}");
}

#[tokio::test]
async fn an_owner_that_has_not_heard_of_a_part_is_told_again() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1, 2, 3], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    rig.owner.heard.lock().unwrap().deaf = true;
    let answer = ask(&rig, ticket(hold, 0), ACCOUNT).await;
    assert_eq!(answer, CancelAnswer::Underway, "the place is not free yet");
    assert_eq!(rig.count(BACK).await, 5_000);
    rig.owner.heard.lock().unwrap().deaf = false;
    eventually("the owner to hear", || async {
        rig.count("SELECT count(*) FROM order_part WHERE done_at IS NOT NULL").await == 1
    })
    .await;
    back(&rig, hold, 0).await;
    assert_whole(&rig).await;
}

/// Damage to an order of which a ticket was paid back alone, and what the audit says to it.
const PLANTED: &[(&str, &str)] = &[
    ("UPDATE sandbox.payment SET back = 4999", "has given back 4999, tickets of its order 5000"),
    (
        "INSERT INTO ledger_transaction SELECT order_id, kind, 2, event_id, at, currency, account,
             amount, party FROM ledger_transaction WHERE kind = 'part_payout'",
        "has booked part_payout 2 of 5000 and given back nothing",
    ),
    (
        "ALTER TABLE ledger_transaction DISABLE TRIGGER ALL;
         DELETE FROM ledger_transaction WHERE kind = 'part_reversal'",
        "has booked part_reversal 1 of nothing and given back 5000",
    ),
    (
        "ALTER TABLE order_part DISABLE TRIGGER ALL; DELETE FROM order_part",
        "is paid with 1 valid tickets of 2",
    ),
    ("UPDATE ticket SET state = 'refunding', voided_at = NULL", "is refunded alone, and is"),
    (
        "ALTER TABLE order_part DISABLE TRIGGER ALL;
         UPDATE order_part SET done_at = NULL, refunded_at = 1",
        "has not heard of part 1",
    ),
];

#[tokio::test]
async fn the_audit_sees_what_is_planted_beside_a_part() {
    let mut rig = Rig::start().await;
    let stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1, 2], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    back(&rig, hold, 0).await;
    rig.rest().await;
    drop(stage);
    assert_seen(&rig, PLANTED).await;
}

#[tokio::test]
async fn money_that_somebody_else_gave_back_is_a_difference_of_the_list() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1, 2, 3], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    back(&rig, hold, 0).await;
    assert_whole(&rig).await;
    let older = "UPDATE orders SET updated_at = updated_at - 100000";
    rig.pool.execute(older).await.unwrap();
    let sandbox = Sandbox::start(&rig.pool);
    assert_eq!(reconcile_once(&rig.pool, &sandbox).await.whole().unwrap(), []);
    rig.pool.execute("UPDATE sandbox.payment SET back = back + 1").await.unwrap();
    let found = reconcile_once(&rig.pool, &sandbox).await.whole().unwrap();
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    let says = "other money is back than of its order's tickets; a person has to look";
    assert!(lines.len() == 1 && lines[0].ends_with(says), "{lines:?}");
}

#[tokio::test]
async fn a_part_whose_money_is_back_before_it_is_booked_is_no_difference_of_the_list() {
    let (rig, hold) = Rig::paid(&[1, 2]).await;
    assert!(Parts(&rig.pool).begin(ticket(hold, 0), 0).await.unwrap());
    rig.pool.execute("UPDATE sandbox.payment SET back = 5000").await.unwrap();
    age(&rig).await;
    let sandbox = Sandbox::start(&rig.pool);
    let differences = async || reconcile_once(&rig.pool, &sandbox).await.whole().unwrap().len();
    let older = "UPDATE orders SET updated_at = updated_at - 100000";
    rig.pool.execute(older).await.unwrap();
    assert_eq!(differences().await, 0, "its driver is at it");
    let rest = "UPDATE orders SET todo = false, updated_at = extract(epoch FROM now()) * 1000";
    rig.pool.execute(rest).await.unwrap();
    assert_eq!(differences().await, 0, "the list may be of before it came to rest");
    rig.pool.execute(older).await.unwrap();
    assert_eq!(differences().await, 1);
}
