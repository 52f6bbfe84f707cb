//! What the provider's list shows beside the orders.

use super::booking::Bookings;
use super::{Reseats, millis, state_of, uuid_of};
use crate::config::{ENDED_AT_ONCE_MAX, EVENTS_KEPT, LOOKS_AFTER, PART_TRIES, WHOLE_LIST_EVERY};
use crate::error::{Error, in_time};
use crate::provider::{Cursor, Listed};
use chassis::clock;
use schema::{AccountId, Money, UnixMillis};
use settlement_core::{Bearer, Claim, Seen, Standing, Stray, on_return, on_return_by_bank};
use sqlx::{PgPool, Row, postgres::PgRow};
use uuid::Uuid;

/// Found money in the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FoundMoney<'a> {
    pub pool: &'a PgPool,
    pub provider: &'static str,
}

/// Up to when everything has been compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeenTo {
    pub payments: UnixMillis,
    pub disputes: UnixMillis,
}

/// What became of a payment that no order accounts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MoneyOutcome {
    Voided,
    Refunded,
    /// The buyer's bank has taken it back and keeps it, which was booked as that bearer's loss.
    ChargedBack(Bearer),
}

/// All of a payment that its buyer's bank has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Banked {
    /// Whether the bank keeps it; else it has not decided yet.
    pub is_lost: bool,
    /// Who bears it, as it was booked.
    pub bearer: Bearer,
}

/// How our orders know a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    /// `None` for one that has its outcome already.
    pub standing: Option<Standing>,
    /// Whether something else went back than its order's tickets that were paid back alone, or than
    /// all of it; `None` if that could not be compared.
    pub is_uneven: Option<bool>,
}

impl MoneyOutcome {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Voided => "voided",
            Self::Refunded => "refunded",
            Self::ChargedBack(_) => "charged_back",
        }
    }
}

