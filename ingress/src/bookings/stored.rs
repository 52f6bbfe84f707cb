//! Bookings as settlement has stored them, read for many askers at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chassis::{Group, GroupError};
use schema::{AccountId, AreaIdx, LATE_MONEY, OrderId, SeatIdx, UnixMillis};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use crate::in_time::in_time;
use crate::partners::Buyer;

/// Most bookings in one query. Under load some ten fans are answered at once; more only comes after
/// an outage.
const READ_MAX: usize = 256;

/// How soon one query may follow another, so that those who are told of their payments within a
/// batch or two are answered by one. After a rest none waits.
const READ_EVERY: Duration = Duration::from_millis(5);

/// Most bookings in a list, newest first. A fan with more has a history that no page shows at once.
const LIST_MAX: i64 = 200;

/// One booking.
#[derive(Debug, Clone)]
pub struct Stored {
    pub order: OrderId,
    pub account: AccountId,
    pub event_id: String,
    pub status: String,
    /// The last payment was declined, and no other has begun since.
    pub is_declined: bool,
    pub amount: i64,
    pub currency: String,
    pub created_at: UnixMillis,
    /// None before it is paid.
    pub lines: Vec<StoredLine>,
    /// Of one that was given up: money that came for it after that.
    pub late: Option<LateMoney>,
    /// Of one that such money has bought: the one that was given up.
    pub instead_of: Option<OrderId>,
    /// Of one that a partner has sold: to whom, if it said so.
    pub buyer: Option<Buyer>,
    may_have_late: bool,
}

/// Money that came after its booking was given up.
#[derive(Debug, Clone)]
pub struct LateMoney {
    /// The word of the API.
    pub outcome: String,
    /// The booking that it has bought.
    pub bought: Option<OrderId>,
    /// Why it goes back.
    pub reason: Option<String>,
    pub found_at: UnixMillis,
    pub decided_at: Option<UnixMillis>,
}

/// How a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketState {
    Valid,
    /// It is on its way back, alone or with its booking.
    Refunding,
    Void,
}

/// One ticket of a booking.
#[derive(Debug, Clone)]
pub struct StoredLine {
    pub line: u16,
    pub seat: Option<SeatIdx>,
    pub area: Option<AreaIdx>,
    pub price_level: u8,
    pub price: i64,
    pub code: String,
    pub state: TicketState,
    /// Who has it: the booking's account, unless it was transferred.
    pub holder: AccountId,
}

/// Why nothing is known. Shared by all who asked in one query.
#[derive(Debug, Clone)]
pub enum Unread {
    Failed(Arc<sqlx::Error>),
    /// The process ends.
    Ended,
}

impl GroupError for Unread {
    fn ended() -> Self {
        Self::Ended
    }

    fn may_be_of_one(&self) -> bool {
        false
    }
}

impl From<sqlx::Error> for Unread {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(Arc::new(error))
    }
}

/// Reads bookings. Clones share their queries.
#[derive(Debug, Clone)]
pub struct Bookings {
    postgres: PgPool,
    single: Group<OrderId, Option<Stored>, Unread>,
}

impl Bookings {
    pub fn start(postgres: &PgPool) -> Self {
        let pool = postgres.clone();
        let single = Group::start("ingress-bookings", READ_MAX, READ_EVERY, move |orders| {
            let pool = pool.clone();
            async move {
                let read = in_time("read bookings", by_order(&pool, &orders));
                read.await.map_err(Unread::from)
            }
        });
        Self { postgres: postgres.clone(), single }
    }

    /// The booking with this id, whoever owns it.
    pub async fn find(&self, order: OrderId) -> Result<Option<Stored>, Unread> {
        self.single.submit(order).await
    }

    /// The account's bookings, newest first.
    pub async fn of_account(&self, account: AccountId) -> Result<Vec<Stored>, Unread> {
        let select = "SELECT * FROM bookings(ARRAY(SELECT booking_id FROM booking_view
             WHERE account_id = $1 ORDER BY created_at DESC, booking_id DESC LIMIT $2))";
        let query = sqlx::query(select).bind(Uuid::from_u128(account.0)).bind(LIST_MAX);
        let read = async {
            let stored = stored_in(&query.fetch_all(&self.postgres).await?)?;
            with_late(&self.postgres, stored).await
        };
        Ok(in_time("list bookings", read).await?)
    }
}

async fn by_order(
    postgres: &PgPool,
    orders: &[OrderId],
) -> Result<Vec<Option<Stored>>, sqlx::Error> {
    let ids: Vec<Uuid> = orders.iter().map(|order| Uuid::from_u128(order.0)).collect();
    let query = sqlx::query("SELECT * FROM bookings($1)").bind(ids);
    let stored = stored_in(&query.fetch_all(postgres).await?)?;
    let found: HashMap<OrderId, Stored> = with_late(postgres, stored)
        .await?
        .into_iter()
        .map(|stored| (stored.order, stored))
        .collect();
    // Two may have asked for the same one.
    Ok(orders.iter().map(|order| found.get(order).cloned()).collect())
}

