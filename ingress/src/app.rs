//! What all handlers share.

use std::sync::Arc;

use chassis::idempotency::Keys;
use chassis::keys::{HmacKey, KeyFolder};
use chassis::{Health, Nats, Shutdown, stream_config};
use schema::{Shards, stream};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::Semaphore;

use crate::accounts::{Jwks, Passwords, Throttle, Tokens};
use crate::admin::HISTORIES_MAX;
use crate::asks::Asks;
use crate::bookings::Bookings;
use crate::catalog::Catalog;
use crate::channels::Guesses;
use crate::config::Config;
use crate::error::Error;
use crate::keyed;
use crate::rooms::{Passes, Rooms};
use crate::statements::STATEMENTS_MAX;
use crate::views::{Renderings, Views};

/// What the process gives to this stage.
#[derive(Clone)]
pub struct Deps {
    pub nats: Nats,
    /// `None` only for a gateway of waiting rooms alone.
    pub postgres: Option<PgPool>,
    pub keys: KeyFolder,
    pub health: Health,
    pub shutdown: Shutdown,
    /// Names this process on the bus: letters, digits and hyphens.
    pub instance: String,
    /// Of the system.
    pub shards: Shards,
    /// The waiting room's routes for `/openapi.json`, wherever they are answered.
    pub queue_document: Option<utoipa::openapi::OpenApi>,
}

#[derive(Debug)]
pub struct App {
    pub config: Config,
    pub nats: Nats,
    pub postgres: PgPool,
    pub shutdown: Shutdown,
    pub shards: Shards,
    pub tokens: Tokens,
    pub passes: Passes,
    pub jwks: Jwks,
    pub passwords: Passwords,
    pub throttle: Throttle,
    pub guesses: Guesses,
    pub keys: Keys,
    /// From which the secrets of webhooks are made.
    pub webhook_key: HmacKey,
    pub catalog: Catalog,
    pub views: Views,
    pub rooms: Rooms,
    pub asks: Asks,
    pub bookings: Bookings,
    pub renderings: Renderings,
    /// Seat maps that may be rendered at once.
    pub rendering: Semaphore,
    /// Histories of seats that may be read at once.
    pub histories: Semaphore,
    /// Statements that may be read at once.
    pub statements: Semaphore,
    /// Streams that may be open at once.
    pub streams: Arc<Semaphore>,
}

/// The keys' names in the folder that all stages share.
pub const ACCOUNT_KEY: &str = "account";
const PASS_KEY: &str = "pass";
const TICKET_KEY: &str = "ticket";

/// Settlement signs with it.
const WEBHOOK_KEY: &str = "webhook";

/// Of the key that stands behind fingerprints and secrets that are shown once.
const REPEAT_KEY: &str = "repeat";

impl App {
    /// Opens everything and starts the followers; readiness says when they have caught up.
    pub async fn start(config: Config, deps: &Deps) -> Result<Self, Error> {
        config.check();
        let Deps { nats, postgres, keys, health, shutdown, instance, .. } = deps;
        let shards = deps.shards;
        let postgres = match postgres {
            Some(postgres) => postgres.clone(),
            None => no_store(&config).await,
        };
        let account_key = keys.ed25519(ACCOUNT_KEY)?;
        let pass_key = keys.ed25519(PASS_KEY)?;
        let ticket_key = keys.ed25519(TICKET_KEY)?;
        let published = [("account", &account_key), ("pass", &pass_key), ("ticket", &ticket_key)];
        ensure_streams(nats, shards).await?;
        let repeats = Keys::new(&postgres, keys.hmac(REPEAT_KEY)?);
        if !config.rooms_only {
            keyed::sweep(repeats.clone(), shutdown.clone());
        }
        let places = |count: u32| usize::try_from(count).expect("usize has 32 bits or more");
        Ok(Self {
            tokens: Tokens::new(&account_key, config.token_ttl_s),
            passes: Passes::new(&pass_key),
            jwks: Jwks::of(&published),
            passwords: Passwords::new(config.passwords),
            throttle: Throttle::new(config.logins, config.plays_crowd()),
            guesses: Guesses::new(config.channel_codes),
            keys: repeats,
            webhook_key: keys.hmac(WEBHOOK_KEY)?,
            catalog: Catalog::start(nats, health, shutdown),
            views: Views::start(nats, shards, config.keep(), health, shutdown),
            rooms: Rooms::start(nats, health, shutdown).await?,
            asks: Asks::start(nats, shards, instance, shutdown).await?,
            bookings: Bookings::start(&postgres),
            renderings: Renderings::default(),
            rendering: Semaphore::new(places(config.renderings_max)),
            histories: Semaphore::new(HISTORIES_MAX),
            statements: Semaphore::new(STATEMENTS_MAX),
            streams: Arc::new(Semaphore::new(places(config.streams_max))),
            nats: nats.clone(),
            postgres,
            shutdown: shutdown.clone(),
            shards,
            config,
        })
    }

    /// Streams that are open now.
    pub fn open_streams(&self) -> usize {
        let places = usize::try_from(self.config.streams_max).expect("usize has 32 bits or more");
        places.saturating_sub(self.streams.available_permits())
    }
}

/// A closed pool, which no route of waiting rooms asks.
async fn no_store(config: &Config) -> PgPool {
    assert!(config.rooms_only, "all other gateways have a store");
    let pool = PgPoolOptions::new().connect_lazy_with(PgConnectOptions::new_without_pgpass());
    pool.close().await;
    pool
}

/// Makes the streams that this stage writes to and reads, if no other stage has.
async fn ensure_streams(nats: &Nats, shards: Shards) -> Result<(), Error> {
    for spec in shards.all().map(stream::journal).chain([stream::catalog()]) {
        nats.ensure_stream(&stream_config(&spec, nats.replicas)).await?;
    }
    // In memory: what it loses is sent again. The copies are there so that it takes commands while
    // a server of a cluster is away.
    nats.ensure_stream(&stream_config(&stream::commands(), nats.replicas)).await?;
    Ok(())
}
