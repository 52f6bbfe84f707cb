//! The one who may append, until a later epoch deposes it.

use std::{sync::Arc, time::Duration};

use async_nats::{
    HeaderMap,
    header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID},
};
use bytes::Bytes;
use tokio::{
    sync::{Mutex, watch},
    time::{Instant, sleep},
};

use super::{
    FenceSpec, PAUSE_FIRST, PAUSE_MAX, Task, lease,
    publish::{Answer, STORE_FAILED, WRITE_IN_FLIGHT, WRONG_LAST_SEQUENCE, passes, publish},
};
use crate::{Backoff, Cause, Nats, Shutdown, metrics};

/// The one who may append, until a later epoch deposes it.
///
/// Dropping it stops the beat without a release: a successor waits for the silence then.
#[derive(Debug)]
pub struct Owner {
    /// The stream sequence of this owner's epoch record.
    pub epoch: u64,
    nats: Nats,
    spec: FenceSpec,
    shutdown: Shutdown,
    // Its lock is what keeps one append in flight.
    tail: Mutex<Tail>,
    deposed: Arc<watch::Sender<bool>>,
    beat: Task,
}

/// What this owner knows of the stream's end.
#[derive(Debug)]
struct Tail {
    /// The newest sequence that was acknowledged.
    last: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub sequence: u64,
    /// The message was already stored: an earlier try whose answer was lost.
    pub duplicate: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Another epoch began. Answer nobody, drop what is in memory, stop.
    #[error("append to {stream} at epoch {epoch}: deposed")]
    Deposed { stream: String, epoch: u64 },
    /// The stream acknowledged a sequence that it had given before: it lost its tail. Stop, alarm,
    /// restore.
    #[error("append to {stream}: acknowledged {found} after {last}")]
    TailLost { stream: String, last: u64, found: u64 },
    /// Nothing is stored; the stream is at its limit. The same append may succeed after a trim.
    #[error("append to {stream}: full")]
    Full { stream: String, source: Cause },
    /// The process is ending and the outcome is unknown. Answer nobody.
    #[error("append to {stream}: outcome unknown at shutdown")]
    Unknown { stream: String },
    /// The server refuses this message for ever, for example because of its size.
    #[error("append to {stream}: rejected")]
    Rejected { stream: String, source: Cause },
}

/// How long an append whose outcome is unknown is tried again once the process ends.
///
/// Enough for NATS to restart in; longer would hold up a stop that cannot succeed.
const LAST_TRIES: Duration = Duration::from_secs(3);

/// Makes the expected sequence that of another subject's last message: the epoch's. The client has
/// no name for it.
const EXPECTED_SEQUENCE_SUBJECT: &str = "Nats-Expected-Last-Subject-Sequence-Subject";

/// The pause after [`WRITE_IN_FLIGHT`]: about as long as such a write takes.
const IN_FLIGHT_PAUSE: Duration = Duration::from_millis(1);

impl Owner {
    pub(super) fn start(nats: Nats, spec: FenceSpec, epoch: u64, shutdown: Shutdown) -> Owner {
        let deposed = Arc::new(watch::Sender::new(false));
        let beat = lease::beat(nats.clone(), spec.clone(), epoch, Arc::clone(&deposed));
        let beat = Task::spawn("lease", beat);
        let tail = Mutex::new(Tail { last: epoch });
        Owner { epoch, nats, spec, shutdown, tail, deposed, beat }
    }

    /// Appends one message, durable when it returns; tries the same bytes again while the outcome
    /// is unknown.
    ///
    /// One append is in flight; a second call waits. Not cancel-safe: a dropped call leaves its
    /// message in doubt, and an owner that goes on then does not know its own stream.
    pub async fn append(&self, message_id: &str, payload: Bytes) -> Result<Appended, AppendError> {
        let mut tail = self.tail.lock().await;
        let stream = || self.spec.stream.clone();
        let deposed = || AppendError::Deposed { stream: stream(), epoch: self.epoch };
        if *self.deposed.borrow() {
            return Err(deposed());
        }
        let headers = self.headers(message_id);
        let started = Instant::now();
        let mut backoff = Backoff::new(PAUSE_FIRST, PAUSE_MAX, None);
        let mut give_up_at = None;
        loop {
            let (headers, payload) = (headers.clone(), payload.clone());
            match publish(&self.nats, &self.spec.data_subject, headers, payload).await {
                Answer::Stored { sequence, duplicate } => {
                    metrics::append_acknowledged(started.elapsed());
                    return self.advance(&mut tail, sequence, duplicate);
                }
                Answer::Refused { code: WRONG_LAST_SEQUENCE, .. } => {
                    self.deposed.send_replace(true);
                    return Err(deposed());
                }
                Answer::Refused { code: WRITE_IN_FLIGHT, .. } => sleep(IN_FLIGHT_PAUSE).await,
                Answer::Refused { code: STORE_FAILED, text } => {
                    return Err(AppendError::Full { stream: stream(), source: Cause::text(text) });
                }
                Answer::Refused { code, text } if !passes(code) => {
                    let source = Cause::text(text);
                    return Err(AppendError::Rejected { stream: stream(), source });
                }
                Answer::Refused { .. } | Answer::Unknown => {
                    metrics::append_repeated();
                    sleep(backoff.next_delay().expect("attempts are not limited")).await;
                }
            }
            if self.shutdown.is_begun() {
                let give_up_at = give_up_at.get_or_insert_with(|| Instant::now() + LAST_TRIES);
                if *give_up_at <= Instant::now() {
                    return Err(AppendError::Unknown { stream: stream() });
                }
            }
        }
    }

    /// Resolves when a later epoch is seen; an idle owner learns of its deposition here.
    /// Cancel-safe.
    pub async fn deposed(&self) {
        let mut deposed = self.deposed.subscribe();
        deposed.wait_for(|&deposed| deposed).await.expect("the sender lives in `self`");
    }

    /// Ends ownership at a planned stop, so that a successor need not wait for the silence.
    pub async fn release(self) {
        let Owner { epoch, nats, spec, beat, tail, .. } = self;
        // An append that is still in flight ends first; a beat after the release would take it
        // back.
        drop(tail.lock().await);
        drop(beat);
        lease::release(&nats, &spec, epoch).await;
    }

    fn headers(&self, message_id: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, message_id);
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, self.epoch.to_string());
        headers.insert(EXPECTED_SEQUENCE_SUBJECT, self.spec.epoch_subject.as_str());
        headers
    }

    fn advance(
        &self,
        tail: &mut Tail,
        sequence: u64,
        duplicate: bool,
    ) -> Result<Appended, AppendError> {
        // A repeat of an older message is answered with that message's sequence.
        if sequence <= tail.last && !duplicate {
            let stream = self.spec.stream.clone();
            return Err(AppendError::TailLost { stream, last: tail.last, found: sequence });
        }
        tail.last = tail.last.max(sequence);
        Ok(Appended { sequence, duplicate })
    }
}
