//! How many shards this system has: its first process writes the number down, all others hold to
//! it.

use anyhow::{Context as _, ensure};
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::kv::CreateErrorKind;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use bytes::Bytes;
use chassis::{Backoff, Nats};
use schema::{ShardId, Shards, subject};
use std::time::Duration;
use tokio::time::Instant;

/// How long a start waits for the settings, as long as it waits for a connection: a cluster that
/// starts elects their leader within seconds.
const AGREE_WAIT: Duration = Duration::from_secs(30);

/// The first and the longest pause between two tries.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Writes the number down, unless a process of this system has; returns it. Cancel-safe, and safe
/// in several processes at once.
///
/// # Errors
/// When the system has another number than `configured`, or NATS does not tell it in time.
pub async fn agree(nats: &Nats, configured: Shards) -> anyhow::Result<Shards> {
    let deadline = Instant::now() + AGREE_WAIT;
    let mut backoff = Backoff::new(PAUSE_FIRST, PAUSE_MAX, None);
    let found = loop {
        match write_down(nats, configured).await {
            Ok(found) => break parse(&found)?,
            Err(error) if deadline <= Instant::now() => {
                return Err(error.context("agree on the number of shards"));
            }
            Err(error) => tracing::debug!(error = format!("{error:#}"), "not agreed yet"),
        }
        tokio::time::sleep(backoff.next_delay().expect("attempts are not limited")).await;
    };
    let (has, says) = (found.count(), configured.count());
    ensure!(
        found == configured,
        "this system has {has} shards, `system.shards` says {says}: the number is fixed when a \
         system is first started"
    );
    Ok(found)
}

/// The number of shards of a system that was started before; writes nothing.
///
/// # Errors
/// When there is no such system, or NATS does not tell it now.
pub async fn of_system(nats: &Nats) -> anyhow::Result<Shards> {
    match written(nats).await? {
        Some(found) => parse(&found),
        None => unwritten(nats)
            .await?
            .context("no system was ever started here: NATS has neither its settings nor journals"),
    }
}

/// The number of a system that has journals and none written down: four, of one that was begun
/// before there was a choice. `None` where there are no journals.
///
/// # Errors
/// When there are more journals: then the number was written down and is lost.
async fn unwritten(nats: &Nats) -> anyhow::Result<Option<Shards>> {
    let before = Shards::new(4).expect("it is in range");
    if !has_journal(nats, 0).await? {
        return Ok(None);
    }
    let (bucket, key) = (subject::SETTINGS, subject::SHARDS);
    ensure!(
        !has_journal(nats, u8::from(before)).await?,
        "NATS has journals of more than 4 shards and does not know of how many: write the number \
         that this system was started with to the key `{key}` of the bucket `{bucket}`"
    );
    Ok(Some(before))
}

/// Returns what is written down when it ends, by whomever.
async fn write_down(nats: &Nats, configured: Shards) -> anyhow::Result<Bytes> {
    let settings = nats.ensure_bucket(subject::SETTINGS).await?;
    if let Some(found) = written(nats).await? {
        return Ok(found);
    }
    let shards = unwritten(nats).await?.unwrap_or(configured);
    // Another process may have written by now, and made the journals that were seen here: only the
    // first creates the key, and what it wrote counts.
    let created = settings.create(subject::SHARDS, u8::from(shards).to_string().into()).await;
    if let Err(error) = created
        && error.kind() != CreateErrorKind::AlreadyExists
    {
        return Err(error).context("write the number of shards down");
    }
    written(nats).await?.context("the number of shards is not there yet")
}

/// What the settings' leader has: a copy of the bucket may not know of it yet.
async fn written(nats: &Nats) -> anyhow::Result<Option<Bytes>> {
    let Some(settings) = find(nats, &format!("KV_{}", subject::SETTINGS)).await? else {
        return Ok(None);
    };
    let key = format!("$KV.{}.{}", subject::SETTINGS, subject::SHARDS);
    match settings.get_last_raw_message_by_subject(&key).await {
        Ok(message) => Ok(Some(message.payload)),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(error).context("read the number of shards"),
    }
}

async fn has_journal(nats: &Nats, shard: u8) -> anyhow::Result<bool> {
    Ok(find(nats, &subject::journal_stream(ShardId(shard))).await?.is_some())
}

/// `None` for a stream that nobody has made.
async fn find(nats: &Nats, name: &str) -> anyhow::Result<Option<Stream>> {
    let error = match nats.jetstream.get_stream(name).await {
        Ok(stream) => return Ok(Some(stream)),
        Err(error) => error,
    };
    match error.kind() {
        GetStreamErrorKind::JetStream(refusal)
            if refusal.error_code() == ErrorCode::STREAM_NOT_FOUND =>
        {
            Ok(None)
        }
        _ => Err(error).with_context(|| format!("find stream {name}")),
    }
}

