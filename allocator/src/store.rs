//! Where checkpoints are kept: two tables of Postgres, one of heads and one of parts.

use crate::checkpoint::{Base, Changed, Checkpoint, CheckpointView, Head, Position};
use crate::config::{
    BASES_KEPT, CHECKPOINTS_OF_BASE, ELSEWHERE_TURNS, LOAD_WAIT, PARTS_BYTES_MAX, STORE_WAIT,
};
use crate::error::Error;
use allocator_core::Shard;
use chassis::outside;
use schema::sealed::{seal, unseal};
use schema::{Applied, DurationMs, ShardId};
use sqlx::{PgConnection, PgPool, Row};
use std::collections::{HashMap, HashSet};

/// Names the locks of those who store checkpoints among the advisory locks of the database.
const LOCK_CLASS: i32 = 0x7573_6863;

/// The checkpoints of one shard over one incarnation of its journal.
#[derive(Debug)]
pub(crate) struct Store {
    pub pool: PgPool,
    pub shard: ShardId,
    /// When the journal stream was created, in milliseconds.
    pub incarnation_ms: i64,
    /// This process.
    pub instance: String,
    /// How often a checkpoint is due.
    pub every: DurationMs,
    /// What this process adds to; none before its first checkpoint.
    pub base: Option<Base>,
}

/// What came of an attempt to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// So many bytes were new.
    Bytes(usize),
    /// Another process stores those of this shard.
    Elsewhere,
}

impl Store {
    /// Loads the newest checkpoint that is whole; `None` when there is none.
    ///
    /// Without a checkpoint the journal is read from its start, which is slower and equally right
    /// while it is not trimmed.
    ///
    /// # Errors
    /// When Postgres does not tell: what it would have told may be all that the journal leads on
    /// from.
    pub(crate) async fn load(&self) -> Result<Option<Checkpoint>, Error> {
        let loading = load(&self.pool, self.shard, self.incarnation_ms, |at, checkpoint| {
            if checkpoint.is_none() {
                tracing::error!(shard = %self.shard, sequence = at, "checkpoint is damaged");
            }
            checkpoint
        });
        let shard = self.shard;
        match tokio::time::timeout(LOAD_WAIT, loading).await {
            Ok(loaded) => loaded.map_err(|source| Error::Checkpoint { shard, source }),
            Err(_) => Err(Error::CheckpointSlow { shard }),
        }
    }

    /// Stores what has changed since the base was last stored, all or nothing.
    pub(crate) async fn save(
        &mut self,
        shard: &Shard,
        position: Position,
        changed: &Changed,
    ) -> Result<Stored, Error> {
        let fresh = || Base::new(position.applied.sequence);
        let usable = self.base.clone().filter(|base| base.checkpoints < CHECKPOINTS_OF_BASE);
        let mut base = usable.unwrap_or_else(fresh);
        let head = base.next(shard, position, changed);
        let mut transaction = self.within(self.pool.begin()).await?;
        let mut turn = Turn { store: self, base: base.sequence, connection: &mut transaction };
        if !turn.is_alone().await? || turn.is_stored_elsewhere().await? {
            return Ok(Stored::Elsewhere);
        }
        let bytes = turn.put(&head, shard).await?;
        self.within(outside("commit a checkpoint", transaction.commit())).await?;
        self.base = Some(base);
        Ok(Stored::Bytes(bytes))
    }

    /// Runs one statement, which has its time.
    async fn within<T>(
        &self,
        statement: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, Error> {
        let shard = self.shard;
        match tokio::time::timeout(STORE_WAIT, statement).await {
            Ok(done) => done.map_err(|source| Error::Checkpoint { shard, source }),
            Err(_) => Err(Error::CheckpointSlow { shard }),
        }
    }
}

/// One checkpoint on its way into the tables.
struct Turn<'a> {
    store: &'a Store,
    base: u64,
    connection: &'a mut PgConnection,
}

