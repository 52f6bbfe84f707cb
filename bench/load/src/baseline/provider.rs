//! A payment provider that remembers, as Usher's sandbox does: in Postgres, before it answers.

use anyhow::{Context as _, ensure};
use sqlx::PgPool;
use sqlx::postgres::PgQueryResult;

/// A schema of its own, which a shop otherwise never touches.
const TABLES: &str = "CREATE SCHEMA provider;
    CREATE TABLE provider.payment (
        payment_id TEXT    PRIMARY KEY,
        amount     BIGINT  NOT NULL CHECK (0 <= amount),
        currency   CHAR(3) NOT NULL,
        state      TEXT    NOT NULL,
        created_at BIGINT  NOT NULL,
        updated_at BIGINT  NOT NULL
    ) WITH (fillfactor = 50)";

/// Connections of its own, so that nobody who waits for its answer keeps it from giving it.
pub struct Provider {
    pool: PgPool,
}

impl Provider {
    pub async fn open(pool: PgPool) -> anyhow::Result<Self> {
        sqlx::raw_sql(TABLES).execute(&pool).await.context("make the provider's table")?;
        Ok(Self { pool })
    }

    /// Sets money aside: once, however often it is asked for.
    pub async fn authorise(
        &self,
        payment: &str,
        amount: i64,
        currency: &str,
        now: i64,
    ) -> anyhow::Result<()> {
        let authorise = "INSERT INTO provider.payment AS p VALUES \
                         ($1, $2, $3, 'authorised', $4, $4) ON CONFLICT (payment_id) \
                         DO UPDATE SET updated_at = $4 WHERE p.state = 'authorised'";
        let authorise = sqlx::query(authorise).bind(payment).bind(amount).bind(currency).bind(now);
        one(&authorise.execute(&self.pool).await.context("authorise a payment")?)
    }

    /// Takes what was set aside.
    pub async fn capture(&self, payment: &str, now: i64) -> anyhow::Result<()> {
        self.end(payment, "captured", now).await
    }

    /// Gives up what was set aside.
    pub async fn cancel(&self, payment: &str, now: i64) -> anyhow::Result<()> {
        self.end(payment, "cancelled", now).await
    }

    async fn end(&self, payment: &str, state: &'static str, now: i64) -> anyhow::Result<()> {
        let end = "UPDATE provider.payment SET state = $2, updated_at = $3 \
                   WHERE payment_id = $1 AND state IN ('authorised', $2)";
        let end = sqlx::query(end).bind(payment).bind(state).bind(now);
        one(&end.execute(&self.pool).await.context("end a payment")?)
    }
}

fn one(changed: &PgQueryResult) -> anyhow::Result<()> {
    ensure!(changed.rows_affected() == 1, "the payment is not as it was asked for");
    Ok(())
}
