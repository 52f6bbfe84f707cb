//! Orders in Postgres: each step is one stored function, called for many orders in one commit.

use crate::config::{CALL_EVERY, Config, UNHURRIED_EVERY};
use crate::error::Error;
use chassis::Group;
use schema::{OrderId, UnixMillis};
use settlement_core::State;
use sqlx::{PgPool, Row, postgres::PgRow};
use std::collections::HashMap;
use uuid::Uuid;

pub(crate) use bind::Binding;
pub(crate) use entrance::{Genuine, Given, Held, Spent};
pub(crate) use found::{Banked, FoundMoney, Known, MoneyOutcome, SeenTo};
pub(crate) use moves::Moving;
pub(crate) use outbox::{Answered, Outbox};
pub(crate) use part::{Alone, Parts};
pub(crate) use reseat::{NoPlaces, Reseats};
pub(crate) use sell::{Capture, Refund, Sale};
pub(crate) use start::{Announced, Lease};
pub(crate) use webhooks::{Message, Ready, Told, Webhooks};

mod bind;
mod booking;
mod chargeback;
mod entrance;
mod found;
mod moves;
mod outbox;
mod part;
mod read;
mod reseat;
mod sell;
mod start;
mod webhooks;

/// The database, and the commits that many orders share. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub pool: PgPool,
    starts: Group<Announced, bool, Error>,
    bindings: Group<Binding, Option<String>, Error>,
    sales: Group<Sale, (State, Option<String>), Error>,
    captures: Group<Capture, State, Error>,
    moves: Group<Moving, State, Error>,
    refunds: Group<Refund, State, Error>,
    closings: Group<Answered, (), Error>,
}

impl Store {
    pub(crate) fn start(
        pool: &PgPool,
        config: &Config,
        provider: &'static str,
        lease: Lease,
    ) -> Self {
        let most = config.commit_orders_max;
        let pooled = || pool.clone();
        let (starting, binding, selling, capturing) = (pooled(), pooled(), pooled(), pooled());
        let (moving, refunding, closing) = (pooled(), pooled(), pooled());
        let (hurried, unhurried) = (CALL_EVERY, UNHURRIED_EVERY);
        Self {
            pool: pool.clone(),
            starts: Group::start(
                "settlement-start",
                most,
                hurried,
                move |items: Vec<Announced>| {
                    let pool = starting.clone();
                    async move { start::commit(&pool, provider, &items, lease).await }
                },
            ),
            bindings: Group::start("settlement-bind", most, hurried, move |items: Vec<Binding>| {
                let pool = binding.clone();
                async move { bind::commit(&pool, provider, &items).await }
            }),
            sales: Group::start("settlement-sell", most, hurried, move |items: Vec<Sale>| {
                let pool = selling.clone();
                async move { sell::commit_sales(&pool, &items).await }
            }),
            captures: Group::start(
                "settlement-capture",
                most,
                unhurried,
                move |items: Vec<Capture>| {
                    let pool = capturing.clone();
                    async move { sell::commit_captures(&pool, &items).await }
                },
            ),
            moves: Group::start("settlement-move", most, hurried, move |items: Vec<Moving>| {
                let pool = moving.clone();
                async move { moves::commit(&pool, &items).await }
            }),
            refunds: Group::start("settlement-refund", most, hurried, move |items: Vec<Refund>| {
                let pool = refunding.clone();
                async move { sell::commit_refunds(&pool, &items).await }
            }),
            closings: Group::start(
                "settlement-close",
                most,
                unhurried,
                move |items: Vec<Answered>| {
                    let pool = closing.clone();
                    async move { outbox::commit_closings(&pool, &items).await }
                },
            ),
        }
    }

    /// Stores announced payments. Says of each whether it is new to us, and leased to us then.
    pub(crate) async fn start_orders(&self, announced: Vec<Announced>) -> Result<Vec<bool>, Error> {
        self.starts.submit_all(announced).await
    }

    /// Marks verdicts as done whose answers have been read back.
    pub(crate) async fn close(&self, answers: Vec<Answered>) -> Result<(), Error> {
        self.closings.submit_all(answers).await.map(drop)
    }

    /// Stores the provider's id of a payment. Returns the id that counts, which may be an earlier
    /// one, or `None` if the order is not Paying this attempt any more: then nothing may be
    /// authorised.
    pub(crate) async fn bind(&self, binding: Binding) -> Result<Option<String>, Error> {
        self.bindings.submit(binding).await
    }

    /// Commits seats, tickets, ledger and verdict. Returns the order's state after it, and why a
    /// person has to look, if one has to.
    pub(crate) async fn sell(&self, sale: Sale) -> Result<(State, Option<String>), Error> {
        self.sales.submit(sale).await
    }

    /// Books that the money was taken. Returns the order's state after it.
    pub(crate) async fn capture(&self, capture: Capture) -> Result<State, Error> {
        self.captures.submit(capture).await
    }

    /// Makes a move that touches no seats and no ledger. Returns the order's state after it.
    pub(crate) async fn make_move(&self, moving: Moving) -> Result<State, Error> {
        self.moves.submit(moving).await
    }

    /// Refunding => Refunded. Returns the order's state after it.
    pub(crate) async fn refund(&self, refund: Refund) -> Result<State, Error> {
        self.refunds.submit(refund).await
    }
}

/// A time as the database has it.
pub(crate) fn millis(time: UnixMillis) -> i64 {
    i64::try_from(time.0).expect("the clock is far below 292 million years")
}

pub(crate) fn time_of(millis: i64) -> UnixMillis {
    UnixMillis(u64::try_from(millis).expect("times are stored from UnixMillis"))
}

pub(crate) fn uuid_of(order: OrderId) -> Uuid {
    Uuid::from_u128(order.0)
}

pub(crate) fn order_of(uuid: Uuid) -> OrderId {
    OrderId(uuid.as_u128())
}

pub(crate) fn attempt_of(attempt: u32) -> i32 {
    i32::try_from(attempt).expect("a fan does not try two billion cards")
}

/// Brings rows of (`order_id`, `state`) into the order of `orders`.
fn states(orders: &[OrderId], rows: &[PgRow]) -> Vec<State> {
    let found: HashMap<Uuid, State> =
        rows.iter().map(|row| (row.get("order_id"), state_of(row.get("state")))).collect();
    orders.iter().map(|&order| found[&uuid_of(order)]).collect()
}

fn state_of(text: &str) -> State {
    text.parse().expect("the table allows known states only")
}