impl Turn<'_> {
    /// Takes the lock of the shard's checkpoints: two who store at once would drop each other's
    /// parts.
    async fn is_alone(&mut self) -> Result<bool, Error> {
        let lock = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1, $2)")
            .bind(LOCK_CLASS)
            .bind(i32::from(self.store.shard.0));
        self.store.within(lock.fetch_one(&mut *self.connection)).await
    }

    /// Whether another process has stored one lately. One at a time does: many would drop the bases
    /// of each other and begin anew each time.
    async fn is_stored_elsewhere(&mut self) -> Result<bool, Error> {
        let lately = DurationMs(ELSEWHERE_TURNS * self.store.every.0);
        let since = i64::try_from((chassis::clock::now() - lately).0).expect("a time fits");
        let statement = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM checkpoint WHERE shard = $1 AND incarnation_ms = $2 \
                 AND stored_by <> $3 AND stored_at_ms > $4)",
        )
        .bind(i16::from(self.store.shard.0))
        .bind(self.store.incarnation_ms)
        .bind(&self.store.instance)
        .bind(since);
        self.store.within(statement.fetch_one(&mut *self.connection)).await
    }

    /// Stores the head and the parts that are not there yet, and drops what nobody names any more.
    async fn put(&mut self, head: &Head, shard: &Shard) -> Result<usize, Error> {
        let large = |source| Error::CheckpointLarge { shard: self.store.shard, source };
        let sealed = seal(head).map_err(large)?;
        let mut bytes = sealed.len();
        self.put_head(head, sealed).await?;
        let mut superseded = self.parts().await?;
        let (mut names, mut contents, mut size) = (Vec::new(), Vec::new(), 0);
        for part in &head.parts {
            let name = part.to_string();
            if superseded.remove(&name) {
                continue;
            }
            // A large part takes longer than a runtime thread may be kept from its other tasks.
            let content = tokio::task::block_in_place(|| part.content(shard)).map_err(large)?;
            size += content.len();
            names.push(name);
            contents.push(content);
            if PARTS_BYTES_MAX <= size {
                self.put_parts(&std::mem::take(&mut names), &std::mem::take(&mut contents)).await?;
                bytes += std::mem::take(&mut size);
            }
        }
        self.put_parts(&names, &contents).await?;
        self.drop_superseded(superseded.into_iter().collect()).await?;
        self.drop_bases().await?;
        Ok(bytes + size)
    }

    async fn put_head(&mut self, head: &Head, sealed: Vec<u8>) -> Result<(), Error> {
        let now = i64::try_from(chassis::clock::now().0).expect("a time fits");
        let statement = sqlx::query(
            "INSERT INTO checkpoint \
                 (shard, incarnation_ms, base, sequence, stored_at_ms, head, stored_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (shard, incarnation_ms, base) \
             DO UPDATE SET sequence = $4, stored_at_ms = $5, head = $6, stored_by = $7",
        )
        .bind(i16::from(self.store.shard.0))
        .bind(self.store.incarnation_ms)
        .bind(number(self.base))
        .bind(number(head.position.applied.sequence))
        .bind(now)
        .bind(sealed)
        .bind(&self.store.instance);
        self.store.within(statement.execute(&mut *self.connection)).await?;
        Ok(())
    }

    /// The names of the base's parts that are stored.
    async fn parts(&mut self) -> Result<HashSet<String>, Error> {
        let names = sqlx::query_scalar(
            "SELECT part FROM checkpoint_part \
             WHERE shard = $1 AND incarnation_ms = $2 AND base = $3",
        )
        .bind(i16::from(self.store.shard.0))
        .bind(self.store.incarnation_ms)
        .bind(number(self.base));
        let names = self.store.within(names.fetch_all(&mut *self.connection)).await?;
        Ok(names.into_iter().collect())
    }

    async fn put_parts(&mut self, names: &[String], contents: &[Vec<u8>]) -> Result<(), Error> {
        let statement = sqlx::query(
            "INSERT INTO checkpoint_part (shard, incarnation_ms, base, part, content) \
             SELECT $1, $2, $3, part, content \
             FROM unnest($4::text[], $5::bytea[]) AS fresh (part, content)",
        )
        .bind(i16::from(self.store.shard.0))
        .bind(self.store.incarnation_ms)
        .bind(number(self.base))
        .bind(names)
        .bind(contents);
        self.store.within(statement.execute(&mut *self.connection)).await?;
        Ok(())
    }

    async fn drop_superseded(&mut self, names: Vec<String>) -> Result<(), Error> {
        let statement = sqlx::query(
            "DELETE FROM checkpoint_part \
             WHERE shard = $1 AND incarnation_ms = $2 AND base = $3 AND part = ANY ($4)",
        )
        .bind(i16::from(self.store.shard.0))
        .bind(self.store.incarnation_ms)
        .bind(number(self.base))
        .bind(names);
        self.store.within(statement.execute(&mut *self.connection)).await?;
        Ok(())
    }

    /// Drops all but the newest bases, with their parts, and what is of another incarnation.
    async fn drop_bases(&mut self) -> Result<(), Error> {
        let statement = sqlx::query(
            "DELETE FROM checkpoint WHERE shard = $1 AND NOT (incarnation_ms = $2 AND base IN ( \
                 SELECT base FROM checkpoint WHERE shard = $1 AND incarnation_ms = $2 \
                 ORDER BY sequence DESC LIMIT $3))",
        )
        .bind(i16::from(self.store.shard.0))
        .bind(self.store.incarnation_ms)
        .bind(BASES_KEPT);
        self.store.within(statement.execute(&mut *self.connection)).await?;
        Ok(())
    }
}

