//! What most teams build: a lock in Redis for each seat, then one transaction in Postgres.
//!
//! Reserve: all locks in one round trip; BEGIN; one statement that checks and changes the seats and
//! stores the reservation with its idempotency key; COMMIT; the locks are given back by compare and
//! delete. Confirm: BEGIN; the reservation is locked; one statement stores order, payment, tickets
//! and ledger; COMMIT. A shop that charges stores first what it is about to charge for, and has its
//! provider set the money aside; behind the COMMIT the provider takes it.

use super::hall::Hall;
use super::provider::Provider;
use super::store::{self, Held, Paid, Payment, Wish};
use anyhow::Context as _;
use redis::Script;
use redis::aio::MultiplexedConnection;
use sqlx::PgPool;

/// How long a lock lives if its owner dies: far longer than a transaction takes.
const LOCK_MS: u64 = 5_000;

/// Deletes the locks that are ours still.
const UNLOCK: &str = "for _, key in ipairs(KEYS) do \
                      if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end end";

/// What a shop that charges is about to charge for.
const BEGUN: &str = "CREATE TABLE begun_charge (
    reservation_id UUID    PRIMARY KEY,
    amount         BIGINT  NOT NULL,
    currency       CHAR(3) NOT NULL,
    begun_at       BIGINT  NOT NULL
)";

/// Notes a payment of a reservation that can be paid; a repetition finds the note.
const BEGIN: &str = "INSERT INTO begun_charge AS b (reservation_id, amount, currency, begun_at)
    SELECT reservation_id, total, currency, $3 FROM reservation
    WHERE reservation_id = $1 AND account_id = $2 AND NOT confirmed AND $3 <= expires_at
    ON CONFLICT (reservation_id) DO UPDATE SET amount = b.amount
    RETURNING amount, currency::TEXT";

pub struct Conventional {
    pool: PgPool,
    redis: MultiplexedConnection,
    unlock: Script,
    /// That says yes at once and remembers nothing where there is none.
    provider: Option<Provider>,
}

impl Conventional {
    pub async fn open(postgres: &str, redis: &str, connections: u32) -> anyhow::Result<Self> {
        let pool = store::open(postgres, connections).await?;
        let client = redis::Client::open(redis).context("read the address of Redis")?;
        let redis = client.get_multiplexed_async_connection().await.context("connect to Redis")?;
        Ok(Self { pool, redis, unlock: Script::new(UNLOCK), provider: None })
    }

    /// One that charges for what it sells.
    pub async fn charging(postgres: &str, redis: &str, connections: u32) -> anyhow::Result<Self> {
        let shop = Self::open(postgres, redis, connections).await?;
        sqlx::raw_sql(BEGUN).execute(&shop.pool).await.context("make the table of charges")?;
        let provider = Some(Provider::open(store::connect(postgres, connections).await?).await?);
        Ok(Self { provider, ..shop })
    }

    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub async fn hold(&self, wish: &Wish, hall: &Hall, seats: Vec<i32>) -> anyhow::Result<Held> {
        let keys: Vec<String> =
            seats.iter().map(|seat| format!("lock:{}:{seat}", hall.number)).collect();
        let owner = wish.id.simple().to_string();
        let locked = self.lock(&keys, &owner).await?;
        let mut done = None;
        if locked.len() == keys.len() {
            done = Some(self.hold_locked(wish, hall, &seats).await);
        }
        self.unlock(&locked, &owner).await?;
        match done.transpose()? {
            Some(true) => Ok(Held::Fresh { seats }),
            // Taken, or a repetition: the key tells.
            _ => Ok(store::find_key(&self.pool, wish).await?.unwrap_or(Held::Taken)),
        }
    }

