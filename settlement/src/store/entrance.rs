//! Tickets at the entrances, and tickets that change hands.

use super::{Store, millis, order_of, time_of, uuid_of};
use crate::error::{Error, in_time};
use chassis::idempotency::{self, Claim, Kept};
use chassis::{clock, outside};
use schema::{
    AccountId, AreaIdx, CheckIn, EventId, Found, Receipt, Scanned, SeatIdx, TicketId,
    TransferTicket, UnixMillis,
};
use sqlx::{PgExecutor, Row, postgres::PgRow};
use std::collections::HashMap;
use uuid::Uuid;

/// A scan whose code's signature holds.
#[derive(Debug, Clone)]
pub(crate) struct Genuine {
    /// Which of the scans it is.
    pub place: usize,
    pub ticket: TicketId,
    pub issue: u8,
    pub scan: [u8; 16],
    pub at: UnixMillis,
}

/// Why a booking cannot be paid back any more: a ticket of it is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spent {
    /// It was used.
    In,
    /// It is somebody else's.
    Given,
}

/// A ticket, and whose it is.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub event: EventId,
    pub account: AccountId,
    /// Who has given it to the account, if it was not bought.
    pub given_by: Option<AccountId>,
    pub issue: u8,
    pub is_valid: bool,
    pub is_in: bool,
}

/// What has become of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    /// It is made, and its receipt is kept.
    Yes,
    /// The ticket is not as it was read any more.
    Changed,
    /// Somebody else has the asker's key now; nothing is done.
    KeyLost,
}

impl Store {
    /// Which events tickets are of; those that do not exist are left out.
    pub(crate) async fn events_of_tickets(
        &self,
        tickets: &[TicketId],
    ) -> Result<HashMap<TicketId, EventId>, Error> {
        let query = sqlx::query(
            "SELECT t.order_id, t.line, t.event_id
             FROM unnest($1::UUID[], $2::INT[]) AS s(order_id, line)
             JOIN ticket t USING (order_id, line)",
        );
        let query = query
            .bind(tickets.iter().map(|ticket| uuid_of(ticket.order)).collect::<Vec<_>>())
            .bind(tickets.iter().map(|ticket| i32::from(ticket.line)).collect::<Vec<_>>());
        let rows = in_time("read the events of tickets", query.fetch_all(&self.pool)).await?;
        let of_row = |row: &PgRow| {
            let line: i32 = row.get("line");
            let line = u16::try_from(line).expect("an order has at most 4,096 lines");
            let ticket = TicketId { order: order_of(row.get("order_id")), line };
            (ticket, event_of(row))
        };
        Ok(rows.iter().map(of_row).collect())
    }

    /// Records who is let in, in one commit, and says what each scan has found.
    pub(crate) async fn check_in(
        &self,
        at: &CheckIn,
        scans: &[Genuine],
    ) -> Result<Vec<Scanned>, Error> {
        if scans.is_empty() {
            return Ok(Vec::new());
        }
        let query = sqlx::query(
            "SELECT c.found, c.scanned_at, c.entrance, t.seat_idx, t.area_idx
             FROM check_in($1, $2, $3, $4, $5, $6, $7, $8, $9) c
             JOIN unnest($1, $2) WITH ORDINALITY AS s(order_id, line, place) USING (place)
             LEFT JOIN ticket t ON t.order_id = s.order_id AND t.line = s.line
             ORDER BY c.place",
        );
        let query = query
            .bind(scans.iter().map(|scan| uuid_of(scan.ticket.order)).collect::<Vec<_>>())
            .bind(scans.iter().map(|scan| i32::from(scan.ticket.line)).collect::<Vec<_>>())
            .bind(scans.iter().map(|scan| i32::from(scan.issue)).collect::<Vec<_>>())
            .bind(scans.iter().map(|scan| Uuid::from_bytes(scan.scan)).collect::<Vec<_>>())
            .bind(scans.iter().map(|scan| millis(scan.at)).collect::<Vec<_>>())
            .bind(at.event.as_str())
            .bind(at.entrance.as_str())
            .bind(Uuid::from_u128(at.account.0))
            .bind(millis(clock::now()));
        let rows = in_time("check tickets in", query.fetch_all(&self.pool)).await?;
        Ok(rows.iter().zip(scans).map(|(row, scan)| scanned(row, scan.ticket)).collect())
    }

