//! Messages for those who listen to bookings: made of closed verdicts and parts, taken, and done
//! with.

use super::{Store, millis, order_of, time_of, uuid_of};
use crate::error::{Error, in_time};
use chassis::clock;
use schema::{AccountId, EventId, OrderId, TicketId, UnixMillis};
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

/// The messages of a store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Webhooks<'a>(pub &'a Store);

/// A verdict or a part that the journal has, and that nobody was told of yet.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    pub order: OrderId,
    pub event: EventId,
    attempt: i32,
    kind: String,
    /// 0 for a verdict.
    part: i32,
    /// Of a part.
    ticket: Option<TicketId>,
}

/// A message that is to be sent now.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub id: Uuid,
    pub endpoint: Uuid,
    pub body: String,
    /// This one included.
    pub tries: u32,
    pub url: String,
    pub secret_number: u32,
    /// When the secret before was replaced.
    pub rotated_at: UnixMillis,
}

/// What has become of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Delivered {
        status: u16,
    },
    /// Again at a time, or never.
    Failed {
        status: Option<u16>,
        error: String,
        again_at: Option<UnixMillis>,
    },
    /// Nobody is there any more, and says so: nothing more is sent there.
    Gone,
}

impl Webhooks<'_> {
    /// Verdicts and parts whose messages may be made, `most` at most and none of the events
    /// `without`.
    pub(crate) async fn ready(self, without: Vec<&str>, most: i64) -> Result<Vec<Ready>, Error> {
        let query = sqlx::query(
            "SELECT order_id, attempt, kind, part, line, event_id FROM webhook_ready
             WHERE event_id <> ALL($1) ORDER BY done_at, done_sequence LIMIT $2",
        );
        let rows = query.bind(without).bind(most).fetch_all(&self.0.pool);
        let rows = in_time("read what is to be told", rows).await?;
        Ok(rows.iter().map(ready_of).collect())
    }

    /// Makes the messages of verdicts and parts, each with the promoter of its event. Repeating it
    /// is harmless. Says how many there are.
    pub(crate) async fn expand(self, told: &[(Ready, Option<AccountId>)]) -> Result<i64, Error> {
        let query = sqlx::query_scalar("SELECT webhooks_expand($1, $2, $3, $4, $5, $6, $7, $8)");
        let ready = || told.iter().map(|(ready, _)| ready);
        let ticket = |ready: &Ready| ready.ticket.map(|ticket| ticket.to_string());
        let party = |(_, party): &(Ready, Option<AccountId>)| party.map(|p| Uuid::from_u128(p.0));
        let query = query
            .bind(ready().map(|ready| uuid_of(ready.order)).collect::<Vec<_>>())
            .bind(ready().map(|ready| ready.attempt).collect::<Vec<_>>())
            .bind(ready().map(|ready| ready.kind.as_str()).collect::<Vec<_>>())
            .bind(ready().map(|ready| ready.part).collect::<Vec<_>>())
            .bind(told.iter().map(party).collect::<Vec<_>>())
            .bind(ready().map(|ready| ready.order.to_string()).collect::<Vec<_>>())
            .bind(ready().map(ticket).collect::<Vec<_>>())
            .bind(millis(clock::now()));
        in_time("make messages", query.fetch_one(&self.0.pool)).await
    }

    /// Takes up to `most` due messages, `each` of an endpoint at most and none of those that are
    /// `busy`; they are due again at `again`.
    pub(crate) async fn take(
        self,
        busy: Vec<Uuid>,
        each: i64,
        most: i64,
        again: UnixMillis,
    ) -> Result<Vec<Message>, Error> {
        let query = sqlx::query(
            "SELECT m.message_id, m.endpoint_id, m.body, m.tries, e.url, e.secret_number,
                 e.rotated_at
             FROM webhooks_take($1, $2, $3, $4, $5) m JOIN webhook_endpoint e USING (endpoint_id)",
        );
        let query =
            query.bind(busy).bind(each).bind(most).bind(millis(clock::now())).bind(millis(again));
        let rows = in_time("take messages", query.fetch_all(&self.0.pool)).await?;
        Ok(rows.iter().map(message_of).collect())
    }

    /// Stores what has become of a try, unless a later one was there before.
    pub(crate) async fn told(self, message: &Message, told: &Told) -> Result<(), Error> {
        let (state, status, error, again_at) = match told {
            Told::Delivered { status } => ("delivered", Some(*status), None, None),
            Told::Gone => ("parked", Some(410), Some("the endpoint is gone"), None),
            Told::Failed { status, error, again_at: None } => {
                ("parked", *status, Some(error.as_str()), None)
            }
            Told::Failed { status, error, again_at } => {
                ("waiting", *status, Some(error.as_str()), *again_at)
            }
        };
        let query = sqlx::query(
            "UPDATE webhook_message SET state = $3, last_status = $4, last_error = $5,
                 next_at = coalesce($6, next_at), done_at = CASE $3 WHEN 'waiting' THEN NULL
                 ELSE $7 END
             WHERE message_id = $1 AND state = 'waiting' AND tries = $2",
        );
        let query = query
            .bind(message.id)
            .bind(i32::try_from(message.tries).expect("as it was read"))
            .bind(state)
            .bind(status.map(|status| i16::try_from(status).expect("below 1,000")))
            .bind(error)
            .bind(again_at.map(millis))
            .bind(millis(clock::now()));
        in_time("store how a message went", query.execute(&self.0.pool)).await?;
        if *told == Told::Gone {
            let off = "UPDATE webhook_endpoint SET is_active = false, off_reason = 'GONE'
                 WHERE endpoint_id = $1 AND is_active";
            let off = sqlx::query(off).bind(message.endpoint);
            in_time("turn an endpoint off", off.execute(&self.0.pool)).await?;
        }
        Ok(())
    }

    /// Forgets messages that ended before a time, `most` at most.
    pub(crate) async fn sweep(self, before: UnixMillis, most: i64) -> Result<i64, Error> {
        let query = sqlx::query_scalar("SELECT webhooks_sweep($1, $2)");
        let query = query.bind(millis(before)).bind(most);
        in_time("forget messages", query.fetch_one(&self.0.pool)).await
    }
}

fn ready_of(row: &PgRow) -> Ready {
    let event: &str = row.get("event_id");
    let (order, line) = (order_of(row.get("order_id")), row.get::<Option<i32>, _>("line"));
    let ticket = |line| TicketId { order, line: u16::try_from(line).expect("as it was issued") };
    Ready {
        order,
        event: event.parse().expect("stored from an EventId"),
        attempt: row.get("attempt"),
        kind: row.get("kind"),
        part: row.get("part"),
        ticket: line.map(ticket),
    }
}

fn message_of(row: &PgRow) -> Message {
    let number = |column: &str| row.get::<i32, _>(column).unsigned_abs();
    Message {
        id: row.get("message_id"),
        endpoint: row.get("endpoint_id"),
        body: row.get("body"),
        tries: number("tries"),
        url: row.get("url"),
        secret_number: number("secret_number"),
        rotated_at: time_of(row.get("rotated_at")),
    }
}
