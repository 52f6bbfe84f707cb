//! Money that buyers' banks take back.

use super::booking::Bookings;
use super::{FoundMoney, millis, order_of, uuid_of};
use crate::config::{DISPUTE_EVERY, DISPUTES_AT_ONCE_MAX};
use crate::error::{Error, in_time};
use crate::provider::Dispute;
use chassis::clock;
use schema::{AccountId, OrderId};
use settlement_core::{Disputed, Posting};
use sqlx::Row;
use uuid::Uuid;

/// A dispute as the database has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub order: OrderId,
    /// To whom the money of the order's sale is owed, if not to the house itself; whose loss was
    /// booked, once it was. What was found beside a sale is nobody's but the house's.
    pub promoter: Option<AccountId>,
    /// How it stood when it was looked at last; `None` for a new one.
    pub before: Option<Disputed>,
}

impl FoundMoney<'_> {
    /// What is known of a dispute. `None` if no order has had its payment, nor was it found.
    pub(crate) async fn disputed(self, dispute: &Dispute) -> Result<Option<Known>, Error> {
        let query = sqlx::query(
            "SELECT coalesce(c.order_id, p.order_id) AS order_id, c.state,
                 CASE WHEN EXISTS (SELECT FROM ledger_transaction t
                     WHERE (t.order_id, t.part) = (c.order_id, c.part) AND t.kind = 'chargeback')
                 THEN (SELECT e.party FROM ledger_entry e
                     WHERE (e.order_id, e.part) = (c.order_id, c.part) AND e.kind = 'chargeback'
                         AND e.account = 'partner_receivable')
                 ELSE (SELECT e.party FROM ledger_entry e
                     WHERE e.order_id = p.order_id AND e.kind = 'sale'
                         AND e.account = 'promoter_payable'
                         AND NOT EXISTS (SELECT FROM payment_of_nobody
                             WHERE provider = $1 AND payment_id = $2) LIMIT 1) END AS promoter
             FROM (SELECT coalesce(
                 (SELECT order_id FROM payment_attempt WHERE provider = $1 AND provider_id = $2),
                 (SELECT order_id FROM found_money WHERE provider = $1 AND provider_id = $2)
             ) AS order_id) p
             LEFT JOIN chargeback c ON c.provider = $1 AND c.dispute_id = $3
             WHERE p.order_id IS NOT NULL",
        );
        let query = query.bind(self.provider).bind(&dispute.payment).bind(&dispute.id);
        let row = in_time("look up a dispute", query.fetch_optional(self.pool)).await?;
        Ok(row.map(|row| {
            let promoter: Option<Uuid> = row.get("promoter");
            let before: Option<&str> = row.get("state");
            let read =
                |text| Disputed::from_text(text).expect("the table allows known states only");
            Known {
                order: order_of(row.get("order_id")),
                promoter: promoter.map(|promoter| AccountId(promoter.as_u128())),
                before: before.map(read),
            }
        }))
    }

    /// Notes how a dispute stands, with what that books. `false` if somebody else has meanwhile.
    pub(crate) async fn note_dispute(
        self,
        dispute: &Dispute,
        known: Known,
        postings: &[Posting],
    ) -> Result<bool, Error> {
        let mut bookings = Bookings::default();
        bookings.push(known.order, postings);
        let query = sqlx::query(
            "SELECT chargeback_note($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
                 AS noted",
        );
        let query = query
            .bind(self.provider)
            .bind(&dispute.id)
            .bind(&dispute.payment)
            .bind(uuid_of(known.order))
            .bind(dispute.amount.amount)
            .bind(dispute.amount.currency.to_string())
            .bind(known.before.map(Disputed::as_str))
            .bind(dispute.stands.as_str());
        let now = clock::now();
        let query =
            bookings.bind_entries(query).bind(millis(now)).bind(millis(now + DISPUTE_EVERY));
        let row = in_time("note a dispute", query.fetch_one(self.pool)).await?;
        Ok(row.get("noted"))
    }

    /// Takes disputes that are not over and were looked at long ago; they are due again later.
    pub(crate) async fn open_disputes(self) -> Result<Vec<String>, Error> {
        let query = sqlx::query_scalar(
            "UPDATE chargeback SET look_at = $2 + $3 WHERE (provider, dispute_id) IN (
                 SELECT provider, dispute_id FROM chargeback
                 WHERE provider = $1 AND state IN ('inquiry', 'taken') AND look_at <= $2
                 ORDER BY look_at LIMIT $4 FOR UPDATE SKIP LOCKED)
             RETURNING dispute_id",
        );
        let every = i64::try_from(DISPUTE_EVERY.0).expect("an hour");
        let query = query.bind(self.provider).bind(millis(clock::now())).bind(every);
        let query = query.bind(DISPUTES_AT_ONCE_MAX);
        in_time("take open disputes", query.fetch_all(self.pool)).await
    }
}
