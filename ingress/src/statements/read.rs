//! Reads what was booked, all as of one moment.

use std::time::Duration;

use chassis::Problem;
use schema::{AccountId, EventId};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use crate::problems;

/// Most transactions in the time of a statement.
///
/// They are sorted to be summed up line by line: more would take longer than an answer may take to
/// begin. What was before them is one sum an account, which has no bound but the time.
const STATEMENT_ENTRIES_MAX: i64 = 500_000;

/// How long a statement may be read: below the time in which every answer has to begin.
const READ_WAIT: Duration = Duration::from_secs(8);

/// The same for each of its questions, as the server counts.
const STATEMENT_TIMEOUT: &str = "SET LOCAL statement_timeout = '7s'";

/// Whose statement it is.
#[derive(Debug, Clone)]
pub enum Of {
    Event(EventId),
    Party(AccountId),
}

/// What was booked in `[from, to)`, in Unix milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Period {
    pub from: i64,
    pub to: i64,
}

/// A sum of entries of one kind. Positive is a debit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    pub currency: String,
    pub account: String,
    /// Empty for a balance.
    pub event_id: String,
    /// `None`: the balance at the beginning of the period.
    pub kind: Option<String>,
    pub orders: i64,
    pub amount: i64,
}

/// Tickets of an event that were sold and paid back in the period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tickets {
    pub event_id: String,
    pub sold: i64,
    pub refunded: i64,
}

#[derive(Debug, Default)]
pub struct Booked {
    /// By currency, account, event and kind, what was before first.
    pub sums: Vec<Sum>,
    pub tickets: Vec<Tickets>,
}

impl Of {
    fn event(&self) -> Option<&str> {
        match self {
            Self::Event(event) => Some(event.as_str()),
            Self::Party(_) => None,
        }
    }

    fn party(&self) -> Option<Uuid> {
        match self {
            Self::Event(_) => None,
            Self::Party(party) => Some(Uuid::from_u128(party.0)),
        }
    }
}

/// What Postgres says when a question has taken longer than it may.
const QUERY_CANCELED: &str = "57014";

/// Reads a statement; refuses one that would take too long.
pub async fn read(pool: &PgPool, of: &Of, period: Period) -> Result<Booked, Problem> {
    let read = async {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
        let mut moment = pool.begin_with(begin).await?;
        sqlx::query(STATEMENT_TIMEOUT).execute(&mut *moment).await?;
        if STATEMENT_ENTRIES_MAX < count(&mut moment, of, period).await? {
            return Ok(None);
        }
        let sums = sums(&mut moment, of, period).await?;
        let tickets = tickets(&mut moment, of, period).await?;
        moment.commit().await?;
        Ok(Some(Booked { sums, tickets }))
    };
    let read = tokio::time::timeout(READ_WAIT, read).await;
    let read = read.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())));
    read.map_err(|error| not_read(&error))?.ok_or_else(too_long)
}

fn not_read(error: &sqlx::Error) -> Problem {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    if code.as_deref() != Some(QUERY_CANCELED) {
        return problems::store(error);
    }
    let detail = "what was booked before `from` and since is not summed up in time now; try again";
    problems::unavailable("STATEMENT_SLOW", detail)
}

fn too_long() -> Problem {
    let detail = format!(
        "{STATEMENT_ENTRIES_MAX} transactions at most are summed up from `from` to `to`: ask for a \
         shorter time"
    );
    Problem::new(422, "STATEMENT_TOO_LONG", "The statement is too long for one answer", detail)
}

/// Counts what would have to be summed up line by line, not much further than to the limit.
async fn count(connection: &mut PgConnection, of: &Of, period: Period) -> Result<i64, sqlx::Error> {
    let most = STATEMENT_ENTRIES_MAX + 1;
    let query = match of {
        Of::Event(event) => sqlx::query_scalar(
            "SELECT count(*) FROM (SELECT FROM ledger_transaction
                 WHERE event_id = $1 AND $3 <= at AND at < $4 LIMIT $2) t",
        )
        .bind(event.as_str()),
        Of::Party(_) => sqlx::query_scalar(
            "SELECT count(*) FROM (SELECT FROM ledger_transaction
                 WHERE party @> ARRAY[$1::UUID] AND array_remove(party, NULL) <> '{}'
                     AND $3 <= at AND at < $4 LIMIT $2) t",
        )
        .bind(of.party()),
    };
    query.bind(most).bind(period.from).bind(period.to).fetch_one(connection).await
}

async fn sums(
    connection: &mut PgConnection,
    of: &Of,
    period: Period,
) -> Result<Vec<Sum>, sqlx::Error> {
    let select = "SELECT currency, account, event_id, kind, transactions, amount
         FROM ledger_statement($1, $2, $3, $4)";
    let select = sqlx::query(select)
        .bind(of.event())
        .bind(of.party())
        .bind(period.from)
        .bind(period.to)
        .fetch_all(connection);
    let sum = |row: &PgRow| {
        Ok(Sum {
            currency: row.try_get("currency")?,
            account: row.try_get("account")?,
            event_id: row.try_get("event_id")?,
            kind: row.try_get("kind")?,
            orders: row.try_get("transactions")?,
            amount: row.try_get("amount")?,
        })
    };
    select.await?.iter().map(sum).collect()
}

async fn tickets(
    connection: &mut PgConnection,
    of: &Of,
    period: Period,
) -> Result<Vec<Tickets>, sqlx::Error> {
    // Tickets come and go in the commits that book it.
    let select = "SELECT t.event_id,
             count(*) FILTER (WHERE $3 <= t.issued_at AND t.issued_at < $4) AS sold,
             count(*) FILTER (WHERE $3 <= t.voided_at AND t.voided_at < $4) AS refunded
         FROM ticket t
         WHERE t.order_id IN (SELECT b.order_id FROM ledger_transaction b
             WHERE b.kind IN ('sale', 'reversal', 'part_reversal') AND $3 <= b.at AND b.at < $4
                 AND ($1::TEXT IS NULL OR b.event_id = $1)
                 AND ($2::UUID IS NULL OR b.party @> ARRAY[$2]
                     AND array_remove(b.party, NULL) <> '{}'))
         GROUP BY t.event_id ORDER BY t.event_id";
    let select = sqlx::query(select)
        .bind(of.event())
        .bind(of.party())
        .bind(period.from)
        .bind(period.to)
        .fetch_all(connection);
    let tickets = |row: &PgRow| {
        Ok(Tickets {
            event_id: row.try_get("event_id")?,
            sold: row.try_get("sold")?,
            refunded: row.try_get("refunded")?,
        })
    };
    select.await?.iter().map(tickets).collect()
}
