//! Drivers that are behind: each step is decided for a state and an attempt, and the database makes
//! it only while the order is still there.

use super::owner::payment;
use super::reconcile::{age, reconciled};
use super::rig::{PATIENT, Point, Rig, eventually};
use crate::order::Order;
use crate::provider::{Cursor, Failure, NewPayment, Page, Payment, Provider, Verb};
use crate::store::{Announced, Binding, Lease, Moving, Sale, Store};
use crate::{Config, Sandbox, reconcile_once};
use futures_util::future::BoxFuture;
use schema::{Currency, Held, HoldId, OrderId, Split};
use settlement_core::{Payer, Seen, State, Trigger, on_sale};
use uuid::Uuid;

/// A store that no process works on.
fn store(rig: &Rig) -> Store {
    let lease = Lease { owner: Uuid::nil(), ms: 60_000 };
    Store::start(&rig.pool, &Config::default(), "sandbox", lease)
}

fn announced(rig: &Rig, held: &Held, attempt: u32, sequence: u64) -> Announced {
    let payment = payment(held.clone(), attempt, "tok_ok", PATIENT);
    Announced { event: rig.event.clone(), payment, sequence, payment_id: None }
}

async fn order(store: &Store, hold: HoldId) -> Order {
    store.load(&[OrderId::from(hold)]).await.unwrap().remove(0)
}

async fn moved(store: &Store, order: &Order, trigger: Trigger) -> State {
    store.make_move(Moving::by(order, trigger)).await.unwrap()
}

#[tokio::test]
async fn of_two_attempts_in_one_commit_the_newer_one_counts_and_none_begins_twice() {
    let mut rig = Rig::start().await;
    let store = store(&rig);
    let held = rig.hold(&[1], 0);
    let both = vec![announced(&rig, &held, 2, 8), announced(&rig, &held, 1, 7)];
    assert_eq!(store.start_orders(both).await.unwrap(), [true, false]);
    let second = order(&store, held.hold).await;
    assert_eq!((second.state, second.attempt), (State::Paying, 2));
    assert_eq!(moved(&store, &second, Trigger::Decline).await, State::Declined);
    for attempt in [1, 2] {
        let again = vec![announced(&rig, &held, attempt, 9)];
        assert_eq!(store.start_orders(again).await.unwrap(), [false], "attempt {attempt} is over");
    }
    assert_eq!(order(&store, held.hold).await.state, State::Declined);
}

#[tokio::test]
async fn of_two_attempts_that_are_read_together_the_newer_one_is_paid() {
    let mut rig = Rig::start().await;
    let places = rig.hold(&[1], 0);
    let hold = places.hold;
    for (attempt, token) in [(1, "tok_declined"), (2, "tok_ok")] {
        let payment = payment(places.clone(), attempt, token, PATIENT);
        rig.owner.announce(&rig.event, payment, false).await;
    }
    let _stage = rig.stage(Point::Never);
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    rig.assert_clean().await;
    assert_eq!(rig.owner.verdicts(hold), [(2, schema::VerdictKind::Sold)]);
}

#[tokio::test]
async fn who_is_an_attempt_behind_moves_nothing_and_stores_no_payment() {
    let mut rig = Rig::start().await;
    let store = store(&rig);
    let held = rig.hold(&[1], 0);
    store.start_orders(vec![announced(&rig, &held, 1, 1)]).await.unwrap();
    let first = order(&store, held.hold).await;
    assert_eq!(moved(&store, &first, Trigger::Decline).await, State::Declined);
    store.start_orders(vec![announced(&rig, &held, 2, 2)]).await.unwrap();
    assert_eq!(moved(&store, &first, Trigger::Decline).await, State::Paying);
    assert_eq!(moved(&store, &first, Trigger::GiveUp).await, State::Paying);
    assert_eq!(rig.count("SELECT count(*) FROM outbox WHERE attempt = 2").await, 0);
    let binding = Binding { order: first.id, attempt: 1, payment: "late".to_owned() };
    assert_eq!(store.bind(binding).await.unwrap(), None);
    assert_eq!(rig.count("SELECT count(*) FROM payment_attempt").await, 0);
    for charged in [false, true] {
        assert_eq!(store.sell(sale(first.id, charged)).await.unwrap().0, State::Paying);
    }
    assert_eq!(rig.count("SELECT count(*) FROM ticket").await, 0, "the second has its own money");
}

/// A sale of one seat by the first attempt.
fn sale(order: OrderId, charged: bool) -> Sale {
    let posting = on_sale(Split { net: 5_000, fee: 0, tax: 0 }, Currency::EUR, Payer::Fan, None);
    Sale { order, attempt: 1, posting, charged, codes: vec!["code".to_owned()] }
}

#[tokio::test]
async fn an_order_that_is_given_up_gets_no_payment_and_is_sold_for_taken_money_only() {
    let mut rig = Rig::start().await;
    let store = store(&rig);
    let held = rig.hold(&[1], 0);
    store.start_orders(vec![announced(&rig, &held, 1, 1)]).await.unwrap();
    let paying = order(&store, held.hold).await;
    assert_eq!(moved(&store, &paying, Trigger::GiveUp).await, State::Cancelling);
    let binding = Binding { order: paying.id, attempt: 1, payment: "late".to_owned() };
    assert_eq!(store.bind(binding).await.unwrap(), None, "it must not be authorised");
    let set_aside = store.sell(sale(paying.id, false)).await.unwrap();
    assert_eq!(set_aside, (State::Cancelling, None), "nothing is taken yet");
    assert_eq!(rig.count("SELECT count(*) FROM ticket").await, 0);
    assert_eq!(store.sell(sale(paying.id, true)).await.unwrap().0, State::Paid);
    assert_eq!(rig.count("SELECT count(*) FROM ticket").await, 1);
}

