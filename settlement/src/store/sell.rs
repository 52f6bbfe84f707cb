//! Sales, captures and refunds: the steps that book in the ledger.

use super::booking::{Bookings, array};
use super::{attempt_of, millis, order_of, states, uuid_of};
use crate::config::VERDICT_AGAIN_MS;
use crate::error::{Error, in_time};
use chassis::clock;
use schema::{AccountId, Money, OrderId, VerdictKind};
use settlement_core::{
    Account, Entry, Posting, PostingKind, State, command_id, on_capture, on_refund, on_return,
};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use std::collections::HashMap;
use uuid::Uuid;

/// An order whose money is there.
#[derive(Debug, Clone)]
pub(crate) struct Sale {
    pub order: OrderId,
    pub attempt: u32,
    /// What it books.
    pub posting: Posting,
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
    /// Whether the money had been taken, and not only set aside.
    pub captured: bool,
}

/// Returns the state of each order after it, and why a person has to look, if one has to.
pub(super) async fn commit_sales(
    pool: &PgPool,
    items: &[Sale],
) -> Result<Vec<(State, Option<String>)>, Error> {
    let orders: Vec<OrderId> = items.iter().map(|item| item.order).collect();
    let now = millis(clock::now());
    let mut bookings = Bookings::default();
    for item in items {
        bookings.push(item.order, std::slice::from_ref(&item.posting));
    }
    let query = sqlx::query(
        "SELECT order_id, state, review
         FROM sell($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    );
    let query = query
        .bind(uuids(&orders))
        .bind(items.iter().map(|item| attempt_of(item.attempt)).collect::<Vec<_>>())
        .bind(items.iter().map(|item| item.charged).collect::<Vec<_>>())
        .bind(items.iter().map(|item| array(&item.codes)).collect::<Vec<_>>())
        .bind(commands(items.iter().map(|item| (item.order, item.attempt)), VerdictKind::Sold));
    let query = bookings.bind_entries(query).bind(now).bind(now + VERDICT_AGAIN_MS);
    let rows = in_time("sell", query.fetch_all(pool)).await?;
    let reviews: HashMap<Uuid, Option<String>> =
        rows.iter().map(|row| (row.get("order_id"), row.get("review"))).collect();
    let reviews = orders.iter().map(|&order| reviews[&uuid_of(order)].clone());
    Ok(states(&orders, &rows).into_iter().zip(reviews).collect())
}

pub(super) async fn commit_captures(pool: &PgPool, items: &[Capture]) -> Result<Vec<State>, Error> {
    let orders: Vec<OrderId> = items.iter().map(|item| item.order).collect();
    let mut bookings = Bookings::default();
    for item in items {
        let postings =
            if item.returned { on_return(item.total) } else { vec![on_capture(item.total)] };
        bookings.push(item.order, &postings);
    }
    let query =
        sqlx::query("SELECT order_id, state FROM order_capture($1, $2, $3, $4, $5, $6, $7)");
    let query = bookings.bind(query.bind(uuids(&orders))).bind(millis(clock::now()));
    let rows = in_time("book captures", query.fetch_all(pool)).await?;
    Ok(states(&orders, &rows))
}

pub(super) async fn commit_refunds(pool: &PgPool, items: &[Refund]) -> Result<Vec<State>, Error> {
    let orders: Vec<OrderId> = items.iter().map(|item| item.order).collect();
    let now = millis(clock::now());
    let sales = booked_sales(pool, &orders).await?;
    let mut bookings = Bookings::default();
    for item in items {
        // Refunding comes after Paid alone, and the commit that makes an order Paid books its sale.
        let sale = sales.get(&item.order).ok_or(Error::SaleUnbooked { order: item.order })?;
        bookings.push(item.order, &on_refund(sale, item.captured));
    }
    let query =
        sqlx::query("SELECT order_id, state FROM refund($1, $2, $3, $4, $5, $6, $7, $8, $9)");
    let query = query
        .bind(uuids(&orders))
        .bind(commands(items.iter().map(|item| (item.order, item.attempt)), VerdictKind::Refunded));
    let query = bookings.bind(query).bind(now).bind(now + VERDICT_AGAIN_MS);
    let rows = in_time("book refunds", query.fetch_all(pool)).await?;
    Ok(states(&orders, &rows))
}

/// What orders have booked as sold and not given back with tickets alone. While they are Refunding,
/// or one of their parts is, nobody changes it, so it may be read before they are locked.
pub(super) async fn booked_sales(
    pool: &PgPool,
    orders: &[OrderId],
) -> Result<HashMap<OrderId, Posting>, Error> {
    let query = sqlx::query(
        "SELECT order_id, account, party, sum(amount)::BIGINT AS amount, currency::TEXT AS currency
         FROM ledger_entry WHERE order_id = ANY($1) AND kind = ANY($2)
         GROUP BY order_id, account, party, currency",
    );
    let kinds = [PostingKind::Sale, PostingKind::PartReversal].map(PostingKind::as_str);
    let query = query.bind(uuids(orders)).bind(kinds.to_vec());
    let mut sales = HashMap::new();
    for row in in_time("read booked sales", query.fetch_all(pool)).await? {
        let none = || Posting { kind: PostingKind::Sale, entries: Vec::new() };
        let sale = sales.entry(order_of(row.get("order_id"))).or_insert_with(none);
        sale.entries.push(entry_of(&row));
    }
    // As a sale writes them, whatever order the sums came in.
    for sale in sales.values_mut() {
        sale.entries.sort_by_key(|entry| (entry.account, entry.party));
    }
    Ok(sales)
}

fn entry_of(row: &PgRow) -> Entry {
    let (account, currency): (&str, &str) = (row.get("account"), row.get("currency"));
    let account = Account::ALL.into_iter().find(|known| known.as_str() == account);
    let currency = currency.parse().expect("stored from a Currency");
    let party: Option<Uuid> = row.get("party");
    Entry {
        account: account.expect("stored from an Account"),
        party: party.map(|party| AccountId(party.as_u128())),
        amount: Money::new(row.get("amount"), currency),
    }
}

fn uuids(orders: &[OrderId]) -> Vec<Uuid> {
    orders.iter().map(|&order| uuid_of(order)).collect()
}

fn commands(orders: impl Iterator<Item = (OrderId, u32)>, kind: VerdictKind) -> Vec<Uuid> {
    let ids = orders.map(|(order, attempt)| command_id(order, attempt, kind, 0));
    ids.map(|id| Uuid::from_u128(id.0)).collect()
}
