//! The stage: a reader for each journal, drivers for orders, a relay for verdicts, and a desk for
//! what others ask.

use crate::area::Areas;
use crate::books::{self, Books};
use crate::catalogue::Catalogue;
use crate::config::Config;
use crate::desk;
use crate::driver::Context;
use crate::error::Error;
use crate::guarded::Guarded;
use crate::journal::Journal;
use crate::load;
use crate::metrics;
use crate::provider::Provider;
use crate::reconcile;
use crate::sandbox::Sandbox;
use crate::seats::Owners;
use crate::store::{Lease, Store};
use crate::stripe::{self, Stripe};
use crate::terms::TermsBook;
use crate::verdict::{Verdicts, relay};
use crate::webhooks::{self, Sender};
use crate::work::Work;
use chassis::keys::{KeyFolder, random_bytes};
use chassis::{Health, Nats, Shutdown, stream_config, tasks};
use schema::{
    CancelBooking, CancelTicket, CheckIn, ProviderEvent, Shards, TransferTicket, stream, subject,
};
use sqlx::PgPool;
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// The key that signs tickets, in the key folder.
const TICKET_KEY: &str = "ticket";

/// The key from which the secrets of webhooks are made.
const WEBHOOK_KEY: &str = "webhook";

/// What the stage needs from its process.
#[derive(Debug, Clone)]
pub struct Deps {
    pub nats: Nats,
    /// A migrated database.
    pub postgres: PgPool,
    pub keys: KeyFolder,
    pub health: Health,
    pub shutdown: Shutdown,
    /// This process, in service lists.
    pub instance: String,
    /// Of the system.
    pub shards: Shards,
}

/// Runs the stage with the configured provider until `deps.shutdown`.
///
/// # Errors
/// [`Error`] when something is not as needed at the start, or a journal is damaged.
pub async fn run(config: Config, deps: Deps) -> Result<(), Error> {
    let providers = providers(&config, &deps.postgres)?;
    run_with(config, deps, providers).await
}

/// The providers that can be asked, the one that takes the money of new orders first.
///
/// # Errors
/// [`Error::ProviderUnknown`], [`Error::ProviderUnset`].
pub fn providers(config: &Config, pool: &PgPool) -> Result<Vec<Arc<dyn Provider>>, Error> {
    let sandbox = || Arc::new(Sandbox::start(pool)) as Arc<dyn Provider>;
    let stripe = || Stripe::new(&config.stripe).map(|made| Arc::new(made) as Arc<dyn Provider>);
    match config.provider.as_str() {
        Sandbox::NAME if config.stripe.is_set() => Ok(vec![sandbox(), stripe()?]),
        Sandbox::NAME => Ok(vec![sandbox()]),
        stripe::NAME => Ok(vec![stripe()?, sandbox()]),
        name => Err(Error::ProviderUnknown { name: name.to_owned() }),
    }
}

