//! New orders and new attempts, as the journal announces them.

use super::booking::array;
use super::{Store, attempt_of, millis, order_of, uuid_of};
use crate::error::{Error, in_time};
use crate::provider::NewPayment;
use chassis::clock;
use schema::{EventId, LATE_MONEY, OrderId, PARTNER_SALE, Payment};
use settlement_core::{Line, Place, lines_of};
use sqlx::{PgPool, Row};
use std::collections::{BTreeMap, HashSet};
use uuid::Uuid;

/// A payment that the owner of its seats has announced, and where.
#[derive(Debug, Clone)]
pub(crate) struct Announced {
    pub event: EventId,
    pub payment: Payment,
    /// The announcement's place in the shard's journal.
    pub sequence: u64,
    /// The id that the payment will have at the provider, where that is known before.
    pub payment_id: Option<String>,
}

impl Announced {
    pub(crate) fn order(&self) -> OrderId {
        OrderId::from(self.payment.held.hold)
    }

    /// Whether its money was there before its places.
    pub(crate) fn is_late(&self) -> bool {
        self.payment.method == LATE_MONEY
    }

    /// Whether no provider is asked for its money.
    pub(crate) fn is_partners(&self) -> bool {
        self.payment.method == PARTNER_SALE
    }

    pub(crate) fn new_payment(&self) -> NewPayment {
        NewPayment {
            order: self.order(),
            attempt: self.payment.attempt,
            total: self.payment.held.total(),
            token: self.payment.token.to_string(),
        }
    }

    /// Of announcements of one order the highest is the newest.
    pub(crate) fn rank(&self) -> (u32, u64) {
        (self.payment.attempt, self.sequence)
    }
}

/// Who works on orders, and until when unless it renews that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lease {
    pub owner: Uuid,
    pub ms: u64,
}

impl Lease {
    fn until(&self) -> i64 {
        millis(clock::now() + schema::DurationMs(self.ms))
    }

    /// How often it is looked whether it must be renewed, which is so once so much of it is over:
    /// that makes three chances before it ends.
    pub(crate) fn quarter_ms(&self) -> u64 {
        self.ms.div_ceil(4)
    }
}

/// Which way orders begin.
#[derive(Debug, Clone, Copy)]
pub(super) enum Starting {
    /// They will be paid.
    Fresh,
    /// Their money was there before them.
    Late,
}

/// Says of each announcement whether its order is new to us. Of several of one order only the
/// newest can be.
pub(super) async fn commit(
    pool: &PgPool,
    provider: &'static str,
    announced: &[Announced],
    lease: Lease,
) -> Result<Vec<bool>, Error> {
    let mut newest: BTreeMap<OrderId, &Announced> = BTreeMap::new();
    for announced in announced {
        let kept = newest.entry(announced.order()).or_insert(announced);
        if kept.rank() < announced.rank() {
            *kept = announced;
        }
    }
    let news: Vec<&Announced> = newest.values().copied().collect();
    let fresh = insert(pool, Starting::Fresh, provider, &news, lease).await?;
    let is_newest = |a: &Announced| newest[&a.order()].rank() == a.rank();
    Ok(announced.iter().map(|a| is_newest(a) && fresh.contains(&a.order())).collect())
}

/// Stores payments, no order twice. Returns the orders that are new, leased to us.
pub(super) async fn insert(
    pool: &PgPool,
    starting: Starting,
    provider: &'static str,
    announced: &[&Announced],
    lease: Lease,
) -> Result<HashSet<OrderId>, Error> {
    let payments = || announced.iter().map(|announced| &announced.payment);
    let lines: Vec<Vec<Line>> = payments().map(|payment| lines_of(&payment.held)).collect();
    let column = |of: fn(&Line) -> i64| lines.iter().map(|l| array(l.iter().map(of))).collect();
    let (seats, areas, levels, prices): (Vec<_>, Vec<_>, Vec<_>, Vec<_>) =
        (column(seat_of), column(area_of), column(level_of), column(|line| line.price));
    let call = match starting {
        Starting::Fresh => {
            "SELECT order_start($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
                $16, $17, $18) AS order_id"
        }
        Starting::Late => {
            "SELECT reseat_start($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
                $16, $17, $18) AS order_id"
        }
    };
    let query = sqlx::query(call)
        .bind(payments().map(|p| uuid_of(p.held.hold.into())).collect::<Vec<_>>())
        .bind(announced.iter().map(|a| a.event.as_str()).collect::<Vec<_>>())
        .bind(payments().map(|p| Uuid::from_u128(p.held.account.0)).collect::<Vec<_>>())
        .bind(payments().map(|p| attempt_of(p.attempt)).collect::<Vec<_>>())
        .bind(payments().map(|p| p.method.as_str()).collect::<Vec<_>>())
        .bind(payments().map(|p| p.token.as_str()).collect::<Vec<_>>())
        .bind(payments().map(|p| p.held.total().amount).collect::<Vec<_>>())
        .bind(payments().map(|p| p.held.currency.to_string()).collect::<Vec<_>>())
        .bind(seats)
        .bind(areas)
        .bind(levels)
        .bind(prices)
        .bind(payments().map(|p| millis(p.payment_deadline)).collect::<Vec<_>>())
        .bind(provider)
        .bind(announced.iter().map(|a| a.payment_id.as_deref()).collect::<Vec<_>>())
        .bind(millis(clock::now()))
        .bind(lease.owner)
        .bind(lease.until());
    let rows = in_time("store announced payments", query.fetch_all(pool)).await?;
    Ok(rows.iter().map(|row| order_of(row.get("order_id"))).collect())
}

