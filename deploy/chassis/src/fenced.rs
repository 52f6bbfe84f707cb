//! Exclusive ownership of a stream: epochs fence every append, a lease only decides when to try.
//!
//! The epoch is the stream sequence of the owner's epoch record, and each append expects that
//! record to be the last one. So of two owners only the later one can append, whatever clocks,
//! pauses and networks do. The lease is a key that the owner bumps; a contender that sees it silent
//! appends the next epoch record.

mod lease;
mod owner;
mod presence;
mod publish;

use std::time::Duration;

use async_nats::{
    HeaderMap,
    header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID},
    jetstream::stream::LastRawMessageErrorKind,
};
use bytes::Bytes;

pub use self::owner::{AppendError, Appended, Owner};
pub use self::presence::{PresenceSpec, Present, attend};
use self::publish::{Answer, WRONG_LAST_SEQUENCE, publish};
use crate::{Backoff, Cause, Error, Nats, Shutdown, metrics, outside, random, tasks};

/// What is owned, and how contenders watch each other.
#[derive(Debug, Clone)]
pub struct FenceSpec {
    pub stream: String,
    /// The stream's subject that holds nothing but epoch records.
    pub epoch_subject: String,
    pub data_subject: String,
    /// A KV bucket, made when missing: in memory, because a lease is worth nothing after a restart.
    pub lease_bucket: String,
    pub lease_key: String,
    /// A key of this contender alone, in the same bucket.
    pub probe_key: String,
    pub lease_beat_ms: u64,
    pub lease_silence_ms: u64,
}

/// What an epoch record says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EpochRecord {
    pub nonce: String,
    pub owner: String,
}

impl EpochRecord {
    pub fn decode(payload: &[u8]) -> Result<EpochRecord, Error> {
        serde_json::from_slice(payload)
            .map_err(|error| Error::rejected("decode an epoch record", &error))
    }

    pub fn encode(&self) -> Bytes {
        serde_json::to_vec(self).expect("two texts become JSON").into()
    }
}

/// One who wants to own the stream.
#[derive(Debug)]
pub struct Contender {
    nats: Nats,
    spec: FenceSpec,
    owner: String,
}

/// The first and the longest pause between attempts while NATS does not answer.
const PAUSE_FIRST: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(200);

impl Contender {
    /// `owner_name` is for people who read the epoch records.
    pub async fn new(nats: Nats, spec: FenceSpec, owner_name: &str) -> Result<Contender, Error> {
        assert!(0 < spec.lease_beat_ms);
        assert!(spec.lease_beat_ms * 3 <= spec.lease_silence_ms, "one lost beat is no silence");
        lease::ensure_bucket(&nats, &spec.lease_bucket).await?;
        Ok(Contender { nats, spec, owner: owner_name.to_owned() })
    }

    /// Waits until the stream is free, and takes it. Repeatable after the [`Owner`] is gone.
    pub async fn acquire(&self, shutdown: &Shutdown) -> Result<Owner, Error> {
        self.acquire_after(shutdown, |_| Duration::ZERO).await
    }

    /// As [`Contender::acquire`], but leaves a free stream to others for a while first: for how
    /// long is asked with the name of the owner before, if there was one.
    pub async fn acquire_after(
        &self,
        shutdown: &Shutdown,
        leaves_for: impl Fn(Option<&str>) -> Duration,
    ) -> Result<Owner, Error> {
        let mut backoff = Backoff::new(PAUSE_FIRST, PAUSE_MAX, None);
        loop {
            let attempt = tokio::select! {
                biased;
                // Giving up in the middle of a take-over leaves at most an epoch record without an
                // owner.
                () = shutdown.begun() => return Err(Error::ShuttingDown),
                attempt = self.attempt(&leaves_for) => attempt,
            };
            match attempt {
                Ok(Some(epoch)) => {
                    tracing::info!(stream = self.spec.stream, epoch, "took over");
                    metrics::stream_taken_over();
                    return Ok(Owner::start(
                        self.nats.clone(),
                        self.spec.clone(),
                        epoch,
                        shutdown.clone(),
                    ));
                }
                // Somebody else was faster: watch that one.
                Ok(None) => backoff.reset(),
                Err(error @ Error::Rejected { .. }) => return Err(error),
                Err(error) => {
                    tracing::debug!(stream = self.spec.stream, %error, "cannot contend now");
                    let delay = backoff.next_delay().expect("attempts are not limited");
                    tokio::time::sleep(delay).await;
                }
            }
        }
    }

