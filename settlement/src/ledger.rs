//! The check of the whole ledger, from its first entry on.

use crate::audit;
use crate::config::{DIFFERENCES_MAX, LEDGER_WAIT};
use crate::error::{Error, within};
use futures_util::TryStreamExt;
use schema::{InvariantId, UnixMillis};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What a check has read, and what it has found.
#[derive(Debug, Default)]
pub struct CheckedLedger {
    pub transactions: u64,
    pub entries: u64,
    /// A line for each thing that is not as MON-1 promises.
    pub differences: Vec<String>,
}

/// Goes through all entries in the order of time, and asks what the audit asks about money, all as
/// of one moment: orders may be moving meanwhile. The memory it takes does not grow with the
/// ledger.
///
/// # Errors
/// [`Error::Postgres`] and [`Error::Slow`].
pub async fn check_ledger(pool: &PgPool) -> Result<CheckedLedger, Error> {
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
    let what = "begin a check of the ledger";
    let mut moment = within(LEDGER_WAIT, what, pool.begin_with(begin)).await?;
    check(&mut moment).await
}

/// The check within a transaction that its caller has begun.
pub(crate) async fn check(connection: &mut PgConnection) -> Result<CheckedLedger, Error> {
    let mut running = Running::default();
    {
        let entries = sqlx::query(
            "SELECT at, order_id, kind, part, amount, currency::TEXT AS currency
             FROM ledger_entry ORDER BY at, order_id, kind, part",
        );
        let mut entries = entries.fetch(&mut *connection);
        while let Some(row) = within(LEDGER_WAIT, "read the ledger", entries.try_next()).await? {
            running.take(&entry_of(&row));
        }
    }
    running.close();
    let mut checked = running.checked;
    let asked = audit::differences(connection, LEDGER_WAIT, |promise| promise == InvariantId::Mon1);
    checked.differences.extend(asked.await?);
    Ok(checked)
}

/// What one transaction is told from another by: when it was booked, by which order, and of which
/// kind and part.
type Key = (i64, Uuid, String, i32);

#[derive(Debug, Clone)]
struct Entry {
    of: Key,
    currency: String,
    amount: i64,
}

fn entry_of(row: &PgRow) -> Entry {
    let of = (row.get("at"), row.get("order_id"), row.get("kind"), row.get("part"));
    Entry { of, currency: row.get("currency"), amount: row.get("amount") }
}

/// Sums over all time up to an entry, by currency.
#[derive(Debug, Default)]
struct Running {
    checked: CheckedLedger,
    open: Option<Key>,
    /// Of the transaction that is open.
    sums: BTreeMap<String, i128>,
    /// Of all that are closed.
    totals: BTreeMap<String, i128>,
}

impl Running {
    /// Entries of one transaction come one after the other.
    fn take(&mut self, entry: &Entry) {
        if self.open.as_ref() != Some(&entry.of) {
            self.close();
            self.open = Some(entry.of.clone());
        }
        self.checked.entries += 1;
        *self.sums.entry(entry.currency.clone()).or_default() += i128::from(entry.amount);
    }

    /// Closes the open transaction: it and all before it balance.
    fn close(&mut self) {
        let Some((at, order, kind, _)) = self.open.take() else { return };
        self.checked.transactions += 1;
        let time_of = |at: i64| u64::try_from(at).ok().map(|at| UnixMillis(at).to_rfc3339());
        let time = time_of(at).unwrap_or_else(|| format!("the impossible time {at}"));
        for (currency, sum) in std::mem::take(&mut self.sums) {
            if sum == 0 {
                continue;
            }
            let total = self.totals.entry(currency.clone()).or_default();
            *total += sum;
            let line = format!(
                "{}: order {order}: {kind} of {time} is off by {sum} {currency}, and the ledger \
                 since then by {total}",
                InvariantId::Mon1
            );
            // The first ones say what is wrong.
            let count = i64::try_from(self.checked.differences.len()).unwrap_or(i64::MAX);
            if count < DIFFERENCES_MAX {
                self.checked.differences.push(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Running};
    use uuid::Uuid;

    fn run(entries: &[(i64, u128, &str, &str, i64)]) -> Running {
        let mut running = Running::default();
        for &(at, order, kind, currency, amount) in entries {
            let of = (at, Uuid::from_u128(order), kind.to_owned(), 0);
            running.take(&Entry { of, currency: currency.to_owned(), amount });
        }
        running.close();
        running
    }

    #[test]
    fn what_balances_in_each_currency_and_transaction_is_no_difference() {
        let running = run(&[
            (1, 1, "sale", "EUR", 5),
            (1, 1, "sale", "EUR", -5),
            (1, 2, "sale", "USD", 7),
            (1, 2, "sale", "USD", -7),
            (2, 1, "capture", "EUR", 5),
            (2, 1, "capture", "EUR", -5),
        ]);
        assert_eq!(running.checked.differences, Vec::<String>::new());
        assert_eq!((running.checked.transactions, running.checked.entries), (3, 6));
    }

    #[test]
    fn it_is_said_since_when_the_ledger_is_off_and_what_mends_it_is_told_too() {
        let running = run(&[
            (0, 1, "sale", "EUR", 5),
            (0, 1, "sale", "USD", -5),
            (1_000, 1, "capture", "EUR", -5),
            (1_000, 1, "capture", "USD", 5),
            (2_000, 2, "sale", "EUR", 1),
        ]);
        let differences = running.checked.differences;
        assert_eq!(differences.len(), 5, "{differences:?}");
        let first =
            "sale of 1970-01-01T00:00:00.000Z is off by 5 EUR, and the ledger since then by 5";
        assert!(differences[0].ends_with(first), "{differences:?}");
        assert!(differences[1].ends_with("off by -5 USD, and the ledger since then by -5"));
        assert!(differences[2].ends_with("off by -5 EUR, and the ledger since then by 0"));
        assert!(differences[4].ends_with("off by 1 EUR, and the ledger since then by 1"));
    }
}
