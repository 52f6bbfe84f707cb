//! Tickets as settlement has stored them.

use schema::{AccountId, AreaIdx, OrderId, SeatIdx, TicketId, UnixMillis};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use crate::in_time::in_time;

/// Most tickets in a list, newest first: those of 200 bookings of a few places each.
const LIST_MAX: i64 = 1_000;

/// One ticket, and who holds it.
#[derive(Debug, Clone)]
pub struct StoredTicket {
    pub id: TicketId,
    pub holder: AccountId,
    pub event_id: String,
    pub seat: Option<SeatIdx>,
    pub area: Option<AreaIdx>,
    pub price_level: u8,
    pub price: i64,
    pub currency: String,
    pub code: String,
    pub is_valid: bool,
    pub checked_in_at: Option<UnixMillis>,
}

const COLUMNS: &str = "t.order_id, t.line, t.account_id, t.event_id, t.seat_idx, t.area_idx,
    t.price_level, t.price, o.currency::TEXT AS currency, t.code, c.scanned_at,
    t.state = 'valid' AND o.state <> 'refunding' AS is_valid";

/// The ticket with this id, whoever holds it.
pub async fn find(postgres: &PgPool, id: TicketId) -> Result<Option<StoredTicket>, sqlx::Error> {
    let select = format!(
        "SELECT {COLUMNS} FROM ticket t JOIN orders o USING (order_id)
         LEFT JOIN checkin c USING (order_id, line) WHERE t.order_id = $1 AND t.line = $2"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(select));
    let query = query.bind(Uuid::from_u128(id.order.0)).bind(i32::from(id.line));
    let row = in_time("read a ticket", query.fetch_optional(postgres)).await?;
    row.map(|row| stored(&row)).transpose()
}

/// The tickets that an account holds: of its own orders, and those that others have given it.
pub async fn of_account(
    postgres: &PgPool,
    account: AccountId,
) -> Result<Vec<StoredTicket>, sqlx::Error> {
    // Each half by an index of its own.
    let select = format!(
        "SELECT {COLUMNS} FROM orders o JOIN ticket t USING (order_id)
             LEFT JOIN checkin c USING (order_id, line)
         WHERE o.account_id = $1 AND t.account_id = $1
         UNION ALL
         SELECT {COLUMNS} FROM ticket t JOIN orders o USING (order_id)
             LEFT JOIN checkin c USING (order_id, line)
         WHERE t.account_id = $1 AND 0 < t.issue AND o.account_id <> $1
         ORDER BY order_id DESC, line LIMIT $2"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(select));
    let query = query.bind(Uuid::from_u128(account.0)).bind(LIST_MAX);
    in_time("list tickets", query.fetch_all(postgres)).await?.iter().map(stored).collect()
}

fn stored(row: &PgRow) -> Result<StoredTicket, sqlx::Error> {
    let line: i32 = row.try_get("line")?;
    let seat: Option<i32> = row.try_get("seat_idx")?;
    let area: Option<i32> = row.try_get("area_idx")?;
    let level: i32 = row.try_get("price_level")?;
    let scanned_at: Option<i64> = row.try_get("scanned_at")?;
    let order = OrderId(row.try_get::<Uuid, _>("order_id")?.as_u128());
    let line = u16::try_from(line).expect("an order has at most 4,096 lines");
    Ok(StoredTicket {
        id: TicketId { order, line },
        holder: AccountId(row.try_get::<Uuid, _>("account_id")?.as_u128()),
        event_id: row.try_get("event_id")?,
        seat: seat.and_then(|seat| u32::try_from(seat).ok()).map(SeatIdx),
        area: area.and_then(|area| u16::try_from(area).ok()).map(AreaIdx),
        price_level: u8::try_from(level).expect("a level is below 32"),
        price: row.try_get("price")?,
        currency: row.try_get("currency")?,
        code: row.try_get("code")?,
        is_valid: row.try_get("is_valid")?,
        checked_in_at: scanned_at.map(|at| UnixMillis(at.unsigned_abs())),
    })
}
