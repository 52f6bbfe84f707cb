//! Tickets that are paid back alone: parts of their orders.

use super::booking::Bookings;
use super::sell::booked_sales;
use super::{Answered, Spent, Store, millis, order_of, state_of, uuid_of};
use crate::config::{VERDICT_AGAIN_MS, VERDICTS_AT_ONCE_MAX};
use crate::error::{Error, in_time};
use crate::order::Part;
use chassis::clock;
use schema::{AccountId, AreaIdx, OrderId, SeatIdx, TicketId};
use settlement_core::{PartRecord, Place, Posting, State, part_command};
use sqlx::{PgPool, Row, postgres::PgRow};
use uuid::Uuid;

/// The parts in the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a>(pub &'a PgPool);

/// How far a ticket has come that is paid back alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alone {
    /// It is not.
    No,
    /// Its money is on the way, or its owner has not answered.
    Underway,
    /// Its place is free since there in the journal.
    Back { sequence: u64 },
}

/// A ticket whose money somebody wants back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TicketBack {
    /// Who has bought it.
    pub account: AccountId,
    /// Of its order.
    pub state: State,
    /// Whether it was ever issued.
    pub exists: bool,
    pub spent: Option<Spent>,
    /// Whether its buyer's bank has money of its order.
    pub disputed: bool,
    pub alone: Alone,
    /// How many parts of its order there are.
    pub parts: u32,
    /// How many tickets of its order are valid.
    pub valid: i64,
}

impl Parts<'_> {
    /// Begins the next part of an order; `parts` is how many it had when it was read. `false` if
    /// the order is not as it was, or a part before has not come to its end.
    pub(crate) async fn begin(self, ticket: TicketId, parts: u32) -> Result<bool, Error> {
        let part = parts + 1;
        let command = part_command(ticket.order, part);
        let query = sqlx::query_scalar("SELECT part_begin($1, $2, $3, $4, $5)");
        let query = query
            .bind(uuid_of(ticket.order))
            .bind(number_of(part))
            .bind(i32::from(ticket.line))
            .bind(Uuid::from_u128(command.0))
            .bind(millis(clock::now()));
        in_time("begin a part", query.fetch_one(self.0)).await
    }

    /// What of an order's sale no part has given back, while this one is on the way. `None` if it
    /// is not any more.
    pub(crate) async fn left(self, order: OrderId, part: &Part) -> Result<Option<Posting>, Error> {
        let mut sales = booked_sales(self.0, &[order]).await?;
        // Behind it: nothing is booked while a part is on the way.
        let query = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM order_part
             WHERE order_id = $1 AND part = $2 AND state = 'refunding')",
        );
        let query = query.bind(uuid_of(order)).bind(number_of(part.number));
        let is_open: bool = in_time("look at a part", query.fetch_one(self.0)).await?;
        let left = sales.remove(&order).ok_or(Error::SaleUnbooked { order })?;
        Ok(is_open.then_some(left))
    }

    /// Books a part whose money is back. `false` if somebody else has, or the order is not Paid any
    /// more.
    pub(crate) async fn finish(
        self,
        order: OrderId,
        part: &Part,
        postings: &[Posting],
    ) -> Result<bool, Error> {
        let mut bookings = Bookings::default();
        bookings.push(order, postings);
        let now = millis(clock::now());
        let query = sqlx::query("SELECT part_finish($1, $2, $3, $4, $5, $6, $7, $8) AS finished");
        let query = query.bind(uuid_of(order)).bind(number_of(part.number));
        let query = bookings.bind_entries(query).bind(now).bind(now + VERDICT_AGAIN_MS);
        let row = in_time("book a part", query.fetch_one(self.0)).await?;
        Ok(row.get("finished"))
    }

    /// Takes parts that the owner is due to hear of again; they are due once more a second later.
    pub(crate) async fn due(self) -> Result<Vec<PartRecord>, Error> {
        let query = sqlx::query(
            "UPDATE order_part p SET send_at = $1 + $2 FROM ticket t
             WHERE t.order_id = p.order_id AND t.line = p.line AND (p.order_id, p.part) IN (
                 SELECT order_id, part FROM order_part
                 WHERE done_at IS NULL AND send_at <= $1
                 ORDER BY send_at LIMIT $3 FOR UPDATE SKIP LOCKED)
             RETURNING p.order_id, p.part, t.event_id, t.seat_idx, t.area_idx",
        );
        let at_once = i64::try_from(VERDICTS_AT_ONCE_MAX).expect("a small number");
        let query = query.bind(millis(clock::now())).bind(VERDICT_AGAIN_MS).bind(at_once);
        let rows = in_time("take due parts", query.fetch_all(self.0)).await?;
        Ok(rows.iter().map(record_of).collect())
    }

    /// Marks parts as done whose answers have been read back, and makes due what somebody listens
    /// for. Locks them in the order of their keys, as `outbox_close` does.
    pub(crate) async fn close(self, answers: &[Answered]) -> Result<(), Error> {
        let query = sqlx::query(
            "WITH locked AS (
                 SELECT p.order_id, p.part, a.sequence, a.refusal
                 FROM unnest($1::UUID[], $2::BIGINT[], $3::TEXT[])
                     AS a(command_id, sequence, refusal)
                 JOIN order_part p ON p.command_id = a.command_id
                 -- Not `IS NULL`: for that the index of what is undone would be read as a whole.
                 WHERE coalesce(p.done_at, -1) = -1 AND p.state = 'refunded'
                 ORDER BY p.order_id, p.part FOR UPDATE OF p
             ), closed AS (
                 UPDATE order_part p
                 SET done_at = $4, done_sequence = l.sequence, answer = l.refusal
                 FROM locked l WHERE p.order_id = l.order_id AND p.part = l.part
                 RETURNING p.order_id, p.part, p.answer
             )
             INSERT INTO webhook_due (order_id, attempt, kind, part)
             SELECT c.order_id, o.attempt, 'ticket_refunded', c.part
             FROM closed c JOIN orders o USING (order_id)
             WHERE c.answer IS NULL AND EXISTS (SELECT FROM webhook_endpoint WHERE is_active)
             ON CONFLICT DO NOTHING",
        );
        let sequence = |sequence: u64| i64::try_from(sequence).expect("fewer than 2^63 messages");
        let query = query
            .bind(answers.iter().map(|a| Uuid::from_u128(a.command.0)).collect::<Vec<_>>())
            .bind(answers.iter().map(|a| sequence(a.sequence)).collect::<Vec<_>>())
            .bind(answers.iter().map(|a| a.refusal).collect::<Vec<_>>())
            .bind(millis(clock::now()));
        in_time("close parts", query.execute(self.0)).await.map(drop)
    }
}