    /// A ticket and its holder.
    pub(crate) async fn held(&self, ticket: TicketId) -> Result<Option<Held>, Error> {
        let query = sqlx::query(
            "SELECT t.event_id, t.account_id, t.issue, r.from_account,
                 t.state = 'valid' AND o.state <> 'refunding' AS is_valid,
                 c.order_id IS NOT NULL AS is_in
             FROM ticket t JOIN orders o USING (order_id)
             LEFT JOIN checkin c USING (order_id, line)
             LEFT JOIN ticket_transfer r USING (order_id, line, issue)
             WHERE t.order_id = $1 AND t.line = $2",
        );
        let query = query.bind(uuid_of(ticket.order)).bind(i32::from(ticket.line));
        let row = in_time("read a ticket", query.fetch_optional(&self.pool)).await?;
        Ok(row.map(|row| {
            let account = |uuid: Uuid| AccountId(uuid.as_u128());
            let issue: i16 = row.get("issue");
            Held {
                event: event_of(&row),
                account: account(row.get("account_id")),
                given_by: row.get::<Option<Uuid>, _>("from_account").map(account),
                issue: u8::try_from(issue).expect("the table allows 0 to 255"),
                is_valid: row.get("is_valid"),
                is_in: row.get("is_in"),
            }
        }))
    }

    /// Gives a ticket away if nothing has changed since it was read, and keeps the receipt in the
    /// same commit.
    pub(crate) async fn transfer(
        &self,
        wanted: &TransferTicket,
        issue: u8,
        code: String,
    ) -> Result<Given, Error> {
        let query = sqlx::query_scalar("SELECT ticket_transfer($1, $2, $3, $4, $5, $6, $7)");
        let query = query
            .bind(uuid_of(wanted.ticket.order))
            .bind(i32::from(wanted.ticket.line))
            .bind(i32::from(issue) - 1)
            .bind(Uuid::from_u128(wanted.from.0))
            .bind(Uuid::from_u128(wanted.to.0))
            .bind(code)
            .bind(millis(clock::now()));
        let giving = async {
            let mut tx = outside("begin a transfer", self.pool.begin()).await?;
            let given: bool = outside("give a ticket", query.fetch_one(&mut *tx)).await?;
            if !given {
                return Ok(Given::Changed);
            }
            let kept = keep(&mut *tx, wanted.receipt.as_ref());
            if !outside("keep the receipt of a transfer", kept).await? {
                return Ok(Given::KeyLost);
            }
            outside("commit a transfer", tx.commit()).await?;
            Ok(Given::Yes)
        };
        in_time("transfer a ticket", giving).await
    }

    /// Keeps the receipt of what was done before. `false` if the key is somebody else's now.
    pub(crate) async fn keep(&self, receipt: Option<&Receipt>) -> Result<bool, Error> {
        in_time("keep a receipt", keep(&self.pool, receipt)).await
    }
}

async fn keep(tx: impl PgExecutor<'_>, receipt: Option<&Receipt>) -> Result<bool, sqlx::Error> {
    let Some(Receipt { key, attempt, status, body }) = receipt else { return Ok(true) };
    let claim = Claim { key: *key, attempt: *attempt };
    idempotency::finish(tx, &claim, &Kept { status: *status, body: body.to_string() }).await
}

fn scanned(row: &PgRow, ticket: TicketId) -> Scanned {
    let found = match row.get("found") {
        "admitted" => Found::Admitted,
        "duplicate" => {
            let entrance: &str = row.get("entrance");
            Found::Duplicate { at: time_of(row.get("scanned_at")), entrance: entrance.into() }
        }
        "void" => Found::Void,
        "other_event" => Found::OtherEvent,
        _ => Found::Forged,
    };
    let seat: Option<i32> = row.get("seat_idx");
    let area: Option<i32> = row.get("area_idx");
    Scanned {
        ticket: Some(ticket),
        seat: seat.map(|seat| SeatIdx(u32::try_from(seat).expect("stored from a SeatIdx"))),
        area: area.map(|area| AreaIdx(u16::try_from(area).expect("stored from an AreaIdx"))),
        found,
    }
}

fn event_of(row: &PgRow) -> EventId {
    let event: &str = row.get("event_id");
    event.parse().expect("stored from an EventId")
}
