//! The outbox: verdicts that the owner of the seats has not been heard to take in.

use super::{Announced, Store, attempt_of, millis, order_of, state_of, uuid_of};
use crate::config::{VERDICT_AGAIN_MS, VERDICTS_AT_ONCE_MAX};
use crate::error::{Error, in_time};
use chassis::clock;
use schema::{CommandId, OrderId};
use settlement_core::{VerdictRecord, command_id, kind_from_text, kind_text, verdict_of};
use sqlx::{PgPool, Row, postgres::PgRow};
use uuid::Uuid;

/// The outbox of a store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outbox<'a>(pub &'a Store);

/// The owner's answer to a verdict, read back from the journal.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub command: CommandId,
    pub sequence: u64,
    /// The code of a refusal: the seats are not what we think they are.
    pub refusal: Option<&'static str>,
}

impl Outbox<'_> {
    /// Takes verdicts that are due to be sent again; they are due once more a second later.
    pub(crate) async fn due(self) -> Result<Vec<VerdictRecord>, Error> {
        let query = sqlx::query(
            "SELECT order_id, event_id, attempt, kind, round FROM outbox_due($1, $2, $3)",
        );
        let at_once = i64::try_from(VERDICTS_AT_ONCE_MAX).expect("a small number");
        let query = query.bind(millis(clock::now())).bind(VERDICT_AGAIN_MS).bind(at_once);
        let rows = in_time("take due verdicts", query.fetch_all(&self.0.pool)).await?;
        Ok(rows.iter().map(record_of).collect())
    }

    /// Opens the verdicts of payments that the owner announces although it has had the verdict.
    ///
    /// The next round is another command: the old one would only be answered from memory. An order
    /// that has a verdict still on its way, or none yet, needs nothing. Of orders under review only
    /// those have one that sold nothing and have nothing left to do.
    pub(crate) async fn reopen(self, announced: &[Announced]) -> Result<(), Error> {
        let query = sqlx::query(
            "SELECT o.order_id, o.state, o.attempt, o.event_id, coalesce(max(x.round), -1) AS round
             FROM unnest($1::UUID[], $2::INT[], $3::BIGINT[]) AS a(order_id, attempt, sequence)
             JOIN orders o ON o.order_id = a.order_id AND a.attempt <= o.attempt
             LEFT JOIN outbox x ON x.order_id = o.order_id AND x.attempt = o.attempt
             WHERE o.state IN ('declined', 'cancelled', 'paid', 'refunding', 'refunded')
                 OR (o.state = 'review_needed' AND NOT o.todo AND o.sold_at IS NULL)
             GROUP BY o.order_id, a.sequence
             HAVING coalesce(bool_and(x.done_at IS NOT NULL), true)
                 AND coalesce(max(x.done_sequence), -1) < a.sequence",
        );
        let orders = announced.iter().map(|a| uuid_of(OrderId::from(a.payment.held.hold)));
        let query = query
            .bind(orders.collect::<Vec<_>>())
            .bind(announced.iter().map(|a| attempt_of(a.payment.attempt)).collect::<Vec<_>>())
            .bind(announced.iter().map(|a| sequence_of(a.sequence)).collect::<Vec<_>>());
        let rows = in_time("find forgotten verdicts", query.fetch_all(&self.0.pool)).await?;
        for row in &rows {
            self.next_round(row).await?;
        }
        Ok(())
    }

    async fn next_round(self, row: &PgRow) -> Result<(), Error> {
        let state = state_of(row.get("state"));
        let kind = verdict_of(state, true).expect("only orders with a verdict are asked for");
        let (attempt, round): (i32, i32) = (row.get("attempt"), row.get("round"));
        let order = order_of(row.get("order_id"));
        let number = |count: i32| u32::try_from(count).expect("counted from 0");
        let command = command_id(order, number(attempt), kind, number(round + 1));
        tracing::warn!(%order, kind = kind_text(kind), round = round + 1, "verdict told anew");
        let query = sqlx::query(
            "INSERT INTO outbox AS x (order_id, attempt, kind, round, command_id, event_id,
                 created_at, send_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
             ON CONFLICT (order_id, attempt, kind) DO UPDATE SET round = EXCLUDED.round,
                 command_id = EXCLUDED.command_id, send_at = EXCLUDED.send_at,
                 done_at = NULL, done_sequence = NULL, answer = NULL
             WHERE x.round < EXCLUDED.round",
        );
        let query = query
            .bind(uuid_of(order))
            .bind(attempt)
            .bind(kind_text(kind))
            .bind(round + 1)
            .bind(Uuid::from_u128(command.0))
            .bind(row.get::<String, _>("event_id"))
            .bind(millis(clock::now()));
        in_time("open a verdict again", query.execute(&self.0.pool)).await?;
        Ok(())
    }
}

pub(super) async fn commit_closings(pool: &PgPool, answers: &[Answered]) -> Result<Vec<()>, Error> {
    let query = sqlx::query("SELECT outbox_close($1, $2, $3, $4)");
    let query = query
        .bind(answers.iter().map(|a| Uuid::from_u128(a.command.0)).collect::<Vec<_>>())
        .bind(answers.iter().map(|a| sequence_of(a.sequence)).collect::<Vec<_>>())
        .bind(answers.iter().map(|a| a.refusal).collect::<Vec<_>>())
        .bind(millis(clock::now()));
    in_time("close verdicts", query.execute(pool)).await?;
    Ok(vec![(); answers.len()])
}

fn sequence_of(sequence: u64) -> i64 {
    i64::try_from(sequence).expect("a stream has fewer than 2^63 messages")
}

fn record_of(row: &PgRow) -> VerdictRecord {
    let number = |column: &str| {
        let value: i32 = row.get(column);
        u32::try_from(value).expect("counted from 0")
    };
    let event: &str = row.get("event_id");
    VerdictRecord {
        order: order_of(row.get("order_id")),
        event: event.parse().expect("stored from an EventId"),
        attempt: number("attempt"),
        kind: kind_from_text(row.get("kind")).expect("the table allows known kinds only"),
        round: number("round"),
    }
}