impl Store {
    /// How the way back of a ticket's money stands. `None` without its order.
    pub(crate) async fn ticket_back(&self, ticket: TicketId) -> Result<Option<TicketBack>, Error> {
        let query = sqlx::query(
            "SELECT o.account_id, o.state, t.order_id IS NOT NULL AS exists, s.is_in,
                 p.part IS NOT NULL AS is_part, p.done_sequence,
                 EXISTS (SELECT FROM disputed_order d WHERE d.order_id = o.order_id) AS disputed,
                 (SELECT count(*) FROM order_part WHERE order_id = o.order_id)::INT AS parts,
                 (SELECT count(*) FROM ticket WHERE order_id = o.order_id AND state = 'valid')
                     AS valid
             FROM orders o LEFT JOIN ticket t ON t.order_id = o.order_id AND t.line = $2
             LEFT JOIN spent_ticket s ON s.order_id = o.order_id AND s.line = $2
             LEFT JOIN order_part p ON p.order_id = o.order_id AND p.line = $2
             WHERE o.order_id = $1",
        );
        let query = query.bind(uuid_of(ticket.order)).bind(i32::from(ticket.line));
        let row = in_time("read a ticket's way back", query.fetch_optional(&self.pool)).await?;
        Ok(row.map(|row| {
            let account: Uuid = row.get("account_id");
            let is_in: Option<bool> = row.get("is_in");
            let sequence: Option<i64> = row.get("done_sequence");
            let parts: i32 = row.get("parts");
            TicketBack {
                account: AccountId(account.as_u128()),
                state: state_of(row.get("state")),
                exists: row.get("exists"),
                spent: is_in.map(|is_in| if is_in { Spent::In } else { Spent::Given }),
                disputed: row.get("disputed"),
                alone: match (row.get("is_part"), sequence) {
                    (false, _) => Alone::No,
                    (true, None) => Alone::Underway,
                    (true, Some(sequence)) => Alone::Back { sequence: sequence.unsigned_abs() },
                },
                parts: parts.unsigned_abs(),
                valid: row.get("valid"),
            }
        }))
    }
}

fn number_of(part: u32) -> i32 {
    i32::try_from(part).expect("an order has at most 4,096 tickets")
}

fn record_of(row: &PgRow) -> PartRecord {
    let (seat, area): (Option<i32>, Option<i32>) = (row.get("seat_idx"), row.get("area_idx"));
    let place = match (seat, area) {
        (Some(seat), _) => Place::Seat(SeatIdx(seat.unsigned_abs())),
        (None, area) => {
            let area = area.expect("a ticket is of a seat or of an area");
            Place::Area(AreaIdx(u16::try_from(area).expect("stored from an AreaIdx")))
        }
    };
    let (event, part): (&str, i32) = (row.get("event_id"), row.get("part"));
    PartRecord {
        order: order_of(row.get("order_id")),
        event: event.parse().expect("stored from an EventId"),
        part: part.unsigned_abs(),
        place,
    }
}