    /// Waits for the stream to be free, and tries to take it once.
    async fn attempt(
        &self,
        leaves_for: &impl Fn(Option<&str>) -> Duration,
    ) -> Result<Option<u64>, Error> {
        let (previous, before) = match self.last_record().await? {
            Some((previous, record)) => {
                lease::wait_until_free(&self.nats, &self.spec, previous).await?;
                (previous, Some(record.owner))
            }
            None => (0, None),
        };
        // Whoever takes it meanwhile appends the record that ours expects to be missing.
        tokio::time::sleep(leaves_for(before.as_deref())).await;
        self.take(previous).await
    }

    /// Appends an epoch record after `previous`; returns its sequence, or `None` when another one
    /// is there.
    async fn take(&self, previous: u64) -> Result<Option<u64>, Error> {
        let nonce: [u8; 16] = random::random_bytes();
        let nonce = format!("{:032x}", u128::from_be_bytes(nonce));
        let record = EpochRecord { nonce: nonce.clone(), owner: self.owner.clone() };
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, format!("epoch/{nonce}"));
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, previous.to_string());
        let mut backoff = Backoff::new(PAUSE_FIRST, PAUSE_MAX, None);
        loop {
            let subject = &self.spec.epoch_subject;
            let taken = publish(&self.nats, subject, headers.clone(), record.encode());
            match outside("take a stream", taken).await {
                Answer::Stored { sequence, .. } => return Ok(Some(sequence)),
                // An earlier try of ours may be what is in the way: only the record itself tells.
                Answer::Refused { code: WRONG_LAST_SEQUENCE, .. } => {
                    let last = self.last_record().await?;
                    return Ok(last.filter(|(_, found)| *found == record).map(|(epoch, _)| epoch));
                }
                // The owner before has waited for room too: who stands by waits on.
                Answer::Refused { code: publish::STORE_FAILED, text } => {
                    tracing::error!(
                        stream = self.spec.stream,
                        "the stream is full, nobody owns it"
                    );
                    let what = format!("take over stream {}", self.spec.stream);
                    return Err(Error::Unavailable { what, source: Cause::text(text) });
                }
                Answer::Refused { code, text } if !publish::passes(code) => {
                    let what = format!("take over stream {}", self.spec.stream);
                    return Err(Error::Rejected { what, source: Cause::text(text) });
                }
                // The outcome is unknown, and the same record again is harmless.
                Answer::Refused { .. } | Answer::Unknown => {
                    let delay = backoff.next_delay().expect("attempts are not limited");
                    tokio::time::sleep(delay).await;
                }
            }
        }
    }

    /// The newest epoch record and its sequence, from the stream's leader.
    async fn last_record(&self) -> Result<Option<(u64, EpochRecord)>, Error> {
        let what = || format!("read the epoch of stream {}", self.spec.stream);
        let stream = self.nats.jetstream.get_stream_no_info(&self.spec.stream).await;
        let stream = stream.map_err(|error| Error::unavailable(what(), &error))?;
        match stream.get_last_raw_message_by_subject(&self.spec.epoch_subject).await {
            Ok(message) => Ok(Some((message.sequence, EpochRecord::decode(&message.payload)?))),
            Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => {
                Ok(None)
            }
            Err(error) => Err(Error::unavailable(what(), &error)),
        }
    }
}

/// Ends a background task with its owner.
#[derive(Debug)]
struct Task(tokio::task::AbortHandle);

impl Task {
    fn spawn(name: &'static str, future: impl Future<Output = ()> + Send + 'static) -> Task {
        Task(tasks::spawn(name, future).abort_handle())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
