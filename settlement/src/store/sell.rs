//! Sales, captures and refunds: the steps that book in the ledger.

use super::{millis, states, uuid_of};
use crate::config::VERDICT_AGAIN_MS;
use crate::error::{Error, in_time};
use chassis::clock;
use schema::{Money, OrderId, VerdictKind};
use settlement_core::{Posting, State, command_id, on_capture, on_refund, on_return, on_sale};
use sqlx::PgPool;
use uuid::Uuid;

/// What of a price is ours. Buyers are charged the price of their places and nothing else.
const FEE: i64 = 0;

/// An order whose money is there.
#[derive(Debug, Clone)]
pub(crate) struct Sale {
    pub order: OrderId,
    pub attempt: u32,
    pub total: Money,
    /// Whether the money was taken already: then it is sold from Cancelling too.
    pub charged: bool,
    /// One code a line.
    pub codes: Vec<String>,
}

/// An order whose money was taken.
#[derive(Debug, Clone)]
pub(crate) struct Capture {
    pub order: OrderId,
    pub total: Money,
    /// Whether it was given back at once, because there is no sale.
    pub returned: bool,
}

/// An order whose money is back.
#[derive(Debug, Clone)]
pub(crate) struct Refund {
    pub order: OrderId,
    pub attempt: u32,
    pub total: Money,
    /// Whether the money had been taken, and not only set aside.
    pub captured: bool,
}

pub(super) async fn commit_sales(pool: &PgPool, items: &[Sale]) -> Result<Vec<State>, Error> {
    let orders: Vec<OrderId> = items.iter().map(|item| item.order).collect();
    let now = millis(clock::now());
    let mut entries = Entries::default();
    for item in items {
        entries.push(item.order, &[on_sale(item.total, FEE)]);
    }
    let query =
        sqlx::query("SELECT order_id, state FROM sell($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)");
    let query = query
        .bind(uuids(&orders))
        .bind(items.iter().map(|item| item.charged).collect::<Vec<_>>())
        .bind(items.iter().map(|item| literal(&item.codes)).collect::<Vec<_>>())
        .bind(commands(items.iter().map(|item| (item.order, item.attempt)), VerdictKind::Sold))
        .bind(entries.orders)
        .bind(entries.kinds)
        .bind(entries.accounts)
        .bind(entries.amounts)
        .bind(now)
        .bind(now + VERDICT_AGAIN_MS);
    let rows = in_time("sell", query.fetch_all(pool)).await?;
    Ok(states(&orders, &rows))
}

pub(super) async fn commit_captures(pool: &PgPool, items: &[Capture]) -> Result<Vec<State>, Error> {
    let orders: Vec<OrderId> = items.iter().map(|item| item.order).collect();
    let mut entries = Entries::default();
    for item in items {
        let postings =
            if item.returned { on_return(item.total) } else { vec![on_capture(item.total)] };
        entries.push(item.order, &postings);
    }
    let query = sqlx::query("SELECT order_id, state FROM order_capture($1, $2, $3, $4, $5, $6)");
    let query = query
        .bind(uuids(&orders))
        .bind(entries.orders)
        .bind(entries.kinds)
        .bind(entries.accounts)
        .bind(entries.amounts)
        .bind(millis(clock::now()));
    let rows = in_time("book captures", query.fetch_all(pool)).await?;
    Ok(states(&orders, &rows))
}

pub(super) async fn commit_refunds(pool: &PgPool, items: &[Refund]) -> Result<Vec<State>, Error> {
    let orders: Vec<OrderId> = items.iter().map(|item| item.order).collect();
    let now = millis(clock::now());
    let mut entries = Entries::default();
    for item in items {
        entries.push(item.order, &on_refund(item.total, FEE, item.captured));
    }
    let query = sqlx::query("SELECT order_id, state FROM refund($1, $2, $3, $4, $5, $6, $7, $8)");
    let query = query
        .bind(uuids(&orders))
        .bind(commands(items.iter().map(|item| (item.order, item.attempt)), VerdictKind::Refunded))
        .bind(entries.orders)
        .bind(entries.kinds)
        .bind(entries.accounts)
        .bind(entries.amounts)
        .bind(now)
        .bind(now + VERDICT_AGAIN_MS);
    let rows = in_time("refund", query.fetch_all(pool)).await?;
    Ok(states(&orders, &rows))
}

/// Ledger entries as parallel arrays.
#[derive(Default)]
struct Entries {
    orders: Vec<Uuid>,
    kinds: Vec<&'static str>,
    accounts: Vec<&'static str>,
    amounts: Vec<i64>,
}

impl Entries {
    fn push(&mut self, order: OrderId, postings: &[Posting]) {
        for posting in postings {
            for entry in &posting.entries {
                self.orders.push(uuid_of(order));
                self.kinds.push(posting.kind.as_str());
                self.accounts.push(entry.account.as_str());
                self.amounts.push(entry.amount.amount);
            }
        }
    }
}

fn uuids(orders: &[OrderId]) -> Vec<Uuid> {
    orders.iter().map(|&order| uuid_of(order)).collect()
}

fn commands(orders: impl Iterator<Item = (OrderId, u32)>, kind: VerdictKind) -> Vec<Uuid> {
    let ids = orders.map(|(order, attempt)| command_id(order, attempt, kind, 0));
    ids.map(|id| Uuid::from_u128(id.0)).collect()
}

/// An array in Postgres' text form. Codes are base64url, which needs no quotes.
fn literal(codes: &[String]) -> String {
    format!("{{{}}}", codes.join(","))
}
