//! Reads catalogue and journals from the index' positions on, and hands them to the writer.

use chassis::{Followed, Follower, Nats, StartAt, stream_config};
use futures_util::future::try_join_all;
use schema::stream::{self, StreamSpec};
use schema::{Batch, ShardId, ShardState, Shards, Step, codec, sealed, subject};
use tokio::sync::mpsc;

use crate::Error;
use crate::config::STATE_PART_WAIT;
use crate::position::{JournalPosition, Origins, Positions, Targets};
use crate::writer::Fed;

/// Makes the streams that are missing, and says which they are.
pub(crate) async fn origins(nats: &Nats, shards: Shards) -> Result<Origins, Error> {
    let catalog = origin(nats, &stream::catalog()).await?;
    let mut journals = Vec::new();
    for shard in shards.all() {
        journals.push(origin(nats, &stream::journal(shard)).await?);
    }
    Ok(Origins { catalog, journals })
}

async fn origin(nats: &Nats, spec: &StreamSpec) -> Result<String, Error> {
    let stream = nats.ensure_stream(&stream_config(spec, nats.replicas)).await?;
    Ok(stream.cached_info().created.unix_timestamp_nanos().to_string())
}

/// Returns how far the streams go now.
pub(crate) async fn targets(nats: &Nats, shards: Shards) -> Result<Targets, Error> {
    let catalog = chassis::last_sequence(nats, subject::CATALOG).await?;
    let mut journals = Vec::new();
    for shard in shards.all() {
        journals.push(chassis::last_sequence(nats, &subject::journal_stream(shard)).await?);
    }
    Ok(Targets { catalog, journals })
}

/// Feeds the writer until it is dropped.
///
/// # Errors
/// The first that any stream has; all reading ends with it.
pub(crate) async fn read(
    nats: &Nats,
    shards: Shards,
    positions: &Positions,
    writer: mpsc::Sender<Fed>,
) -> Result<(), Error> {
    let journals = shards.all().map(|shard| {
        let position = positions.journals[usize::from(shard.0)];
        read_journal(nats, shard, position, writer.clone())
    });
    let catalog = read_catalog(nats, positions.catalog, writer.clone());
    tokio::try_join!(catalog, try_join_all(journals)).map(|_| ())
}

async fn read_catalog(nats: &Nats, read: u64, writer: mpsc::Sender<Fed>) -> Result<(), Error> {
    // Only the newest message of each subject is kept: what is gone has been replaced by what is
    // there.
    let start = StartAt::Sequence(read + 1);
    let mut follower = Follower::start(nats.clone(), subject::CATALOG, subject::CATALOG_ALL, start);
    loop {
        let message = follower.next().await;
        let message = message.map_err(|error| position_lost(subject::CATALOG, error))?;
        let fed = Fed::Catalog { sequence: message.sequence, listing: listing(&message) };
        writer.send(fed).await.map_err(|_| Error::WriterGone)?;
    }
}

fn listing(message: &Followed) -> Option<Box<schema::EventListing>> {
    if message.subject.starts_with(subject::CATALOG_PLAN_PREFIX) {
        return None;
    }
    let listing = codec::decode::<schema::EventListing>(&message.payload).map(Box::new);
    if let Err(error) = &listing {
        // One bad entry must not hide the others.
        let (subject, error) = (&message.subject, chassis::telemetry::chain(error));
        tracing::error!(subject, %error, "catalogue entry skipped");
    }
    listing.ok().filter(|listing| listing.has_seats())
}

async fn read_journal(
    nats: &Nats,
    shard: ShardId,
    position: JournalPosition,
    writer: mpsc::Sender<Fed>,
) -> Result<(), Error> {
    let (stream, batches) = (subject::journal_stream(shard), subject::journal(shard));
    let all = subject::journal_all(shard);
    let follow = |read| Follower::start(nats.clone(), &stream, &all, StartAt::Sequence(read + 1));
    let mut follower = follow(position.read);
    let mut applied = position.applied;
    loop {
        let message = follower.next().await;
        let message = message.map_err(|error| position_lost(&stream, error))?;
        let sequence = message.sequence;
        let batch = if message.subject == batches {
            let decoded = codec::decode_checked(&message.payload);
            let damaged = |source| Error::Message { stream: stream.clone(), sequence, source };
            let batch: Batch = decoded.map_err(damaged)?;
            match applied.step(&batch, sequence) {
                Step::Skip => {}
                Step::Apply => applied.advance(&batch, sequence),
                Step::Gap => {
                    let state = ask_state(nats, shard, &batch, sequence).await?;
                    applied = state.applied;
                    follower = follow(applied.sequence);
                    let frees = state.events.into_iter().map(|event| (event.event, event.free));
                    let fed = Fed::State { shard, applied, frees: frees.collect() };
                    writer.send(fed).await.map_err(|_| Error::WriterGone)?;
                    continue;
                }
            }
            Some(batch)
        } else {
            None
        };
        let fed = Fed::Journal { shard, sequence, batch };
        writer.send(fed).await.map_err(|_| Error::WriterGone)?;
    }
}

/// Asks a replica for what was in a part of the journal that is trimmed, before its `first` batch.
///
/// # Errors
/// [`Error::StateUnknown`] when nobody tells it now.
async fn ask_state(
    nats: &Nats,
    shard: ShardId,
    first: &Batch,
    sequence: u64,
) -> Result<ShardState, Error> {
    let subject = subject::state(shard);
    let answer = chassis::ask_in_parts(nats, subject, Vec::new(), STATE_PART_WAIT).await?;
    let state: Option<ShardState> = answer.and_then(|bytes| sealed::unseal(&bytes));
    let state = state.filter(|state| state.reaches(first, sequence));
    tracing::info!(%shard, sequence, "the journal begins here: it was trimmed");
    state.ok_or(Error::StateUnknown { shard, sequence })
}

fn position_lost(stream: &str, source: chassis::Error) -> Error {
    match source {
        chassis::Error::Incarnation { .. } => {
            Error::PositionLost { stream: stream.to_owned(), source }
        }
        source => Error::Outside(source),
    }
}