    /// Returns the keys that were locked.
    async fn lock<'a>(&self, keys: &'a [String], owner: &str) -> anyhow::Result<Vec<&'a str>> {
        let mut pipe = redis::pipe();
        for key in keys {
            pipe.cmd("SET").arg(key).arg(owner).arg("NX").arg("PX").arg(LOCK_MS);
        }
        let set: Vec<Option<String>> = pipe.query_async(&mut self.redis.clone()).await?;
        let locked = keys.iter().zip(set).filter(|(_, set)| set.is_some());
        Ok(locked.map(|(key, _)| key.as_str()).collect())
    }

    async fn unlock(&self, keys: &[&str], owner: &str) -> anyhow::Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut unlock = self.unlock.prepare_invoke();
        for key in keys {
            unlock.key(*key);
        }
        let unlocked = unlock.arg(owner).invoke_async::<()>(&mut self.redis.clone()).await;
        unlocked.context("give locks back")
    }

    /// Whether all seats were free and the key new; nothing has changed otherwise.
    async fn hold_locked(&self, wish: &Wish, hall: &Hall, seats: &[i32]) -> anyhow::Result<bool> {
        let mut transaction = self.pool.begin().await?;
        let whole: bool = sqlx::query_scalar(include_str!("hold.sql"))
            .bind(wish.id)
            .bind(wish.account)
            .bind(hall.number)
            .bind(seats)
            .bind(wish.expires_at)
            .bind(wish.now)
            .bind(&hall.currency)
            .bind(wish.key.as_deref())
            .bind(wish.fingerprint)
            .fetch_one(&mut *transaction)
            .await?;
        if whole {
            transaction.commit().await?;
        } else {
            transaction.rollback().await?;
        }
        Ok(whole)
    }

    pub async fn pay(&self, payment: &Payment) -> anyhow::Result<Paid> {
        let provider_id = payment.id.simple().to_string();
        if let Some(provider) = &self.provider {
            // Durable before the provider is asked: else a shop that dies behind that has taken
            // money and knows nothing of it.
            let begin = sqlx::query_as::<_, (i64, String)>(BEGIN);
            let begin = begin.bind(payment.id).bind(payment.account).bind(payment.now);
            let noted = begin.fetch_optional(&self.pool).await.context("note a charge")?;
            // What cannot be paid is told below.
            if let Some((total, currency)) = noted {
                provider.authorise(&provider_id, total, &currency, payment.now).await?;
            }
        }
        let mut transaction = self.pool.begin().await?;
        let find = "SELECT event_no, seats, total, currency, confirmed, expires_at \
                    FROM reservation WHERE reservation_id = $1 AND account_id = $2 FOR UPDATE";
        let find = sqlx::query_as::<_, (i32, Vec<i32>, i64, String, bool, i64)>(find);
        let find = find.bind(payment.id).bind(payment.account);
        let found = find.fetch_optional(&mut *transaction).await?;
        let Some((event_no, seats, total, currency, confirmed, expires_at)) = found else {
            return Ok(Paid::Unknown);
        };
        if confirmed {
            let find = "SELECT code FROM ticket WHERE order_id = $1 ORDER BY line";
            let find = sqlx::query_scalar(find).bind(payment.id);
            let codes = find.fetch_all(&mut *transaction).await?;
            return Ok(Paid::Sold { event_no, seats, codes });
        }
        if expires_at < payment.now {
            return Ok(Paid::Expired);
        }
        let codes = store::codes(seats.len());
        let sold: i64 = sqlx::query_scalar(include_str!("pay.sql"))
            .bind(payment.id)
            .bind(payment.account)
            .bind(event_no)
            .bind(&seats)
            .bind(&payment.method)
            .bind(&payment.token)
            .bind(total)
            .bind(&currency)
            .bind(payment.now)
            .bind(&provider_id)
            .bind(&codes)
            .fetch_one(&mut *transaction)
            .await?;
        if usize::try_from(sold) != Ok(seats.len()) {
            transaction.rollback().await?;
            if let Some(provider) = &self.provider {
                provider.cancel(&provider_id, payment.now).await?;
            }
            return Ok(Paid::Expired);
        }
        transaction.commit().await?;
        if let Some(provider) = &self.provider {
            provider.capture(&provider_id, payment.now).await?;
        }
        Ok(Paid::Sold { event_no, seats, codes })
    }
}
