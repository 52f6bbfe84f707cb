//! What Postgres takes at most of the rows that a sale leaves, in large batches.

use crate::dice::Dice;
use crate::record::Latency;
use anyhow::Context as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use uuid::Uuid;

/// Orders of one statement and one commit: as many as settlement puts together at most.
const BATCH_ORDERS: usize = 256;

/// Connections that insert at the same time: one waits for the disk while the other works.
const CONNECTIONS: u32 = 2;

const PRICE: i64 = 6_900;

/// What is inserted: orders of parties by these weights.
#[derive(Debug, Clone)]
pub struct Inserting {
    pub url: String,
    pub parties: Vec<f64>,
    pub time: Duration,
}

/// The columns of one batch.
#[derive(Default)]
struct Batch {
    orders: Vec<Uuid>,
    commands: Vec<Uuid>,
    amounts: Vec<i64>,
    first_seats: Vec<i32>,
    places: Vec<i32>,
}

/// Inserts for the time; returns orders a second and how long a batch took.
pub async fn insert(inserting: &Inserting) -> anyhow::Result<(f64, Latency)> {
    let options: PgConnectOptions = inserting.url.parse().context("read Postgres' address")?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .min_connections(CONNECTIONS)
        .connect_with(options)
        .await
        .context("connect to Postgres")?;
    let is_made = "SELECT to_regclass('ledger_entry') IS NOT NULL";
    if !sqlx::query_scalar::<_, bool>(is_made).fetch_one(&pool).await? {
        let tables = include_str!("../../../../schema/migrations/0003_settlement.sql");
        sqlx::raw_sql(tables).execute(&pool).await.context("make settlement's tables")?;
    }
    let begun = Instant::now();
    let until = begun + inserting.time;
    let mut inserters = JoinSet::new();
    for number in 0..CONNECTIONS {
        let dice = Dice::new(3, number.into());
        let event = format!("RAW{}", Uuid::now_v7().simple());
        inserters.spawn(insert_into(pool.clone(), event, inserting.parties.clone(), dice, until));
    }
    let mut latency = Latency::default();
    while let Some(done) = inserters.join_next().await {
        latency.merge(&done??);
    }
    let batch = u64::try_from(BATCH_ORDERS).expect("a small number");
    Ok((crate::measure::rate(latency.count() * batch, begun.elapsed()), latency))
}

async fn insert_into(
    pool: PgPool,
    event: String,
    parties: Vec<f64>,
    mut dice: Dice,
    until: Instant,
) -> anyhow::Result<Latency> {
    let mut latency = Latency::default();
    let mut next_seat = 0;
    loop {
        let asked = Instant::now();
        if until <= asked {
            return Ok(latency);
        }
        let batch = Batch::next(&mut next_seat, &parties, &mut dice);
        sqlx::query(include_str!("raw_postgres.sql"))
            .bind(batch.orders)
            .bind(batch.commands)
            .bind(batch.amounts)
            .bind(batch.first_seats)
            .bind(batch.places)
            .bind(&event)
            .bind(super::store::now_ms())
            .execute(&pool)
            .await
            .context("insert a batch")?;
        latency.add(asked.elapsed());
    }
}

impl Batch {
    fn next(next_seat: &mut i32, parties: &[f64], dice: &mut Dice) -> Self {
        let mut batch = Self::default();
        for _ in 0..BATCH_ORDERS {
            let places = dice.choose(parties.iter().copied()) + 1;
            let places = i32::try_from(places).expect("a small party");
            batch.orders.push(Uuid::now_v7());
            batch.commands.push(Uuid::now_v7());
            batch.amounts.push(PRICE * i64::from(places));
            batch.first_seats.push(*next_seat);
            batch.places.push(places);
            *next_seat += places;
        }
        batch
    }
}