/// Runs the stage with any providers until `deps.shutdown`; the first takes the money of new
/// orders.
///
/// # Errors
/// As [`run`].
pub async fn run_with(
    config: Config,
    deps: Deps,
    providers: Vec<Arc<dyn Provider>>,
) -> Result<(), Error> {
    config.check();
    let Deps { nats, health, shutdown, shards, .. } = &deps;
    metrics::declare(*shards);
    // Before the first await: a process that asks whether it is ready must find them missing.
    let registered = |shard| health.register(format!("settlement journal {shard}"));
    let healths: Vec<_> = shards.all().map(registered).collect();
    prepare_streams(nats, *shards).await?;
    let cancels = desk::listen::<CancelBooking>(nats).await?;
    let ticket_cancels = desk::listen::<CancelTicket>(nats).await?;
    let check_ins = desk::listen::<CheckIn>(nats).await?;
    let transfers = desk::listen::<TransferTicket>(nats).await?;
    let events = desk::listen::<ProviderEvent>(nats).await?;
    let work = Work::new(Arc::new(context(config, &deps, providers)?));
    let answering = desk::serve::<CancelBooking>(nats.clone(), cancels, work.clone());
    tasks::spawn("settlement-cancels", answering);
    let answering = desk::serve::<CancelTicket>(nats.clone(), ticket_cancels, work.clone());
    tasks::spawn("settlement-ticket-cancels", answering);
    let answering = desk::serve::<CheckIn>(nats.clone(), check_ins, work.clone());
    tasks::spawn("settlement-check-ins", answering);
    let answering = desk::serve::<TransferTicket>(nats.clone(), transfers, work.clone());
    tasks::spawn("settlement-transfers", answering);
    let answering = desk::serve::<ProviderEvent>(nats.clone(), events, work.clone());
    tasks::spawn("settlement-events", answering);
    tasks::spawn("settlement-sweep", work.clone().sweep());
    let loads = load::tell(nats.clone(), work.clone(), deps.instance.clone(), shutdown.clone());
    tasks::spawn("settlement-load", loads);
    let context = &work.context;
    let relaying = relay(context.verdicts.clone(), context.store.clone(), shutdown.clone());
    tasks::spawn("settlement-relay", relaying);
    for provider in std::iter::once(&context.provider).chain(&context.others) {
        let (pool, provider) = (deps.postgres.clone(), Arc::clone(provider));
        let reconciling = reconcile::run(pool, provider, shutdown.clone());
        tasks::spawn("settlement-reconcile", reconciling);
    }
    let owners = Owners { nats: nats.clone(), shards: *shards };
    let comparing = books::run(Books { pool: deps.postgres.clone(), owners }, shutdown.clone());
    tasks::spawn("settlement-books", comparing);
    tasks::spawn("settlement-messages", webhooks::relay(Arc::clone(context)));
    let webhook_key = deps.keys.hmac(WEBHOOK_KEY).map_err(prepared("load the webhook key"))?;
    let sender = Sender::new(Arc::clone(context), webhook_key);
    tasks::spawn("settlement-webhooks", sender.run());
    let here = HashMap::from([("instance".to_owned(), deps.instance.clone())]);
    let version = env!("CARGO_PKG_VERSION");
    let announced = chassis::announce(nats, subject::SERVICE_SETTLEMENT, version, here).await;
    let announced = announced.map_err(prepared("announce the service"))?;
    let mut journals = Vec::new();
    for (shard, health) in shards.all().zip(healths) {
        let journal = Journal { nats: nats.clone(), shard, work: work.clone(), health };
        journals.push(tasks::spawn("settlement-journal", journal.run()));
    }
    let result = tasks::all(journals, "settlement", shutdown).await;
    drop(announced);
    result
}

fn context(
    config: Config,
    deps: &Deps,
    providers: Vec<Arc<dyn Provider>>,
) -> Result<Context, Error> {
    let mut guarded = providers.into_iter().map(|provider| Arc::new(Guarded::new(provider)));
    let provider = guarded.next().expect("somebody takes the money of new orders");
    let ticket_key = deps.keys.ed25519(TICKET_KEY).map_err(prepared("load the ticket key"))?;
    let lease = Lease { owner: Uuid::from_bytes(random_bytes()), ms: config.lease_ms };
    let catalogue = Catalogue { nats: deps.nats.clone() };
    Ok(Context {
        store: Store::start(&deps.postgres, &config, provider.name(), lease),
        provider,
        others: guarded.collect(),
        ticket_key,
        areas: Areas::new(catalogue.clone(), deps.postgres.clone()),
        terms: TermsBook::new(catalogue),
        verdicts: Verdicts::start(&deps.nats, deps.shards),
        lease,
        shutdown: deps.shutdown.clone(),
        config,
    })
}

/// Makes the streams that are read and written, in case this is the first stage to start.
async fn prepare_streams(nats: &Nats, shards: Shards) -> Result<(), Error> {
    let what = "prepare the streams";
    let commands = stream_config(&stream::commands(), nats.replicas);
    nats.ensure_stream(&commands).await.map_err(prepared(what))?;
    for shard in shards.all() {
        let config = stream_config(&stream::journal(shard), nats.replicas);
        nats.ensure_stream(&config).await.map_err(prepared(what))?;
    }
    Ok(())
}

fn prepared(what: &'static str) -> impl FnOnce(chassis::Error) -> Error {
    move |source| Error::Prepare { what, source: Arc::new(source) }
}