/// Adds what became of late money, which hardly a booking has.
async fn with_late(
    postgres: &PgPool,
    mut bookings: Vec<Stored>,
) -> Result<Vec<Stored>, sqlx::Error> {
    let asked = bookings.iter().filter(|stored| stored.may_have_late);
    let ids: Vec<Uuid> = asked.map(|stored| Uuid::from_u128(stored.order.0)).collect();
    if ids.is_empty() {
        return Ok(bookings);
    }
    let query = sqlx::query(
        "SELECT * FROM late_money_view WHERE booking_id = ANY($1) OR bought_id = ANY($1)",
    );
    let order = |row: &PgRow, name| row.try_get::<Uuid, _>(name).map(|id| OrderId(id.as_u128()));
    let time = |at: i64| UnixMillis(u64::try_from(at).unwrap_or_default());
    for row in &query.bind(ids).fetch_all(postgres).await? {
        let (before, bought) = (order(row, "booking_id")?, order(row, "bought_id")?);
        let outcome: String = row.try_get("outcome")?;
        let has_bought = ["SAME_SEATS", "EQUAL_SEATS"].contains(&outcome.as_str());
        for stored in &mut bookings {
            if stored.order == bought && has_bought {
                stored.instead_of = Some(before);
            } else if stored.order == before {
                stored.late = Some(LateMoney {
                    outcome: outcome.clone(),
                    bought: has_bought.then_some(bought),
                    reason: row.try_get("reason")?,
                    found_at: time(row.try_get("asked_at")?),
                    decided_at: row.try_get::<Option<i64>, _>("answered_at")?.map(time),
                });
            }
        }
    }
    Ok(bookings)
}

/// The bookings of rows, which come booking by booking.
fn stored_in(rows: &[PgRow]) -> Result<Vec<Stored>, sqlx::Error> {
    let mut bookings: Vec<Stored> = Vec::new();
    for row in rows {
        let order = OrderId(row.try_get::<Uuid, _>("booking_id")?.as_u128());
        if bookings.last().is_none_or(|last| last.order != order) {
            bookings.push(stored(order, row)?);
        }
        if row.try_get::<Option<i32>, _>("line")?.is_some() {
            bookings.last_mut().expect("pushed above").lines.push(line(row)?);
        }
    }
    Ok(bookings)
}

/// A booking without its tickets.
fn stored(order: OrderId, row: &PgRow) -> Result<Stored, sqlx::Error> {
    let created_at: i64 = row.try_get("created_at")?;
    Ok(Stored {
        order,
        account: AccountId(row.try_get::<Uuid, _>("account_id")?.as_u128()),
        event_id: row.try_get("event_id")?,
        status: row.try_get("status")?,
        is_declined: row.try_get::<&str, _>("state")? == "declined",
        amount: row.try_get("amount")?,
        currency: row.try_get("currency")?,
        created_at: UnixMillis(u64::try_from(created_at).unwrap_or_default()),
        lines: Vec::new(),
        late: None,
        instead_of: None,
        buyer: row.try_get::<Option<&str>, _>("buyer")?.and_then(Buyer::read),
        may_have_late: row.try_get::<&str, _>("state")? == "cancelled"
            || row.try_get::<&str, _>("method")? == LATE_MONEY,
    })
}

fn line(row: &PgRow) -> Result<StoredLine, sqlx::Error> {
    let number: i32 = row.try_get("line")?;
    let seat: Option<i32> = row.try_get("seat_idx")?;
    let area: Option<i32> = row.try_get("area_idx")?;
    let level: i32 = row.try_get("price_level")?;
    Ok(StoredLine {
        line: u16::try_from(number).expect("an order has at most 4,096 lines"),
        seat: seat.and_then(|seat| u32::try_from(seat).ok()).map(SeatIdx),
        area: area.and_then(|area| u16::try_from(area).ok()).map(AreaIdx),
        price_level: u8::try_from(level).expect("a level is below 32"),
        price: row.try_get("price")?,
        code: row.try_get("code")?,
        state: match row.try_get("ticket_state")? {
            "valid" if row.try_get::<&str, _>("state")? == "refunding" => TicketState::Refunding,
            "valid" => TicketState::Valid,
            "refunding" => TicketState::Refunding,
            _ => TicketState::Void,
        },
        holder: AccountId(row.try_get::<Uuid, _>("holder_id")?.as_u128()),
    })
}
