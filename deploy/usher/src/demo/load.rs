//! Puts the demo catalogue and the demo logins into a running system.

use super::{Catalogue, catalogue};
use crate::cli::Target;
use crate::config;
use anyhow::{Context as _, anyhow};
use async_nats::HeaderMap;
use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use bytes::Bytes;
use chassis::{Backoff, Nats, stream_config};
use futures_util::{TryStreamExt, stream};
use ingress::{NewAccount, PasswordLimits, Passwords, Role, Roles, create_account};
use schema::search::{Answer, Page, Query};
use schema::{AccountId, EventId, codec, subject};
use sqlx::PgPool;
use std::process::ExitCode;
use std::time::Duration;

/// The password of every demo login.
const PASSWORD: &str = "usher-demo";

const ACCOUNTS: [(&str, &str, Role); 3] = [
    ("operator@usher.test", "Demo Operator", Role::Operator),
    ("partner@usher.test", "Demo Partner", Role::Partner),
    ("fan@usher.test", "Demo Fan", Role::Fan),
];

/// What a person at the terminal needs to get in.
pub const LOGINS: &str = "demo logins: operator@usher.test, partner@usher.test, fan@usher.test, \
                          password usher-demo";

/// Entries on their way at once: enough to keep the disk busy with syncs.
const PUBLISHES_MAX: usize = 64;

/// `usher demo`.
pub async fn demo(target: Target) -> anyhow::Result<ExitCode> {
    let config = config::load_for(target.config.as_deref(), &target.data)?;
    chassis::telemetry::init(&config.log)?;
    let nats = Nats::connect(&config.nats, "usher demo").await?;
    let postgres = chassis::connect_postgres(&config.postgres, "usher demo").await?;
    chassis::migrate(&postgres).await?;
    load_once(&nats, &postgres).await?;
    Ok(ExitCode::SUCCESS)
}

/// How often, and how long between, search is asked for the catalogue.
const SEARCHES_MAX: u32 = 100;
const SEARCH_PAUSE: Duration = Duration::from_millis(100);

/// The waits between loads of a system that does not answer in time: a cluster that makes the
/// streams of all its shards at once can leave a call alone for longer than the call waits.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(2);
const PAUSES_MAX: u32 = 5;

/// Loads what is missing of the demo; entries that are there are left alone.
///
/// So a load that fails is tried again, [`PAUSES_MAX`] times.
pub async fn load_once(nats: &Nats, postgres: &PgPool) -> anyhow::Result<()> {
    let mut pauses = Backoff::new(FIRST_PAUSE, PAUSE_MAX, Some(PAUSES_MAX));
    loop {
        let Err(error) = load(nats, postgres).await else { return Ok(()) };
        let Some(pause) = pauses.next_delay() else { return Err(error) };
        tracing::warn!(error = format!("{error:#}"), "the demo is not loaded yet, tried again");
        tokio::time::sleep(pause).await;
    }
}

async fn load(nats: &Nats, postgres: &PgPool) -> anyhow::Result<()> {
    let spec = stream_config(&schema::stream::catalog(), nats.replicas);
    let stream = nats.ensure_stream(&spec).await?;
    let last_entry = stream.get_last_raw_message_by_subject(&subject::catalog_event(&last())).await;
    let complete = match last_entry {
        Ok(_) => true,
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => false,
        Err(error) => return Err(error).context("look into the catalogue"),
    };
    for (email, name, role) in ACCOUNTS {
        ensure_account(postgres, email, name, role).await?;
    }
    if !complete {
        let catalogue = catalogue(chassis::clock::now());
        publish(nats, &catalogue).await?;
        found(nats, catalogue.events.len()).await;
    }
    Ok(())
}

/// The entry that is stored last: where it is, all the others are.
fn last() -> EventId {
    "EVT001".parse().expect("it is an event id")
}

/// Waits until search finds all of it, as somebody who follows the tour expects.
///
/// Bounded: where no indexer runs, nobody searches.
async fn found(nats: &Nats, events: usize) {
    let query = Query { size: 1, ..Query::default() };
    for _ in 0..SEARCHES_MAX {
        let asked = nats.client.request(subject::SEARCH, codec::encode(&query).into());
        let answer = tokio::time::timeout(SEARCH_PAUSE, asked).await;
        if let Ok(Ok(answer)) = answer
            && let Ok(Answer::Found(page)) = codec::decode::<Answer<Page>>(&answer.payload)
            && u64::try_from(events).is_ok_and(|events| events <= page.total)
        {
            return;
        }
        tokio::time::sleep(SEARCH_PAUSE).await;
    }
    tracing::warn!("search does not show the demo catalogue yet");
}

/// Makes the account if its address has none.
async fn ensure_account(
    postgres: &PgPool,
    email: &str,
    name: &str,
    role: Role,
) -> anyhow::Result<()> {
    let hashed = Passwords::new(PasswordLimits::default()).hash(PASSWORD.to_owned()).await;
    let hash = hashed.map_err(|problem| anyhow!("hash a demo password: {}", problem.detail))?;
    // A hash of the address: an operator's scripts may name the demo accounts by their ids.
    let id = chassis::keys::sha256(&[b"demo account", email.as_bytes()]);
    let (id, _) = id.split_first_chunk::<16>().expect("a hash has 32 bytes");
    let new = NewAccount {
        account: AccountId(u128::from_be_bytes(*id)),
        email,
        name,
        password_hash: &hash,
        roles: Roles::of(&[Role::Fan, role]),
    };
    create_account(postgres, &new, chassis::clock::now()).await.context("make a demo account")?;
    Ok(())
}

async fn publish(nats: &Nats, catalogue: &Catalogue) -> anyhow::Result<()> {
    // Settings come first: a listing with a room must find them.
    let settings = nats.ensure_bucket(subject::SETTINGS).await?;
    for (event, room) in &catalogue.rooms {
        settings.put(subject::room_settings(event), codec::encode(room).into()).await?;
    }
    let plans = catalogue.plans.iter();
    let plans = plans.map(|plan| (subject::catalog_plan(&plan.id), codec::encode(plan)));
    put_all(nats, plans.collect()).await?;
    let last = last();
    let (end, events): (Vec<_>, Vec<_>) =
        catalogue.events.iter().partition(|event| event.event == last);
    assert!(end.len() == 1, "the last entry shows that all are there");
    for part in [events, end] {
        let part = part.iter();
        let entries =
            part.map(|event| (subject::catalog_event(&event.event), codec::encode(event)));
        put_all(nats, entries.collect()).await?;
    }
    tracing::info!(events = catalogue.events.len(), "demo catalogue loaded");
    Ok(())
}

/// Stores entries that are not there yet.
async fn put_all(nats: &Nats, entries: Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
    stream::iter(entries.into_iter().map(Ok))
        .try_for_each_concurrent(PUBLISHES_MAX, |(subject, entry)| async move {
            let mut headers = HeaderMap::new();
            headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, "0");
            let jetstream = &nats.jetstream;
            let sent = jetstream.publish_with_headers(subject, headers, Bytes::from(entry)).await;
            match sent.context("send a catalogue entry")?.await {
                Ok(_) => Ok(()),
                // An earlier start stored it.
                Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(()),
                Err(error) => Err(error).context("store a catalogue entry"),
            }
        })
        .await
}