impl FoundMoney<'_> {
    /// Begins a look at the lists, unless somebody looks or has looked lately. Says how far the
    /// last one came.
    pub(crate) async fn begin(self, rest_until: UnixMillis) -> Result<Option<SeenTo>, Error> {
        let query = sqlx::query("SELECT seen_to, disputes_to FROM reconcile_begin($1, $2, $3)");
        let query = query.bind(self.provider).bind(millis(clock::now())).bind(millis(rest_until));
        let row = in_time("begin to reconcile", query.fetch_optional(self.pool)).await?;
        Ok(row.map(|row| SeenTo {
            payments: super::time_of(row.get("seen_to")),
            disputes: super::time_of(row.get("disputes_to")),
        }))
    }

    /// Ends a look that has compared everything up to then.
    pub(crate) async fn end(self, seen_to: UnixMillis) -> Result<(), Error> {
        let query = sqlx::query("UPDATE reconciled SET seen_to = $2 WHERE provider = $1");
        let query = query.bind(self.provider).bind(millis(seen_to));
        in_time("end a reconciliation", query.execute(self.pool)).await.map(drop)
    }

    /// Ends a look at the disputes, likewise.
    pub(crate) async fn end_disputes(self, seen_to: UnixMillis) -> Result<(), Error> {
        let query = sqlx::query("UPDATE reconciled SET disputes_to = $2 WHERE provider = $1");
        let query = query.bind(self.provider).bind(millis(seen_to));
        in_time("end a look at disputes", query.execute(self.pool)).await.map(drop)
    }

    /// How far the look at the whole list has come; `None` if it is not time for the next one.
    pub(crate) async fn gone_on_to(self) -> Result<Option<Cursor>, Error> {
        let query = sqlx::query(
            "UPDATE reconciled SET gone_on_since = CASE gone_on_id WHEN '' THEN $2
                 ELSE gone_on_since END
             WHERE provider = $1 AND (gone_on_id <> '' OR gone_on_since <= $2 - $3)
             RETURNING gone_on_to, gone_on_id",
        );
        let every = i64::try_from(WHOLE_LIST_EVERY.0).expect("minutes");
        let query = query.bind(self.provider).bind(millis(clock::now())).bind(every);
        let row = in_time("go on with the whole list", query.fetch_optional(self.pool)).await?;
        Ok(row.map(|row| Cursor {
            created_at: super::time_of(row.get("gone_on_to")),
            id: row.get("gone_on_id"),
        }))
    }

    /// Notes that a part was not told. What never is does not keep the look where it is: it begins
    /// again at last, with payments that the provider does know.
    pub(crate) async fn go_on_failed(self) -> Result<(), Error> {
        let query = sqlx::query(
            "UPDATE reconciled SET gone_on_failed = (gone_on_failed + 1) % $2,
                 gone_on_to = CASE WHEN gone_on_failed + 1 < $2 THEN gone_on_to ELSE 0 END,
                 gone_on_id = CASE WHEN gone_on_failed + 1 < $2 THEN gone_on_id ELSE '' END
             WHERE provider = $1",
        );
        let query = query.bind(self.provider).bind(PART_TRIES);
        in_time("note a part that was not told", query.execute(self.pool)).await.map(drop)
    }

    /// Notes how far it has come.
    pub(crate) async fn go_on(self, next: &Cursor) -> Result<(), Error> {
        let query = sqlx::query(
            "UPDATE reconciled SET gone_on_to = $2, gone_on_id = $3, gone_on_failed = 0
             WHERE provider = $1",
        );
        let query = query.bind(self.provider).bind(millis(next.created_at)).bind(&next.id);
        in_time("note how far the list was compared", query.execute(self.pool)).await.map(drop)
    }

    /// Lets nobody look before then, and somebody from then on.
    pub(crate) async fn rest(self, until: UnixMillis) -> Result<(), Error> {
        let query = sqlx::query("UPDATE reconciled SET rest_until = $2 WHERE provider = $1");
        let query = query.bind(self.provider).bind(millis(until));
        in_time("rest after a look", query.execute(self.pool)).await.map(drop)
    }

    /// How the orders know payments, each in its place. What went back is compared where the order
    /// has been at rest since `since`.
    pub(crate) async fn known(
        self,
        payments: &[Listed],
        since: UnixMillis,
    ) -> Result<Vec<Known>, Error> {
        let query = sqlx::query(
            "SELECT state, is_current, has_work, is_sold, outcome, is_uneven
             FROM payment_standing($1, $2, $3, $4)",
        );
        let ids: Vec<&str> = payments.iter().map(|payment| payment.id.as_str()).collect();
        let back = |payment: &Listed| payment.back.filter(|_| payment.seen == Seen::Captured);
        let query = query.bind(self.provider).bind(ids);
        let query = query.bind(payments.iter().map(back).collect::<Vec<_>>()).bind(millis(since));
        let rows = in_time("look up payments", query.fetch_all(self.pool)).await?;
        Ok(rows.iter().map(known_of).collect())
    }

    /// Payments of attempts that ended without money and whose next look is due, each with how many
    /// looks there were.
    pub(crate) async fn ended(self) -> Result<Vec<(Listed, usize)>, Error> {
        let query = sqlx::query(
            "SELECT t.provider_id, e.order_id, e.looks, t.amount, t.currency::TEXT AS currency,
                 t.created_at
             FROM ended_payment e
             JOIN payment_attempt t ON t.order_id = e.order_id AND t.attempt = e.attempt
             WHERE t.provider = $1 AND e.look_at <= $2 ORDER BY e.look_at LIMIT $3",
        );
        let due = millis(clock::now()) - look_after(0);
        let query = query.bind(self.provider).bind(due).bind(ENDED_AT_ONCE_MAX);
        let rows = in_time("read ended payments", query.fetch_all(self.pool)).await?;
        Ok(rows.iter().map(ended_of).collect())
    }

    /// Puts the next look at an ended payment where it belongs, or forgets it after the last one;
    /// nothing if somebody else has done so since there were so many looks.
    pub(crate) async fn looked(self, id: &str, looks: usize) -> Result<(), Error> {
        let next = LOOKS_AFTER.get(looks + 1).map(|_| look_after(looks + 1) - look_after(looks));
        let query = sqlx::query(
            "WITH one AS (SELECT order_id, attempt FROM payment_attempt
                 WHERE provider = $1 AND provider_id = $2),
             gone AS (DELETE FROM ended_payment e USING one
                 WHERE $3::BIGINT IS NULL AND e.looks = $4
                     AND (e.order_id, e.attempt) = (one.order_id, one.attempt))
             UPDATE ended_payment e SET looks = e.looks + 1, look_at = e.look_at + $3
             FROM one
             WHERE $3 IS NOT NULL AND e.looks = $4
                 AND (e.order_id, e.attempt) = (one.order_id, one.attempt)",
        );
        let looks = i32::try_from(looks).expect("a few");
        let query = query.bind(self.provider).bind(id).bind(next).bind(looks);
        in_time("note a look", query.execute(self.pool)).await.map(drop)
    }

    /// Puts a look that told nothing behind the others that are due.
    pub(crate) async fn put_off(self, id: &str) -> Result<(), Error> {
        let query = sqlx::query(
            "UPDATE ended_payment e SET look_at = greatest(e.look_at, $3) FROM payment_attempt t
             WHERE t.provider = $1 AND t.provider_id = $2
                 AND (e.order_id, e.attempt) = (t.order_id, t.attempt)",
        );
        let last = millis(clock::now()) - look_after(0);
        let query = query.bind(self.provider).bind(id).bind(last);
        in_time("put a look off", query.execute(self.pool)).await.map(drop)
    }

    /// The payment with this id, as far as the orders know it, and whether a driver has something
    /// left to do about its order. `None` if no order has stored it.
    pub(crate) async fn payment(self, id: &str) -> Result<Option<(Listed, bool)>, Error> {
        let query = sqlx::query(
            "SELECT t.provider_id, t.order_id, t.amount, t.currency::TEXT AS currency, t.created_at,
                 o.todo AND o.attempt = t.attempt AS has_work
             FROM payment_attempt t JOIN orders o USING (order_id)
             WHERE t.provider = $1 AND t.provider_id = $2",
        );
        let query = query.bind(self.provider).bind(id);
        let row = in_time("read a payment", query.fetch_optional(self.pool)).await?;
        Ok(row.map(|row| (listed_of(&row), row.get("has_work"))))
    }

    /// Whether an event has been seen through before.
    pub(crate) async fn knows_event(self, id: &str) -> Result<bool, Error> {
        let query = sqlx::query(
            "SELECT EXISTS (SELECT FROM provider_event WHERE provider = $1 AND event_id = $2)",
        );
        let query = query.bind(self.provider).bind(id);
        let row = in_time("look up an event", query.fetch_one(self.pool)).await?;
        Ok(row.get(0))
    }

    /// Notes that an event was seen through.
    pub(crate) async fn note_event(self, id: &str) -> Result<(), Error> {
        let query = sqlx::query(
            "INSERT INTO provider_event (provider, event_id, seen_at) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
        );
        let query = query.bind(self.provider).bind(id).bind(millis(clock::now()));
        in_time("note an event", query.execute(self.pool)).await.map(drop)
    }

    /// Forgets events that come no more.
    pub(crate) async fn forget_events(self) -> Result<(), Error> {
        let query = sqlx::query("DELETE FROM provider_event WHERE provider = $1 AND seen_at < $2");
        let before = UnixMillis(clock::now().0.saturating_sub(EVENTS_KEPT.0));
        let query = query.bind(self.provider).bind(millis(before));
        in_time("forget events", query.execute(self.pool)).await.map(drop)
    }

    /// Whether the buyer's bank has all of a payment.
    pub(crate) async fn banked(self, payment: &Listed) -> Result<Option<Banked>, Error> {
        let query = sqlx::query(
            "SELECT c.state = 'lost' AS is_lost, (SELECT e.party FROM ledger_entry e
                 WHERE e.order_id = c.order_id AND e.part = c.part AND e.kind = 'chargeback'
                     AND e.account = 'partner_receivable') AS party
             FROM chargeback c
             WHERE c.provider = $1 AND c.payment_id = $2 AND c.state IN ('taken', 'lost')
                 AND (c.amount, c.currency::TEXT) = ($3, $4)
             ORDER BY is_lost DESC LIMIT 1",
        );
        let amount = payment.amount;
        let query = query.bind(self.provider).bind(&payment.id);
        let query = query.bind(amount.amount).bind(amount.currency.to_string());
        let row = in_time("look for a bank", query.fetch_optional(self.pool)).await?;
        Ok(row.map(|row| {
            let party: Option<Uuid> = row.get("party");
            let bearer =
                party.map_or(Bearer::House, |party| Bearer::Partner(AccountId(party.as_u128())));
            Banked { is_lost: row.get("is_lost"), bearer }
        }))
    }

    /// Takes found money without an outcome at which nobody has looked since then, with why it was
    /// found and whether it had been taken. Some of it may stay like that for long: it comes last
    /// the next time.
    pub(crate) async fn open(self, since: UnixMillis) -> Result<Vec<(Listed, Stray, bool)>, Error> {
        let query = sqlx::query(
            "UPDATE found_money SET looked_at = greatest($2, $3) WHERE (provider, provider_id) IN (
                 SELECT provider, provider_id FROM found_money
                 WHERE provider = $1 AND outcome IS NULL AND looked_at < $3
                 ORDER BY looked_at LIMIT $4 FOR UPDATE SKIP LOCKED)
             RETURNING provider_id, order_id, amount, currency::TEXT AS currency, why, taken,
                 found_at AS created_at",
        );
        let query = query.bind(self.provider).bind(millis(clock::now())).bind(millis(since));
        let query = query.bind(ENDED_AT_ONCE_MAX);
        let rows = in_time("read found money", query.fetch_all(self.pool)).await?;
        let why = |row: &PgRow| {
            Stray::from_text(row.get("why")).expect("the table allows known reasons only")
        };
        Ok(rows.iter().map(|row| (listed_of(row), why(row), row.get("taken"))).collect())
    }

    /// Lets late money ask for the places of its order.
    pub(crate) async fn ask_for_places(self, payment: &Listed) -> Result<Claim, Error> {
        Reseats(self.pool).ask(self.provider, payment).await
    }

    /// Notes that a payment has no place, before anything is done about it. `false` if an order has
    /// stored it since it was looked up: then nothing is to be done.
    pub(crate) async fn note(
        self,
        payment: &Listed,
        why: Stray,
        taken: bool,
    ) -> Result<bool, Error> {
        let query = sqlx::query("SELECT found_note($1, $2, $3, $4, $5, $6, $7, $8) AS noted");
        let query = query
            .bind(self.provider)
            .bind(&payment.id)
            .bind(uuid_of(payment.order))
            .bind(payment.amount.amount)
            .bind(payment.amount.currency.to_string())
            .bind(why.as_str())
            .bind(taken)
            .bind(millis(clock::now()));
        let row = in_time("note found money", query.fetch_one(self.pool)).await?;
        Ok(row.get("noted"))
    }

    /// Gives found money its outcome; `false` if it has one.
    pub(crate) async fn settle(
        self,
        payment: &Listed,
        outcome: MoneyOutcome,
    ) -> Result<bool, Error> {
        let postings = match outcome {
            MoneyOutcome::Voided | MoneyOutcome::Refunded => on_return(payment.amount),
            MoneyOutcome::ChargedBack(bearer) => on_return_by_bank(payment.amount, bearer),
        };
        let mut bookings = Bookings::default();
        bookings.push(payment.order, &postings);
        let query = sqlx::query(
            "SELECT found_settle($1, $2, $3, $4, $5, $6, $7,
                 coalesce((SELECT event_id FROM orders WHERE order_id = $8), ''), $9) AS settled",
        );
        let query = query.bind(self.provider).bind(&payment.id).bind(outcome.as_str());
        let query = bookings.bind_entries(query);
        let query = query.bind(uuid_of(payment.order)).bind(millis(clock::now()));
        let row = in_time("settle found money", query.fetch_one(self.pool)).await?;
        Ok(row.get("settled"))
    }
}