/// A payment at the sandbox that the order of a hold has not stored.
async fn unstored(rig: &mut Rig, store: &Store) -> Binding {
    let held = rig.hold(&[1], 0);
    store.start_orders(vec![announced(rig, &held, 1, 1)]).await.unwrap();
    let (order, token) = (OrderId::from(held.hold), "tok_ok".to_owned());
    let new = NewPayment { order, attempt: 1, total: held.total(), token };
    let payment = Sandbox::start(&rig.pool).create(&new).await.unwrap().id;
    age(rig).await;
    Binding { order, attempt: 1, payment }
}

/// A provider that is asked about a payment while the order's driver stores that.
#[derive(Debug)]
struct Meanwhile {
    sandbox: Sandbox,
    store: Store,
    binding: Binding,
}

impl Provider for Meanwhile {
    fn name(&self) -> &'static str {
        self.sandbox.name()
    }

    fn create<'a>(&'a self, new: &'a NewPayment) -> BoxFuture<'a, Result<Payment, Failure>> {
        self.sandbox.create(new)
    }

    fn act<'a>(&'a self, id: &'a str, verb: Verb) -> BoxFuture<'a, Result<Seen, Failure>> {
        Box::pin(async move {
            let stored = self.store.bind(self.binding.clone()).await.unwrap();
            assert_eq!(stored.as_deref(), Some(id));
            self.sandbox.act(id, verb).await
        })
    }

    fn give_back<'a>(&'a self, id: &'a str, back: i64) -> BoxFuture<'a, Result<i64, Failure>> {
        self.sandbox.give_back(id, back)
    }

    fn list<'a>(&'a self, after: &'a Cursor) -> BoxFuture<'a, Result<Page, Failure>> {
        self.sandbox.list(after)
    }
}

#[tokio::test]
async fn a_payment_that_an_order_stores_while_it_is_found_without_one_is_left_to_its_driver() {
    let mut rig = Rig::start().await;
    let store = store(&rig);
    let binding = unstored(&mut rig, &store).await;
    let (sandbox, id) = (Sandbox::start(&rig.pool), binding.payment.clone());
    let meanwhile = Meanwhile { sandbox: Sandbox::start(&rig.pool), store, binding };
    assert_eq!(reconcile_once(&rig.pool, &meanwhile).await.whole().unwrap(), []);
    assert_eq!(rig.count("SELECT count(*) FROM found_money").await, 0);
    assert_eq!(sandbox.act(&id, Verb::Authorise).await, Ok(Seen::Authorised), "it was not voided");
}

#[tokio::test]
async fn a_payment_that_was_found_without_an_order_is_stored_for_none() {
    let mut rig = Rig::start().await;
    let store = store(&rig);
    let binding = unstored(&mut rig, &store).await;
    let lines = reconciled(&rig, &Sandbox::start(&rig.pool)).await;
    assert!(lines[0].ends_with("no order has this payment; voided"), "{lines:?}");
    assert_eq!(store.bind(binding).await.unwrap(), None);
    assert_eq!(rig.count("SELECT count(*) FROM payment_attempt").await, 0);
}

#[tokio::test]
async fn an_order_in_work_stays_with_its_process_while_that_renews_its_lease() {
    let mut rig = Rig::start().await;
    // It looks for orders seldom, so that whoever finds this one unleased is the other process.
    let long = |config: &mut Config| {
        config.lease_ms = 3_000;
        config.sweep_every_ms = 60_000;
    };
    let _first = rig.stage_at(|pool| super::rig::trapped(pool, Point::Never), long);
    // Its outcome is known only after 5 s.
    let hold = rig.pay(&[1], "tok_unknown").await;
    rig.wait_for(hold, "paying").await;
    let owner = "SELECT lease_owner FROM orders";
    let owner = async || sqlx::query_scalar::<_, Uuid>(owner).fetch_one(&rig.pool).await.unwrap();
    let before = owner().await;
    let _second = rig.stage(Point::Never);
    rig.wait_for(hold, "paid").await;
    assert_eq!(owner().await, before);
}

#[tokio::test]
async fn a_lease_is_given_back_where_there_is_no_room_and_when_its_process_ends() {
    let mut rig = Rig::start().await;
    let narrow = |config: &mut Config| {
        config.lease_ms = 600_000;
        config.orders_max = 1;
    };
    let (stage, shutdown) = rig.stage_to_end(narrow);
    let holds = [rig.pay(&[1], "tok_unknown").await, rig.pay(&[2], "tok_unknown").await];
    let given_back = "SELECT count(*) FROM orders WHERE todo AND lease_until = 0";
    eventually("one to be given back", || async { rig.count(given_back).await == 1 }).await;
    let leased = "SELECT count(*) FROM orders WHERE todo AND 0 < lease_until";
    shutdown.begin("test");
    eventually("both to be given back", || async { rig.count(leased).await == 0 }).await;
    drop(stage);
    let _stage = rig.stage(Point::Never);
    for hold in holds {
        rig.wait_for(hold, "paid").await;
    }
    rig.rest().await;
    rig.assert_clean().await;
}