/// The newest checkpoint of a shard, for auditors: its stream sequence, and what it says unless it
/// cannot be read.
///
/// # Errors
/// What Postgres says.
pub async fn newest_checkpoint(
    pool: &PgPool,
    shard: ShardId,
    incarnation_ms: i64,
) -> Result<Option<(u64, Option<CheckpointView>)>, sqlx::Error> {
    load(pool, shard, incarnation_ms, |at, checkpoint| {
        Some((at, checkpoint.and_then(Checkpoint::view)))
    })
    .await
}

/// The oldest checkpoint of a shard that can be read and from whose last batch the journal leads
/// on, as `reaches` says of it; for auditors.
///
/// # Errors
/// What Postgres says.
pub async fn oldest_checkpoint(
    pool: &PgPool,
    shard: ShardId,
    incarnation_ms: i64,
    reaches: impl Fn(&Applied) -> bool,
) -> Result<Option<CheckpointView>, sqlx::Error> {
    let mut oldest = None;
    load(pool, shard, incarnation_ms, |_, checkpoint| {
        let view = checkpoint.and_then(Checkpoint::view);
        if let Some(view) = view.filter(|view| reaches(&view.applied)) {
            oldest = Some(view);
        }
        None::<()>
    })
    .await?;
    Ok(oldest)
}

/// The head of the oldest checkpoint, once there are `count` whose heads can be read; their parts
/// are read when one is loaded.
pub(crate) async fn oldest_head(
    pool: &PgPool,
    shard: ShardId,
    incarnation_ms: i64,
    count: i64,
) -> Result<Option<Head>, sqlx::Error> {
    let heads = sqlx::query_scalar::<_, Vec<u8>>(
        "SELECT head FROM checkpoint WHERE shard = $1 AND incarnation_ms = $2 \
         ORDER BY sequence DESC",
    )
    .bind(i16::from(shard.0))
    .bind(incarnation_ms)
    .fetch_all(pool)
    .await?;
    if i64::try_from(heads.len()).expect("a count of rows") < count {
        return Ok(None);
    }
    let heads: Option<Vec<Head>> = heads.iter().map(|head| unseal(head)).collect();
    Ok(heads.and_then(|mut heads| heads.pop()))
}

/// Reads the checkpoints, newest first, until one is wanted.
async fn load<T>(
    pool: &PgPool,
    shard: ShardId,
    incarnation_ms: i64,
    mut want: impl FnMut(u64, Option<Checkpoint>) -> Option<T>,
) -> Result<Option<T>, sqlx::Error> {
    // One moment for heads and parts, which others replace meanwhile.
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    let mut transaction = pool.begin_with(begin).await?;
    let heads = sqlx::query(
        "SELECT base, sequence, head FROM checkpoint \
         WHERE shard = $1 AND incarnation_ms = $2 ORDER BY sequence DESC",
    )
    .bind(i16::from(shard.0))
    .bind(incarnation_ms)
    .fetch_all(&mut *transaction)
    .await?;
    for row in heads {
        let parts = sqlx::query(
            "SELECT part, content FROM checkpoint_part \
             WHERE shard = $1 AND incarnation_ms = $2 AND base = $3",
        )
        .bind(i16::from(shard.0))
        .bind(incarnation_ms)
        .bind(row.try_get::<i64, _>("base")?)
        .fetch_all(&mut *transaction)
        .await?;
        let parts = parts.iter().map(|row| Ok((row.try_get("part")?, row.try_get("content")?)));
        let contents = parts.collect::<Result<HashMap<_, _>, sqlx::Error>>()?;
        let head: &[u8] = row.try_get("head")?;
        // A large one takes longer than a runtime thread may be kept from its other tasks.
        let checkpoint = tokio::task::block_in_place(|| {
            unseal(head).and_then(|head: Head| head.assemble(shard, &contents))
        });
        let sequence = row.try_get::<i64, _>("sequence")?.cast_unsigned();
        if let Some(wanted) = want(sequence, checkpoint) {
            return Ok(Some(wanted));
        }
    }
    Ok(None)
}

fn number(sequence: u64) -> i64 {
    i64::try_from(sequence).expect("a stream sequence fits")
}
