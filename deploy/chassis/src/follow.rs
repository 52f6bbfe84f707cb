//! An ordered, gap-free reader of a stream that survives restarts of NATS.
//!
//! It makes its own consumer on the server, without acknowledgements, and makes another one from
//! where it stands after each reconnect, gap or silence. The server's consumer is thus never the
//! memory of a position.

use std::time::{Duration, Instant};

use async_nats::jetstream::{
    consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull},
    context::GetStreamErrorKind,
    message,
    stream::Info,
};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::{sync::mpsc, task::AbortHandle, time::sleep};

use crate::{Backoff, Cause, Error, Nats, metrics, tasks};

/// Where a follower begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// The first message with at least this sequence.
    Sequence(u64),
    /// The oldest message that is stored.
    First,
}

/// One message of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    pub sequence: u64,
    pub subject: String,
    pub payload: Bytes,
    /// When the server stored it, by the server's clock.
    pub timestamp_ms: u64,
}

/// Reads a stream in order, each message once. Dropping it ends it.
///
/// What was trimmed from the stream before it was read is skipped, as if it had never been there: a
/// reader that must notice numbers its messages.
#[derive(Debug)]
pub struct Follower {
    messages: mpsc::Receiver<Result<Followed, Error>>,
    task: AbortHandle,
}

/// How many messages wait between the server and the reader, twice: in the client and in the queue
/// here.
///
/// Enough to keep the reader busy for a round trip at 100,000 small messages a second; with
/// messages of the largest size it is 128 MB twice, so more would be dear.
const BUFFER_MESSAGES: usize = 128;

/// How long the server keeps one pull open. Longer means fewer repeats while the stream is quiet.
const PULL_EXPIRES: Duration = Duration::from_secs(5);

/// How often the server shows that it is alive while the stream is quiet; twice this without a sign
/// makes a new consumer.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// How long the server remembers a consumer whose reader is gone.
const INACTIVE_MAX: Duration = Duration::from_secs(30);

/// How long a stream with copies may end before what was read.
///
/// Its new leader has all that was stored by a majority, but may not have applied it yet when it is
/// asked; a stream that was rolled back stays so.
const BEHIND_MAX: Duration = Duration::from_secs(10);

/// The first and the longest pause between attempts to make a consumer.
const PAUSE_FIRST: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(200);

impl Follower {
    /// Begins to read; connects in the background, so this does not wait.
    pub fn start(nats: Nats, stream: &str, filter_subject: &str, from: StartAt) -> Follower {
        let (sender, messages) = mpsc::channel(BUFFER_MESSAGES);
        let reader = Reader {
            nats,
            stream: stream.to_owned(),
            filter_subject: filter_subject.to_owned(),
            from,
            last: 0,
            created: None,
            behind_since: None,
            sender,
        };
        let task = tasks::spawn("follower", reader.run()).abort_handle();
        Follower { messages, task }
    }

    /// The next message; waits while there is none and while NATS is away. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Incarnation`] when the stream was deleted, emptied by a restart or rolled back, and
    /// [`Error::Rejected`] when the server refuses to serve it; the follower has ended then.
    pub async fn next(&mut self) -> Result<Followed, Error> {
        self.messages.recv().await.unwrap_or_else(|| Err(ended()))
    }

