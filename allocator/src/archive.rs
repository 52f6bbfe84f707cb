//! Answers that have left the memory of owners: kept in Postgres, many in a row, until a day has
//! passed.
//!
//! Followers archive what they still remember, so that the memory may forget it. Which commands
//! have been answered is known to each owner by their ids; a row is read only for somebody who
//! repeats an old one.

use crate::config::{ARCHIVE_ROW_ANSWERS_MAX, STORE_WAIT};
use crate::error::Error;
use allocator_core::{Answer, AnsweredIds, Numbered, Shard};
use chassis::outside;
use chassis::telemetry::chain;
use schema::sealed::{seal, unseal};
use schema::{CommandId, ShardId, UnixMillis};
use sqlx::{PgConnection, PgPool, Row};
use std::ops::Range;

/// Names the locks of those who archive among the advisory locks of the database.
const LOCK_CLASS: i32 = 0x7573_6861;

/// Rows of one transaction: what was stored by then stays when the next one fails.
const ROWS_AT_ONCE: usize = 4;

/// What is kept of a command's id, and when it was answered.
type Ids = Vec<(u64, UnixMillis)>;

/// The archive of one shard over one incarnation of its journal.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    pub pool: PgPool,
    pub shard: ShardId,
    /// When the journal stream was created, in milliseconds.
    pub incarnation_ms: i64,
}

impl Archive {
    /// Stores the first of the answers that nobody has stored yet; returns the number up to which
    /// they are stored now, or `None` when another process stores at this moment.
    pub(crate) async fn store(&self, shard: &Shard) -> Result<Option<u64>, Error> {
        let storing = outside("archive answers", self.store_behind_lock(shard));
        match tokio::time::timeout(STORE_WAIT, storing).await {
            Ok(stored) => stored,
            Err(_) => Err(Error::ArchiveSlow { shard: self.shard }),
        }
    }