impl Store {
    /// Leases up to `count` orders that have something left to do and nobody at work.
    pub(crate) async fn claim(&self, count: usize, lease: Lease) -> Result<Vec<OrderId>, Error> {
        let query = sqlx::query("SELECT order_claim($1, $2, $3, $4) AS order_id");
        let query = query
            .bind(lease.owner)
            .bind(lease.until())
            .bind(millis(clock::now()))
            .bind(i64::try_from(count).unwrap_or(i64::MAX));
        let rows = in_time("claim orders", query.fetch_all(&self.pool)).await?;
        Ok(rows.iter().map(|row| order_of(row.get("order_id"))).collect())
    }

    /// Renews the leases of orders in work of which a quarter is over: most orders are done sooner,
    /// and a renewal writes into every index of theirs.
    pub(crate) async fn renew(&self, orders: &[OrderId], lease: Lease) -> Result<(), Error> {
        let until = lease.until();
        let quarter = i64::try_from(lease.quarter_ms()).expect("a quarter of them fits");
        self.lease_until(orders, lease, until - quarter, until).await
    }

    /// Gives leases back, so that whoever has room takes these orders.
    pub(crate) async fn release(&self, orders: &[OrderId], lease: Lease) -> Result<(), Error> {
        self.lease_until(orders, lease, i64::MAX, 0).await
    }

    /// Gives all leases back that are ours.
    pub(crate) async fn release_all(&self, lease: Lease) -> Result<(), Error> {
        let query = sqlx::query("SELECT order_id FROM orders WHERE todo AND lease_owner = $1");
        let query = query.bind(lease.owner);
        let rows = in_time("read leases", query.fetch_all(&self.pool)).await?;
        let ours: Vec<OrderId> = rows.iter().map(|row| order_of(row.get("order_id"))).collect();
        self.release(&ours, lease).await
    }

    // Locks in the order of ids, as all steps do: else it and a sale wait for each other until the
    // server looks for deadlocks, which it does after a second.
    async fn lease_until(
        &self,
        orders: &[OrderId],
        lease: Lease,
        ending_by: i64,
        until: i64,
    ) -> Result<(), Error> {
        let query = sqlx::query(
            "WITH ours AS MATERIALIZED (
                 SELECT order_id FROM orders
                 WHERE order_id = ANY($1) AND lease_owner = $2 AND todo AND lease_until <= $3
                 ORDER BY order_id FOR NO KEY UPDATE)
             UPDATE orders o SET lease_until = $4 FROM ours WHERE o.order_id = ours.order_id",
        );
        let ids: Vec<Uuid> = orders.iter().map(|&order| uuid_of(order)).collect();
        let query = query.bind(ids).bind(lease.owner).bind(ending_by).bind(until);
        in_time("renew leases", query.execute(&self.pool)).await?;
        Ok(())
    }

    /// Declined => Cancelled for orders whose hold has ended without another attempt.
    pub(crate) async fn end_declined(&self, ended: &[OrderId]) -> Result<(), Error> {
        let query = sqlx::query(
            "WITH ended AS MATERIALIZED (
                 SELECT order_id FROM orders WHERE order_id = ANY($1) AND state = 'declined'
                 ORDER BY order_id FOR NO KEY UPDATE)
             UPDATE orders o SET state = 'cancelled', updated_at = $2
             FROM ended WHERE o.order_id = ended.order_id",
        );
        let ids: Vec<Uuid> = ended.iter().map(|&order| uuid_of(order)).collect();
        let query = query.bind(ids).bind(millis(clock::now()));
        in_time("end declined orders", query.execute(&self.pool)).await?;
        Ok(())
    }
}

fn seat_of(line: &Line) -> i64 {
    match line.place {
        Place::Seat(seat) => i64::from(seat.0),
        Place::Area(_) => -1,
    }
}

fn area_of(line: &Line) -> i64 {
    match line.place {
        Place::Seat(_) => -1,
        Place::Area(area) => i64::from(area.0),
    }
}

fn level_of(line: &Line) -> i64 {
    i64::from(line.price_level)
}