    /// A message that is here already, without waiting.
    pub fn try_next_ready(&mut self) -> Option<Result<Followed, Error>> {
        match self.messages.try_recv() {
            Ok(message) => Some(message),
            Err(mpsc::error::TryRecvError::Empty) => None,
            Err(mpsc::error::TryRecvError::Disconnected) => Some(Err(ended())),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Its error was given already; asking again is answered too, rather than waiting for ever.
fn ended() -> Error {
    Error::Rejected {
        what: "read on".to_owned(),
        source: Cause::text("the follower has ended with an error"),
    }
}

/// The last sequence of the stream, from its leader: all that was acknowledged before the call is
/// at or below.
pub async fn last_sequence(nats: &Nats, stream: &str) -> Result<u64, Error> {
    let info = nats.jetstream.get_stream(stream).await;
    let info =
        info.map_err(|error| Error::unavailable(format!("ask for {stream}'s end"), &error))?;
    Ok(info.cached_info().state.last_sequence)
}

/// What a stream holds when this is opened, oldest first.
#[derive(Debug)]
pub struct Stored {
    follower: Follower,
    /// The sequence of the last message, and of the last one that was read.
    end: u64,
    read: u64,
    patience: Duration,
}

impl Stored {
    /// Opens the stream. `filter_subject` leaves out none of its messages; `patience` is how long
    /// the reading may stand still.
    pub async fn open(
        nats: &Nats,
        stream: &str,
        filter_subject: &str,
        patience: Duration,
    ) -> Result<Stored, Error> {
        Self::open_behind(nats, stream, filter_subject, 0, patience).await
    }

    /// As [`Self::open`], from behind the message with sequence `read` on.
    pub async fn open_behind(
        nats: &Nats,
        stream: &str,
        filter_subject: &str,
        read: u64,
        patience: Duration,
    ) -> Result<Stored, Error> {
        let end = last_sequence(nats, stream).await?;
        let start = if read == 0 { StartAt::First } else { StartAt::Sequence(read + 1) };
        let follower = Follower::start(nats.clone(), stream, filter_subject, start);
        Ok(Stored { follower, end, read, patience })
    }

    /// The next message; `None` behind the last one.
    ///
    /// # Errors
    /// As [`Follower::next`], and [`Error::Unavailable`] when the reading stands still.
    pub async fn next(&mut self) -> Result<Option<Followed>, Error> {
        if self.end <= self.read {
            return Ok(None);
        }
        let message = tokio::time::timeout(self.patience, self.follower.next()).await;
        let message = message.map_err(|elapsed| {
            Error::unavailable(format!("read on after {} of {}", self.read, self.end), &elapsed)
        })??;
        self.read = message.sequence;
        Ok(Some(message))
    }
}

struct Reader {
    nats: Nats,
    stream: String,
    filter_subject: String,
    from: StartAt,
    /// The sequence of the newest message that was handed on.
    last: u64,
    /// When the stream that is followed was created, once it has been seen.
    created: Option<time::OffsetDateTime>,
    /// Since when the stream ends before what was read.
    behind_since: Option<Instant>,
    sender: mpsc::Sender<Result<Followed, Error>>,
}

/// Why one consumer came to its end.
enum End {
    /// Make another one.
    Again(Cause),
    /// Nobody reads any more.
    Unwanted,
}

impl Reader {
    async fn run(mut self) {
        let mut backoff = Backoff::new(PAUSE_FIRST, PAUSE_MAX, None);
        loop {
            let before = self.last;
            match self.read().await {
                Ok(End::Unwanted) => return,
                Ok(End::Again(cause)) => {
                    tracing::debug!(stream = self.stream, after = before, %cause, "reads again");
                    metrics::follower_restarted();
                }
                Err(error) => {
                    // A reader that has gone away does not need the reason.
                    self.sender.send(Err(error)).await.unwrap_or_default();
                    return;
                }
            }
            if before < self.last {
                backoff.reset();
            }
            sleep(backoff.next_delay().expect("attempts are not limited")).await;
        }
    }

    /// Makes one consumer and hands on its messages until it fails.
    async fn read(&mut self) -> Result<End, Error> {
        let connects_seen = *self.nats.connects.borrow();
        let consumer = match self.make_consumer().await? {
            Ok(consumer) => consumer,
            Err(cause) => return Ok(End::Again(cause)),
        };
        let messages = consumer
            .stream()
            .max_messages_per_batch(BUFFER_MESSAGES)
            .expires(PULL_EXPIRES)
            .heartbeat(HEARTBEAT)
            .messages()
            .await;
        let mut messages = match messages {
            Ok(messages) => messages,
            Err(error) => return Ok(End::Again(Cause::of(&error))),
        };
        let nats = self.nats.clone();
        let mut reconnected = std::pin::pin!(nats.reconnected(connects_seen));
        let mut delivered = 0;
        loop {
            // Cancel-safe: both only look at queues, and `reconnected` is pinned outside.
            let message = tokio::select! {
                biased;
                () = &mut reconnected => return Ok(End::Again(Cause::text("reconnected"))),
                message = messages.next() => message,
            };
            let message = match message {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Ok(End::Again(Cause::of(&error))),
                None => return Ok(End::Again(Cause::text("the server ended the consumer"))),
            };
            let info = match message.info() {
                Ok(info) => info,
                Err(error) => return Ok(End::Again(Cause::of(&*error))),
            };
            delivered += 1;
            if info.consumer_sequence != delivered {
                let lost = format!("delivery {} came as {delivered}", info.consumer_sequence);
                return Ok(End::Again(Cause::text(lost)));
            }
            let followed = followed(&message.message, &info);
            assert!(self.last < followed.sequence, "the server delivered out of order");
            self.last = followed.sequence;
            if self.sender.send(Ok(followed)).await.is_err() {
                return Ok(End::Unwanted);
            }
        }
    }

    /// The outer error ends the follower; the inner one passes.
    async fn make_consumer(&mut self) -> Result<Result<PullConsumer, Cause>, Error> {
        let stream = match self.nats.jetstream.get_stream(&self.stream).await {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), GetStreamErrorKind::InvalidStreamName) => {
                return Err(Error::rejected(format!("follow stream {}", self.stream), &error));
            }
            Err(error) => return Ok(Err(Cause::of(&error))),
        };
        if let Err(behind) = self.check_incarnation(stream.cached_info())? {
            return Ok(Err(behind));
        }
        let deliver_policy = match (self.last, self.from) {
            (0, StartAt::First | StartAt::Sequence(0)) => DeliverPolicy::All,
            (0, StartAt::Sequence(start_sequence)) => {
                DeliverPolicy::ByStartSequence { start_sequence }
            }
            (last, _) => DeliverPolicy::ByStartSequence { start_sequence: last + 1 },
        };
        let config = pull::Config {
            deliver_policy,
            ack_policy: AckPolicy::None,
            filter_subject: self.filter_subject.clone(),
            memory_storage: true,
            // In a cluster it goes with its server, and the silence makes another one elsewhere.
            num_replicas: 1,
            inactive_threshold: INACTIVE_MAX,
            ..pull::Config::default()
        };
        Ok(stream.create_consumer(config).await.map_err(|error| Cause::of(&error)))
    }

    /// Compares the stream with the one that was read before, or that the start position came from.
    /// The inner error passes.
    fn check_incarnation(&mut self, info: &Info) -> Result<Result<(), Cause>, Error> {
        let other = |detail| Error::Incarnation { stream: self.stream.clone(), detail };
        let created = *self.created.get_or_insert(info.created);
        if created != info.created {
            return Err(other(format!("created {}, before {created}", info.created)));
        }
        let before = match self.from {
            StartAt::Sequence(start) => start.saturating_sub(1).max(self.last),
            StartAt::First => self.last,
        };
        let end = info.state.last_sequence;
        if before <= end {
            self.behind_since = None;
            return Ok(Ok(()));
        }
        let detail = format!("it ends at {end}, and {before} was read before");
        let since = *self.behind_since.get_or_insert_with(Instant::now);
        if 1 < info.config.num_replicas && since.elapsed() < BEHIND_MAX {
            return Ok(Err(Cause::text(detail)));
        }
        Err(other(detail))
    }
}

fn followed(message: &async_nats::Message, info: &message::Info<'_>) -> Followed {
    let timestamp_ms = info.published.unix_timestamp_nanos() / 1_000_000;
    Followed {
        sequence: info.stream_sequence,
        subject: message.subject.to_string(),
        payload: message.payload.clone(),
        timestamp_ms: u64::try_from(timestamp_ms).unwrap_or_default(),
    }
}
