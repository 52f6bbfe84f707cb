//! Reads orders.

use super::{Spent, Store, state_of, time_of, uuid_of};
use crate::error::{Error, in_time};
use crate::order::{Order, Part, payer_of};
use schema::{AccountId, AreaIdx, Money, OrderId, SeatIdx};
use settlement_core::{Place, State};
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

/// An order whose money somebody wants back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WayBack {
    pub account: AccountId,
    pub state: State,
    /// Where in the journal its refund stands, if it does.
    pub refunded_at: Option<u64>,
    pub spent: Option<Spent>,
    /// Whether its buyer's bank has its money.
    pub disputed: bool,
}

impl Store {
    /// Reads orders, in no particular order; those that do not exist are left out.
    pub(crate) async fn load(&self, orders: &[OrderId]) -> Result<Vec<Order>, Error> {
        let query = sqlx::query(
            "SELECT o.order_id, o.event_id, o.account_id, o.method, o.state, o.attempt, o.token,
                 o.amount,
                 o.currency::TEXT AS currency, o.payment_deadline,
                 o.line_seat, o.line_area, o.line_level, o.line_price,
                 ARRAY(SELECT DISTINCT area FROM unnest(o.line_area) AS area WHERE 0 <= area)
                     AS areas,
                 o.sold_at IS NOT NULL AS sold, o.captured_at IS NOT NULL AS captured,
                 CASE WHEN o.state = 'review_needed' THEN o.reason END AS review,
                 t.provider, t.provider_id, q.part, q.line,
                 ARRAY(SELECT p.line FROM order_part p
                     WHERE p.order_id = o.order_id AND p.state = 'refunded') AS gone
             FROM orders o LEFT JOIN payment_attempt t USING (order_id, attempt)
             LEFT JOIN order_part q ON q.order_id = o.order_id AND q.state = 'refunding'
             WHERE o.order_id = ANY($1)",
        );
        let ids: Vec<Uuid> = orders.iter().map(|&order| uuid_of(order)).collect();
        let rows = in_time("read orders", query.bind(ids).fetch_all(&self.pool)).await?;
        Ok(rows.iter().map(order_of_row).collect())
    }

    /// How the way back of an order's money stands.
    pub(crate) async fn refund_of(&self, order: OrderId) -> Result<Option<WayBack>, Error> {
        let query = sqlx::query(
            "SELECT o.account_id, o.state, x.done_sequence, s.is_in,
                 EXISTS (SELECT FROM disputed_order d WHERE d.order_id = o.order_id) AS disputed
             FROM orders o
             LEFT JOIN outbox x ON x.order_id = o.order_id AND x.attempt = o.attempt
                 AND x.kind = 'refunded'
             LEFT JOIN LATERAL (SELECT bool_or(is_in) AS is_in FROM spent_ticket
                 WHERE order_id = o.order_id) s ON true
             WHERE o.order_id = $1",
        );
        let query = query.bind(uuid_of(order));
        let row = in_time("read an order", query.fetch_optional(&self.pool)).await?;
        Ok(row.map(|row| {
            let sequence: Option<i64> = row.get("done_sequence");
            let account: Uuid = row.get("account_id");
            let is_in: Option<bool> = row.get("is_in");
            WayBack {
                account: AccountId(account.as_u128()),
                state: state_of(row.get("state")),
                refunded_at: sequence.map(i64::unsigned_abs),
                spent: is_in.map(|is_in| if is_in { Spent::In } else { Spent::Given }),
                disputed: row.get("disputed"),
            }
        }))
    }
}

fn line_of(line: i32) -> u16 {
    u16::try_from(line).expect("an order has at most 4,096 lines")
}

fn part_of(row: &PgRow) -> Option<Part> {
    let (part, line): (Option<i32>, Option<i32>) = (row.get("part"), row.get("line"));
    let (number, line) = (part?.unsigned_abs(), line_of(line?));
    let (seats, areas): (Vec<i32>, Vec<i32>) = (row.get("line_seat"), row.get("line_area"));
    let area = |area: i32| AreaIdx(u16::try_from(area).expect("stored from an AreaIdx"));
    let place = match u32::try_from(seats[usize::from(line)]) {
        Ok(seat) => Place::Seat(SeatIdx(seat)),
        Err(_) => Place::Area(area(areas[usize::from(line)])),
    };
    Some(Part { number, line, place })
}

fn order_of_row(row: &PgRow) -> Order {
    let number = |column: &str| {
        let value: i32 = row.get(column);
        u32::try_from(value).expect("the table allows no negative counts")
    };
    let currency: &str = row.get("currency");
    let currency = currency.parse().expect("stored from a Currency");
    let areas: Vec<i32> = row.get("areas");
    let area_of = |area: i32| AreaIdx(u16::try_from(area).expect("stored from an AreaIdx"));
    let event: &str = row.get("event_id");
    let (levels, prices): (Vec<i32>, Vec<i64>) = (row.get("line_level"), row.get("line_price"));
    let level_of = |level: i32| u8::try_from(level).expect("a level is below 32");
    let prices: Vec<(u8, i64)> = levels.into_iter().map(level_of).zip(prices).collect();
    Order {
        id: super::order_of(row.get("order_id")),
        event: event.parse().expect("stored from an EventId"),
        state: state_of(row.get("state")),
        attempt: number("attempt"),
        token: row.get("token"),
        total: Money::new(row.get("amount"), currency),
        payer: payer_of(row.get("method"), AccountId(row.get::<Uuid, _>("account_id").as_u128())),
        line_count: u16::try_from(prices.len()).expect("at most 4,096 places"),
        prices,
        areas: areas.into_iter().map(area_of).collect(),
        payment_deadline: time_of(row.get("payment_deadline")),
        payment: row.get("provider_id"),
        provider: row.get("provider"),
        untouched: false,
        sold: row.get("sold"),
        captured: row.get("captured"),
        review: row.get("review"),
        gone: row.get::<Vec<i32>, _>("gone").into_iter().map(line_of).collect(),
        part: part_of(row),
        trace: None,
    }
}