fn parse(found: &[u8]) -> anyhow::Result<Shards> {
    let text = String::from_utf8_lossy(found);
    let count: u64 =
        text.parse().with_context(|| format!("read {text:?} as a number of shards"))?;
    Ok(Shards::try_from(count)?)
}

#[cfg(test)]
mod tests {
    use super::{agree, of_system, write_down};
    use chassis::{Nats, TestServers, Which, stream_config};
    use schema::{ShardId, Shards, stream, subject};

    fn shards(count: u8) -> Shards {
        Shards::new(count).unwrap()
    }

    async fn refused(nats: &Nats, count: u8) -> String {
        agree(nats, shards(count)).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn the_first_process_decides_and_others_agree_or_hear_both_numbers() {
        let servers = TestServers::with(&[Which::Nats]).await;
        let nats = servers.nats().await;
        let nobody = of_system(&nats).await.unwrap_err().to_string();
        assert!(nobody.starts_with("no system was ever started here"), "{nobody}");
        assert_eq!(agree(&nats, shards(16)).await.unwrap(), shards(16));
        assert_eq!(agree(&nats, shards(16)).await.unwrap(), shards(16));
        let why = refused(&nats, 4).await;
        assert!(why.starts_with("this system has 16 shards, `system.shards` says 4"), "{why}");
        assert_eq!(of_system(&nats).await.unwrap(), shards(16));
    }

    #[tokio::test]
    async fn of_processes_that_start_at_once_one_decides() {
        let servers = TestServers::with(&[Which::Nats]).await;
        let (one, other) = (servers.nats().await, servers.nats().await);
        let (first, second) = tokio::join!(agree(&one, shards(4)), agree(&other, shards(16)));
        assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
        let agreed = first.or(second).unwrap();
        assert_eq!(of_system(&one).await.unwrap(), agreed);
    }

    #[tokio::test]
    async fn a_system_with_journals_and_without_a_number_has_four() {
        let servers = TestServers::with(&[Which::Nats]).await;
        let nats = servers.nats().await;
        nats.ensure_stream(&stream_config(&stream::journal(ShardId(0)), 1)).await.unwrap();
        assert_eq!(of_system(&nats).await.unwrap(), shards(4));
        let why = refused(&nats, 16).await;
        assert!(why.starts_with("this system has 4 shards, `system.shards` says 16"), "{why}");
        assert_eq!(agree(&nats, shards(4)).await.unwrap(), shards(4));
    }

    #[tokio::test]
    async fn a_number_that_is_lost_is_not_guessed() {
        let servers = TestServers::with(&[Which::Nats]).await;
        let nats = servers.nats().await;
        for shard in [0, 4] {
            let journal = stream_config(&stream::journal(ShardId(shard)), 1);
            nats.ensure_stream(&journal).await.unwrap();
        }
        let lost = of_system(&nats).await.unwrap_err().to_string();
        assert!(lost.starts_with("NATS has journals of more than 4 shards"), "{lost}");
        let settings = nats.ensure_bucket(subject::SETTINGS).await.unwrap();
        let lost = write_down(&nats, shards(4)).await.unwrap_err().to_string();
        assert!(lost.starts_with("NATS has journals of more than 4 shards"), "{lost}");
        settings.put(subject::SHARDS, "16".into()).await.unwrap();
        assert_eq!(agree(&nats, shards(16)).await.unwrap(), shards(16));
    }

    #[tokio::test]
    async fn a_start_waits_for_a_bus_that_is_away() {
        let servers = TestServers::with(&[Which::Nats]).await;
        let nats = servers.nats().await;
        servers.kill(Which::Nats).await;
        let (agreed, ()) =
            tokio::join!(agree(&nats, shards(16)), async { servers.restart(Which::Nats).await });
        assert_eq!(agreed.unwrap(), shards(16));
    }

    #[tokio::test]
    async fn what_is_no_number_of_shards_is_refused_at_once() {
        let servers = TestServers::with(&[Which::Nats]).await;
        let nats = servers.nats().await;
        let settings = nats.ensure_bucket(subject::SETTINGS).await.unwrap();
        for (text, why) in [("many", "read \"many\" as"), ("65", "a system has 1 to 64 shards")] {
            settings.put(subject::SHARDS, text.into()).await.unwrap();
            assert!(refused(&nats, 4).await.starts_with(why));
            assert!(of_system(&nats).await.unwrap_err().to_string().starts_with(why));
        }
    }
}