    async fn store_behind_lock(&self, shard: &Shard) -> Result<Option<u64>, Error> {
        let failed = |source| Error::Archive { shard: self.shard, source };
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let lock = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1, $2)")
            .bind(LOCK_CLASS)
            .bind(i32::from(self.shard.0));
        let is_alone: bool = lock.fetch_one(&mut *transaction).await.map_err(failed)?;
        if !is_alone {
            return Ok(None);
        }
        let stored = self.stored_to(&mut transaction).await.map_err(failed)?;
        let mut to = stored;
        for row in rows(shard.answers_since(stored)).iter().take(ROWS_AT_ONCE) {
            self.put(&mut transaction, row).await?;
            to = row.to();
        }
        self.drop_old(&mut transaction, shard.answers_known_from()).await.map_err(failed)?;
        outside("commit archived answers", transaction.commit()).await.map_err(failed)?;
        Ok(Some(to))
    }

    /// The number behind the last answer that is stored.
    async fn stored_to(&self, connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
        let newest = "SELECT coalesce(max(next_number), 0) FROM answer_archive \
                      WHERE shard = $1 AND incarnation_ms = $2";
        let newest = sqlx::query_scalar::<_, i64>(newest)
            .bind(i16::from(self.shard.0))
            .bind(self.incarnation_ms);
        Ok(newest.fetch_one(connection).await?.cast_unsigned())
    }

    async fn put(
        &self,
        connection: &mut PgConnection,
        row: &Numbered<Answer>,
    ) -> Result<(), Error> {
        let ids: Ids = row.entries.iter().map(|answer| (id_of(answer), answer.at)).collect();
        // Many answers take longer than a runtime thread may be kept from its other tasks.
        let sealed = tokio::task::block_in_place(|| Ok((seal(&ids)?, seal(row)?)));
        let large = |source| Error::ArchiveLarge { shard: self.shard, source };
        let (ids, answers) = sealed.map_err(large)?;
        let insert = sqlx::query(
            "INSERT INTO answer_archive \
             (shard, incarnation_ms, first_number, next_number, ids, answers) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(i16::from(self.shard.0))
        .bind(self.incarnation_ms)
        .bind(row.from.cast_signed())
        .bind(row.to().cast_signed())
        .bind(ids)
        .bind(answers);
        let failed = |source| Error::Archive { shard: self.shard, source };
        insert.execute(connection).await.map(drop).map_err(failed)
    }

    /// Drops what no owner asks for any more, and what is of another incarnation.
    async fn drop_old(&self, connection: &mut PgConnection, from: u64) -> Result<(), sqlx::Error> {
        let delete = "DELETE FROM answer_archive \
                      WHERE shard = $1 AND (incarnation_ms <> $2 OR next_number <= $3)";
        let delete = sqlx::query(delete)
            .bind(i16::from(self.shard.0))
            .bind(self.incarnation_ms)
            .bind(from.cast_signed());
        delete.execute(connection).await.map(drop)
    }

    /// The commands whose answers have these numbers; `None` when some are missing or damaged.
    ///
    /// # Errors
    /// When Postgres does not tell.
    pub(crate) async fn ids_of(&self, numbers: Range<u64>) -> Result<Option<AnsweredIds>, Error> {
        let shard = self.shard;
        match tokio::time::timeout(STORE_WAIT, self.read_ids_of(numbers)).await {
            Ok(read) => read.map_err(|source| Error::Archive { shard, source }),
            Err(_) => Err(Error::ArchiveSlow { shard }),
        }
    }

    async fn read_ids_of(&self, numbers: Range<u64>) -> Result<Option<AnsweredIds>, sqlx::Error> {
        let to = numbers.end;
        let rows = sqlx::query(
            "SELECT first_number, next_number, ids FROM answer_archive \
             WHERE shard = $1 AND incarnation_ms = $2 AND first_number <= $3 AND $4 < next_number \
             ORDER BY first_number",
        )
        .bind(i16::from(self.shard.0))
        .bind(self.incarnation_ms)
        .bind(to.cast_signed())
        .bind(numbers.start.cast_signed())
        .fetch_all(&self.pool)
        .await?;
        let (mut known, mut stored_to) = (AnsweredIds::default(), numbers.start);
        for row in rows {
            let first = row.try_get::<i64, _>("first_number")?.cast_unsigned();
            // The first row may begin before what is known, no other before the end of the last.
            if stored_to < first {
                tracing::error!(shard = %self.shard, first, "answers before it are not archived");
                return Ok(None);
            }
            stored_to = row.try_get::<i64, _>("next_number")?.cast_unsigned();
            let Some(ids) = unseal::<Ids>(row.try_get("ids")?) else {
                tracing::error!(shard = %self.shard, first, "archived answers are damaged");
                return Ok(None);
            };
            // Of the first row all followers have forgotten what is before.
            let numbered = (first..to).zip(ids).filter(|(number, _)| numbers.contains(number));
            numbered.for_each(|(number, (id, at))| known.push(id, number, at));
        }
        // What left the memory while nothing could be stored is known to the journal alone.
        Ok((to <= stored_to).then_some(known))
    }

    /// The number behind the last answer from `known_from` on before which none is missing.
    pub(crate) async fn whole_to(&self, known_from: u64) -> Result<u64, sqlx::Error> {
        let rows = sqlx::query_as::<_, (i64, i64)>(
            "SELECT first_number, next_number FROM answer_archive \
             WHERE shard = $1 AND incarnation_ms = $2 ORDER BY first_number",
        )
        .bind(i16::from(self.shard.0))
        .bind(self.incarnation_ms);
        let mut whole_to = known_from;
        for (first, next) in rows.fetch_all(&self.pool).await? {
            if whole_to < first.cast_unsigned() {
                break;
            }
            whole_to = whole_to.max(next.cast_unsigned());
        }
        Ok(whole_to)
    }

    /// The answer with this number to this command; `None` where it is not there.
    pub(crate) async fn find(&self, number: u64, command: CommandId) -> Option<Answer> {
        let row = sqlx::query_scalar::<_, Vec<u8>>(
            "SELECT answers FROM answer_archive \
             WHERE shard = $1 AND incarnation_ms = $2 AND first_number <= $3 AND $3 < next_number",
        )
        .bind(i16::from(self.shard.0))
        .bind(self.incarnation_ms)
        .bind(number.cast_signed())
        .fetch_optional(&self.pool);
        let row = outside("look up an archived answer", row);
        let sealed = match tokio::time::timeout(STORE_WAIT, row).await {
            Ok(Ok(sealed)) => sealed?,
            Ok(Err(error)) => {
                tracing::warn!(shard = %self.shard, error = %chain(&error), "answer not looked up");
                return None;
            }
            Err(_) => return None,
        };
        let answers: Numbered<Answer> = tokio::task::block_in_place(|| unseal(&sealed))?;
        let at = usize::try_from(number.checked_sub(answers.from)?).ok()?;
        let answer = answers.entries.into_iter().nth(at)?;
        answer.outcome.asked.is_some_and(|asked| asked.command == command).then_some(answer)
    }
}

fn id_of(answer: &Answer) -> u64 {
    let asked = answer.outcome.asked.expect("only asked outcomes are remembered");
    AnsweredIds::id(asked.command)
}

/// Cuts answers into rows.
fn rows(answers: Numbered<Answer>) -> Vec<Numbered<Answer>> {
    let Numbered { mut from, entries } = answers;
    let mut rows = Vec::new();
    let mut entries = entries.into_iter().peekable();
    while entries.peek().is_some() {
        let row =
            Numbered { from, entries: entries.by_ref().take(ARCHIVE_ROW_ANSWERS_MAX).collect() };
        from = row.to();
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests;
