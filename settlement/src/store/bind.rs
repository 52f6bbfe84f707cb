//! Stores provider ids of payments.

use super::{attempt_of, millis, uuid_of};
use crate::error::{Error, in_time};
use chassis::clock;
use schema::OrderId;
use sqlx::{PgPool, Row};
use std::collections::HashMap;
use uuid::Uuid;

/// A payment that was created at the provider.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    pub order: OrderId,
    pub attempt: u32,
    pub payment: String,
}

pub(super) async fn commit(
    pool: &PgPool,
    provider: &'static str,
    items: &[Binding],
) -> Result<Vec<Option<String>>, Error> {
    let query = sqlx::query("SELECT order_id, provider_id FROM order_bind($1, $2, $3, $4, $5)");
    let query = query
        .bind(items.iter().map(|item| uuid_of(item.order)).collect::<Vec<_>>())
        .bind(items.iter().map(|item| attempt_of(item.attempt)).collect::<Vec<_>>())
        .bind(provider)
        .bind(items.iter().map(|item| item.payment.as_str()).collect::<Vec<_>>())
        .bind(millis(clock::now()));
    let rows = in_time("store payment ids", query.fetch_all(pool)).await?;
    let found: HashMap<Uuid, Option<String>> =
        rows.iter().map(|row| (row.get("order_id"), row.get("provider_id"))).collect();
    Ok(items.iter().map(|item| found[&uuid_of(item.order)].clone()).collect())
}
