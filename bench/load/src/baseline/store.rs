//! What the shops keep in Postgres, and the words between them and their HTTP side.

use super::hall::Hall;
use super::tokens::random_text;
use anyhow::Context as _;
use sqlx::PgExecutor;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// How long a question may wait for a connection.
const ACQUIRE_WAIT: Duration = Duration::from_secs(10);

/// What is wished for.
#[derive(Debug, Clone)]
pub struct Wish {
    pub id: Uuid,
    pub account: Uuid,
    pub key: Option<String>,
    /// Of the request's body.
    pub fingerprint: i64,
    pub now: i64,
    pub expires_at: i64,
}

/// What came of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    Fresh {
        seats: Vec<i32>,
    },
    Replayed {
        id: Uuid,
        seats: Vec<i32>,
        expires_at: i64,
    },
    /// The key was used for another request.
    Mismatch,
    Taken,
}

/// A payment that the provider has agreed to.
#[derive(Debug, Clone)]
pub struct Payment {
    pub id: Uuid,
    pub account: Uuid,
    pub method: String,
    pub token: String,
    pub now: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paid {
    Sold { event_no: i32, seats: Vec<i32>, codes: Vec<String> },
    Unknown,
    Expired,
}

/// Connects, and makes the tables.
pub async fn open(url: &str, connections: u32) -> anyhow::Result<PgPool> {
    let pool = connect(url, connections).await?;
    sqlx::raw_sql(include_str!("store.sql")).execute(&pool).await.context("make the tables")?;
    Ok(pool)
}

/// All connections at once.
pub async fn connect(url: &str, connections: u32) -> anyhow::Result<PgPool> {
    let options: PgConnectOptions = url.parse().context("read the address of Postgres")?;
    PgPoolOptions::new()
        .max_connections(connections)
        .min_connections(connections)
        .acquire_timeout(ACQUIRE_WAIT)
        // The closed loop would notice a broken connection; a question before each costs a trip.
        .test_before_acquire(false)
        .connect_with(options)
        .await
        .context("connect to Postgres")
}

/// Puts the seats of an event on sale.
pub async fn put_on_sale(pool: &PgPool, hall: &Hall) -> Result<(), sqlx::Error> {
    let prices: Vec<i64> = (0..hall.seat_count).map(|seat| hall.seat(seat).price).collect();
    let insert = "INSERT INTO seat (event_no, seat_idx, price) \
                  SELECT $1, idx - 1, price FROM unnest($2) WITH ORDINALITY AS s(price, idx)";
    sqlx::query(insert).bind(hall.number).bind(prices).execute(pool).await?;
    Ok(())
}

/// Lets the planner see what was put on sale.
pub async fn analyze(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query("VACUUM ANALYZE seat").execute(pool).await?;
    Ok(())
}

/// Looks for what a key stands for.
pub async fn find_key(
    postgres: impl PgExecutor<'_>,
    wish: &Wish,
) -> Result<Option<Held>, sqlx::Error> {
    let Some(key) = &wish.key else { return Ok(None) };
    let find = "SELECT i.fingerprint, r.reservation_id, r.seats, r.expires_at FROM idempotency i \
                JOIN reservation r USING (reservation_id) WHERE i.account_id = $1 AND i.key = $2";
    let find = sqlx::query_as::<_, (i64, Uuid, Vec<i32>, i64)>(find);
    let found = find.bind(wish.account).bind(key).fetch_optional(postgres).await?;
    Ok(found.map(|(fingerprint, id, seats, expires_at)| {
        let is_same = fingerprint == wish.fingerprint;
        if is_same { Held::Replayed { id, seats, expires_at } } else { Held::Mismatch }
    }))
}

/// Ticket codes: random, one for each seat.
pub fn codes(count: usize) -> Vec<String> {
    (0..count).map(|_| random_text()).collect()
}

pub fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    i64::try_from(now.as_millis()).expect("the clock is far below 292 million years")
}