/// How long after its end a payment is looked at, in the order of the looks.
fn look_after(looks: usize) -> i64 {
    i64::try_from(LOOKS_AFTER[looks].as_millis()).expect("a day")
}

fn ended_of(row: &PgRow) -> (Listed, usize) {
    let looks: i32 = row.get("looks");
    (listed_of(row), usize::try_from(looks).expect("looks are counted from 0"))
}

/// A payment as its order has it.
fn listed_of(row: &PgRow) -> Listed {
    let currency: &str = row.get("currency");
    let currency = currency.parse().expect("stored from a Currency");
    Listed {
        id: row.get("provider_id"),
        order: super::order_of(row.get("order_id")),
        amount: Money::new(row.get("amount"), currency),
        // Not asked yet.
        seen: Seen::Processing,
        back: None,
        created_at: super::time_of(row.get("created_at")),
    }
}

fn known_of(row: &PgRow) -> Known {
    let is_open = row.get::<Option<&str>, _>("outcome").is_none();
    Known { standing: is_open.then(|| standing(row)), is_uneven: row.get("is_uneven") }
}

fn standing(row: &PgRow) -> Standing {
    match row.get::<Option<&str>, _>("state") {
        None => Standing::Unbound,
        Some(state) => Standing::Bound {
            state: state_of(state),
            is_current: row.get("is_current"),
            has_work: row.get("has_work"),
            is_sold: row.get("is_sold"),
        },
    }
}
