//! Late money's claims to places.

use super::{Announced, Lease, Store, millis, order_of, start, uuid_of};
use crate::config::{VERDICT_AGAIN_MS, VERDICTS_AT_ONCE_MAX};
use crate::error::{Error, in_time};
use crate::provider::Listed;
use chassis::clock;
use schema::{AccountId, AreaIdx, CommandId, HoldId, OrderId, SeatIdx};
use settlement_core::{Claim, Line, Place, ReseatRecord, Rung, reseat_ids};
use sqlx::{PgPool, Row, postgres::PgRow};
use uuid::Uuid;

/// The claims in the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reseats<'a>(pub &'a PgPool);

/// The owner of the places has none for late money.
#[derive(Debug, Clone)]
pub(crate) struct NoPlaces {
    pub command: CommandId,
    /// The code of why.
    pub why: &'static str,
}

impl Reseats<'_> {
    /// Lets late money ask for the places of its order, if none has. Says how far it has come.
    pub(crate) async fn ask(
        self,
        provider: &'static str,
        payment: &Listed,
    ) -> Result<Claim, Error> {
        let now = clock::now();
        let (hold, command) = reseat_ids(provider, &payment.id, payment.order, now);
        let query =
            sqlx::query("SELECT rung, is_over FROM reseat_ask($1, $2, $3, $4, $5, $6, $7, $8)");
        let query = query
            .bind(provider)
            .bind(&payment.id)
            .bind(uuid_of(payment.order))
            .bind(payment.amount.amount)
            .bind(payment.amount.currency.to_string())
            .bind(Uuid::from_u128(hold.0))
            .bind(Uuid::from_u128(command.0))
            .bind(millis(now));
        let row = in_time("ask for places", query.fetch_optional(self.0)).await?;
        let Some(row) = row else { return Ok(Claim::Barred) };
        let rung: Option<&str> = row.get("rung");
        Ok(match rung.map(rung_of) {
            None => Claim::Asked,
            Some(Rung::SameSeats | Rung::EqualSeats) if row.get("is_over") => Claim::Ended,
            Some(rung) => Claim::Decided(rung),
        })
    }

    /// Takes claims that are due to be sent to the owner; they are due once more a second later.
    pub(crate) async fn due(self) -> Result<Vec<ReseatRecord>, Error> {
        let query = sqlx::query(
            "UPDATE reseat r SET send_at = $1 + $2 FROM orders o
             WHERE o.order_id = r.order_id AND r.order_id IN (
                 SELECT order_id FROM reseat WHERE rung IS NULL AND send_at <= $1
                 ORDER BY send_at LIMIT $3 FOR UPDATE SKIP LOCKED)
             RETURNING r.order_id, r.hold_id, r.command_id, o.event_id, o.account_id,
                 o.currency::TEXT AS currency, o.line_seat, o.line_area, o.line_level,
                 o.line_price",
        );
        let at_once = i64::try_from(VERDICTS_AT_ONCE_MAX).expect("a small number");
        let query = query.bind(millis(clock::now())).bind(VERDICT_AGAIN_MS).bind(at_once);
        let rows = in_time("take due claims to places", query.fetch_all(self.0)).await?;
        Ok(rows.iter().map(record_of).collect())
    }

    /// Notes that there are no places for late money: it goes back. Locks the claims in the order
    /// of their holds, as `reseat_start` does.
    pub(crate) async fn refuse(self, refused: &[NoPlaces]) -> Result<(), Error> {
        let query = sqlx::query(
            "WITH locked AS (
                 SELECT r.hold_id, a.why FROM unnest($1::UUID[], $2::TEXT[]) AS a(command_id, why)
                 JOIN reseat r ON r.command_id = a.command_id
                 WHERE r.rung IS NULL ORDER BY r.hold_id FOR UPDATE OF r
             )
             UPDATE reseat r SET rung = 'refund', reason = l.why, answered_at = $3
             FROM locked l WHERE r.hold_id = l.hold_id",
        );
        let commands = refused.iter().map(|refused| Uuid::from_u128(refused.command.0));
        let query = query
            .bind(commands.collect::<Vec<_>>())
            .bind(refused.iter().map(|refused| refused.why).collect::<Vec<_>>())
            .bind(millis(clock::now()));
        in_time("refuse late money", query.execute(self.0)).await.map(drop)
    }

    /// Which rungs the money has come to that has bought these orders.
    pub(crate) async fn rungs(self, bought: &[OrderId]) -> Result<Vec<Rung>, Error> {
        let query =
            sqlx::query("SELECT rung FROM reseat WHERE hold_id = ANY($1) AND rung IS NOT NULL");
        let ids: Vec<Uuid> = bought.iter().map(|&order| uuid_of(order)).collect();
        let rows = in_time("read rungs", query.bind(ids).fetch_all(self.0)).await?;
        Ok(rows.iter().map(|row| rung_of(row.get("rung"))).collect())
    }
}

impl Store {
    /// Starts the orders that late money has places for, each with its payment. Returns those that
    /// are new to us; they are leased to us.
    pub(crate) async fn start_late(
        &self,
        announced: &[Announced],
        provider: &'static str,
        lease: Lease,
    ) -> Result<Vec<OrderId>, Error> {
        let announced: Vec<&Announced> = announced.iter().collect();
        let starting = start::Starting::Late;
        let fresh = start::insert(&self.pool, starting, provider, &announced, lease).await?;
        Ok(fresh.into_iter().collect())
    }
}

fn rung_of(text: &str) -> Rung {
    Rung::from_text(text).expect("the table allows known rungs only")
}

fn record_of(row: &PgRow) -> ReseatRecord {
    let (seats, areas): (Vec<i32>, Vec<i32>) = (row.get("line_seat"), row.get("line_area"));
    let (levels, prices): (Vec<i32>, Vec<i64>) = (row.get("line_level"), row.get("line_price"));
    let place = |(seat, area): (i32, i32)| match u32::try_from(seat) {
        Ok(seat) => Place::Seat(SeatIdx(seat)),
        Err(_) => Place::Area(AreaIdx(u16::try_from(area).expect("stored from an AreaIdx"))),
    };
    let places = seats.into_iter().zip(areas).map(place);
    let lines = places.zip(levels).zip(prices).map(|((place, level), price)| Line {
        place,
        price_level: u8::try_from(level).expect("a level is below 32"),
        price,
    });
    let (hold, command): (Uuid, Uuid) = (row.get("hold_id"), row.get("command_id"));
    let (event, currency): (&str, &str) = (row.get("event_id"), row.get("currency"));
    ReseatRecord {
        order: order_of(row.get("order_id")),
        event: event.parse().expect("stored from an EventId"),
        account: AccountId(row.get::<Uuid, _>("account_id").as_u128()),
        currency: currency.parse().expect("stored from a Currency"),
        lines: lines.collect(),
        hold: HoldId(hold.as_u128()),
        command: CommandId(command.as_u128()),
    }
}
