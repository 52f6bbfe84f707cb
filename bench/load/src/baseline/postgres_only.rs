//! What one database can do alone: a request is one call of one stored function.
//!
//! Named seats are a conditional UPDATE, the best available ones are found past those that others
//! are just taking (SKIP LOCKED). It is the fastest form that we know for Postgres.

use super::hall::Hall;
use super::store::{self, Held, Paid, Payment, Wish};
use anyhow::Context as _;
use sqlx::error::ErrorKind;
use sqlx::{PgConnection, PgPool};

/// Most seats of a reservation: as many codes go along with a payment.
const SEATS_MAX: usize = 10;

/// What the functions raise when seats are taken: `lock_not_available`.
const TAKEN: &str = "55P03";

pub struct PostgresOnly {
    pool: PgPool,
}

/// Which seats are wished for.
pub enum Choice {
    Named(Vec<i32>),
    /// As many as this, the search beginning at a seat.
    Best {
        from: i32,
        count: i32,
    },
}

impl PostgresOnly {
    pub async fn open(postgres: &str, connections: u32) -> anyhow::Result<Self> {
        let pool = store::open(postgres, connections).await?;
        let functions = sqlx::raw_sql(include_str!("functions.sql"));
        functions.execute(&pool).await.context("make the functions")?;
        Ok(Self { pool })
    }

    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub async fn hold(&self, wish: &Wish, hall: &Hall, choice: Choice) -> anyhow::Result<Held> {
        // Postgres tells of an error before it takes back what was done: the next question on the
        // same connection waits until the seats are unlocked, so a refusal holds nothing when told.
        let mut connection = self.pool.acquire().await?;
        let held = match choice {
            Choice::Named(seats) => {
                hold_named(&mut connection, wish, hall, &seats).await.map(|()| seats)
            }
            Choice::Best { from, count } => {
                hold_best(&mut connection, wish, hall, from, count).await
            }
        };
        let error = match held {
            Ok(seats) => return Ok(Held::Fresh { seats }),
            Err(error) => error,
        };
        let database = error.as_database_error();
        let expected = database.is_some_and(|error| {
            error.code().is_some_and(|code| code == TAKEN)
                || error.kind() == ErrorKind::UniqueViolation
        });
        if !expected {
            return Err(error.into());
        }
        Ok(store::find_key(&mut *connection, wish).await?.unwrap_or(Held::Taken))
    }

    pub async fn pay(&self, payment: &Payment) -> anyhow::Result<Paid> {
        let pay = "SELECT outcome, event_no, seats, codes FROM pay($1, $2, $3, $4, $5, $6, $7)";
        let paid = sqlx::query_as::<_, (String, i32, Vec<i32>, Vec<String>)>(pay)
            .bind(payment.id)
            .bind(payment.account)
            .bind(&payment.method)
            .bind(&payment.token)
            .bind(payment.id.simple().to_string())
            .bind(store::codes(SEATS_MAX))
            .bind(payment.now);
        let (outcome, event_no, seats, codes) = paid.fetch_one(&self.pool).await?;
        Ok(match outcome.as_str() {
            "unknown" => Paid::Unknown,
            "expired" => Paid::Expired,
            _ => Paid::Sold { event_no, seats, codes },
        })
    }
}

/// Holds the named seats.
async fn hold_named(
    connection: &mut PgConnection,
    wish: &Wish,
    hall: &Hall,
    seats: &[i32],
) -> sqlx::Result<()> {
    sqlx::query("SELECT hold_named($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(wish.id)
        .bind(wish.account)
        .bind(hall.number)
        .bind(seats)
        .bind(wish.expires_at)
        .bind(wish.now)
        .bind(&hall.currency)
        .bind(wish.key.as_deref())
        .bind(wish.fingerprint)
        .execute(connection)
        .await?;
    Ok(())
}

/// Holds the next free seats, and says which.
async fn hold_best(
    connection: &mut PgConnection,
    wish: &Wish,
    hall: &Hall,
    from: i32,
    count: i32,
) -> sqlx::Result<Vec<i32>> {
    sqlx::query_scalar("SELECT hold_best($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
        .bind(wish.id)
        .bind(wish.account)
        .bind(hall.number)
        .bind(from)
        .bind(count)
        .bind(wish.expires_at)
        .bind(wish.now)
        .bind(&hall.currency)
        .bind(wish.key.as_deref())
        .bind(wish.fingerprint)
        .fetch_one(connection)
        .await
}
