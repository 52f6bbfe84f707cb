//! Orders that no rule could decide about, and how a person ends that.

use crate::config::REVIEWS_MAX;
use crate::error::{Error, in_time};
use crate::store::{millis, order_of, time_of, uuid_of};
use chassis::clock;
use schema::{Money, OrderId, UnixMillis};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use std::fmt;

/// An order that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderReview {
    pub order: OrderId,
    pub event: String,
    /// Why.
    pub reason: String,
    pub total: Money,
    /// Whether its tickets exist.
    pub is_sold: bool,
    pub since: UnixMillis,
}

impl fmt::Display for UnderReview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { order, event, reason, total, is_sold, since } = self;
        let (amount, currency) = (total.amount, total.currency);
        let tickets = if *is_sold { "with tickets" } else { "nothing sold" };
        write!(f, "{order} of {event}, {amount} {currency}, {tickets}, since {since}: {reason}")
    }
}

/// How a person ends a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The sale stands, and what was under way is tried again, or withdrawn if a bank keeps the
    /// money.
    Keep,
    /// The booking is paid back, whether it is under review or paid. One that sold nothing is over,
    /// and what money there is of it is found: what was taken asks for places as any late money
    /// does, the rest goes back.
    Refund,
}

/// What became of the wish to end a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reviewed {
    Ended,
    /// And the ticket that was on its way back is valid again: the buyer's bank keeps the money.
    Withdrawn,
    /// The booking was paid, and goes back.
    Begun,
    /// There is no such order, or it is neither under review nor to be paid back.
    NotUnderReview,
    /// A driver is at its money still, or was two minutes ago.
    AtWork,
    /// Nothing was sold that could stand.
    Unsold,
    /// A ticket of it was let in.
    Spent,
    /// The buyer's bank has its money. A ticket that is on its way back waits for its decision.
    Disputed,
    /// A ticket of it is on the way back alone.
    PartUnderWay,
}

impl fmt::Display for Reviewed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "the review has ended",
            Self::Withdrawn => {
                "the review has ended; the ticket that was on its way back is valid again, for the \
                 buyer's bank keeps the money"
            }
            Self::Begun => "it is on its way back",
            Self::NotUnderReview => "no such booking is under review, nor can one be paid back",
            Self::AtWork => {
                "its money is being looked at, or was just now; ask again in two minutes"
            }
            Self::Unsold => "nothing was sold that could stand: it can only be given up",
            Self::Spent => "a ticket of it was let in: it cannot be paid back",
            Self::Disputed => {
                "the buyer's bank has its money: nothing of it can be paid back, and a ticket that \
                 is on its way back can be kept when the bank has decided"
            }
            Self::PartUnderWay => "a ticket of it is on the way back alone: keep it first",
        })
    }
}

/// The orders that have waited longest, [`REVIEWS_MAX`] at most.
///
/// # Errors
/// [`Error::Postgres`] and [`Error::Slow`].
pub async fn under_review(pool: &PgPool) -> Result<Vec<UnderReview>, Error> {
    let query = sqlx::query(
        "SELECT order_id, event_id, reason, amount, currency::TEXT AS currency,
             sold_at IS NOT NULL AS is_sold, updated_at
         FROM orders WHERE state = 'review_needed' ORDER BY updated_at LIMIT $1",
    );
    let rows = in_time("list reviews", query.bind(REVIEWS_MAX).fetch_all(pool)).await?;
    Ok(rows.iter().map(read).collect())
}

fn read(row: &PgRow) -> UnderReview {
    let currency: &str = row.get("currency");
    let currency = currency.parse().expect("stored from a Currency");
    UnderReview {
        order: order_of(row.get("order_id")),
        event: row.get("event_id"),
        reason: row.get("reason"),
        total: Money::new(row.get("amount"), currency),
        is_sold: row.get("is_sold"),
        since: time_of(row.get("updated_at")),
    }
}

/// Ends the review of an order; `note` says why, and is kept.
///
/// # Errors
/// [`Error::Postgres`] and [`Error::Slow`]: whether it has ended is not known then.
pub async fn end_review(
    pool: &PgPool,
    order: OrderId,
    ending: Ending,
    note: &str,
) -> Result<Reviewed, Error> {
    let ending = match ending {
        Ending::Keep => "keep",
        Ending::Refund => "refund",
    };
    let query = sqlx::query_scalar("SELECT review_close($1, $2, $3, $4)")
        .bind(uuid_of(order))
        .bind(ending)
        .bind(note)
        .bind(millis(clock::now()));
    let said: String = in_time("end a review", query.fetch_one(pool)).await?;
    Ok(match said.as_str() {
        "ended" => Reviewed::Ended,
        "withdrawn" => Reviewed::Withdrawn,
        "begun" => Reviewed::Begun,
        "none" => Reviewed::NotUnderReview,
        "at_work" => Reviewed::AtWork,
        "unsold" => Reviewed::Unsold,
        "spent" => Reviewed::Spent,
        "disputed" => Reviewed::Disputed,
        "part" => Reviewed::PartUnderWay,
        other => unreachable!("the function says no such word: {other}"),
    })
}
