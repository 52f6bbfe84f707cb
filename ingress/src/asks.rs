//! Asking the owners: publish a command, wait for its outcome, ask again until the deadline.

mod ids;
mod table;

use std::time::Duration;

use async_nats::jetstream::context::{PublishAckFuture, PublishError};
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use chassis::telemetry::TraceContext;
use chassis::{Nats, Shutdown};
use futures_util::StreamExt;
use schema::limits::{ASK_AGAIN, ASK_WAIT, SHARD_COUNT};
use schema::{AccountId, Command, CommandBody, CommandId, EventId, Outcome, OutcomeBody};
use schema::{Refusal, Reply, ReplyBatch, UnixMillis, codec, subject};

pub use ids::{Domain, Key, fingerprint};
pub use table::{Heard, Table, Waiting};

use crate::metrics;

/// What is asked, by whom.
#[derive(Debug, Clone)]
pub struct Ask {
    pub command: CommandId,
    pub fingerprint: u64,
    pub event: EventId,
    pub account: AccountId,
    pub body: CommandBody,
}

/// The owner's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub sequence: u64,
    /// The journal's time when the owner answered: what is left of a hold is its deadline less
    /// this.
    pub time: UnixMillis,
    /// Whether the command had been answered before.
    pub replayed: bool,
    pub outcome: Outcome,
}

impl Answer {
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.outcome.body {
            OutcomeBody::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

/// Why there is no answer. None of these is remembered by the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    #[error("ask a command that is being asked")]
    InFlight,
    #[error("ask a command whose id belongs to another request")]
    Mismatch,
    /// COMMANDS or the owner's queue is full, or this instance waits for too many.
    #[error("ask an owner that is busy")]
    Busy,
    #[error("ask an owner that does not answer in time")]
    TimedOut,
    /// The owner read it behind its deadline, and had not answered it before.
    #[error("ask an owner too late")]
    TooLate,
}

/// How many commands of this instance may wait at once: what its requests and partners' pipelines
/// can make.
const WAITING_MAX: usize = 16_384;

/// The asker of this instance.
#[derive(Debug, Clone)]
pub struct Asks {
    nats: Nats,
    reply_to: String,
    table: Table,
}

/// A command that was sent at least once; its answer is waited for with [`Sent::answer`].
#[derive(Debug)]
pub struct Sent {
    nats: Nats,
    subject: String,
    bytes: Bytes,
    waiting: Waiting,
    ack: Option<PublishAckFuture>,
    /// Whether the stream has it: then a full stream refuses only a repetition.
    stored: bool,
    until: tokio::time::Instant,
}

impl Asks {
    /// Starts to listen for replies to `instance`.
    pub async fn start(
        nats: &Nats,
        instance: &str,
        shutdown: &Shutdown,
    ) -> Result<Self, crate::Error> {
        let reply_to = subject::replies(instance);
        let table = Table::default();
        let replies = nats.client.subscribe(reply_to.clone()).await;
        let mut replies = replies.map_err(|source| crate::Error::Subscribe {
            subject: reply_to.clone(),
            source: chassis::Cause::of(&source),
        })?;
        let (answers, shutdown) = (table.clone(), shutdown.clone());
        chassis::tasks::spawn("ingress-replies", async move {
            loop {
                // Both branches are cancel-safe.
                let message = tokio::select! {
                    message = replies.next() => message,
                    () = shutdown.begun() => return,
                };
                let Some(message) = message else { return };
                hear(&answers, &message.payload);
            }
        });
        Ok(Self { nats: nats.clone(), reply_to, table })
    }

    /// Asks and waits for the answer, [`ASK_WAIT`] at most.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, Unanswered> {
        self.ask_until(ask, chassis::clock::now() + ASK_WAIT).await
    }

    /// Asks what was answered before; `None` when nothing was, and then nothing is decided either.
    ///
    /// An owner looks a command up before it looks at the deadline, so one that is over asks for no
    /// more than its memory.
    pub async fn recall(&self, ask: Ask) -> Result<Option<Answer>, Unanswered> {
        match self.ask_until(ask, UnixMillis(0)).await {
            Err(Unanswered::TooLate) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Sends a command once. Commands of one caller reach the owner in the order of these calls.
    pub async fn send(&self, ask: Ask) -> Result<Sent, Unanswered> {
        self.send_until(ask, chassis::clock::now() + ASK_WAIT).await
    }

    async fn ask_until(&self, ask: Ask, deadline: UnixMillis) -> Result<Answer, Unanswered> {
        let started = chassis::clock::Monotonic::now();
        let answer = match self.send_until(ask, deadline).await {
            Ok(sent) => sent.answer().await,
            Err(unanswered) => Err(unanswered),
        };
        metrics::asked(started.elapsed(), answer.as_ref().err().copied());
        answer
    }

    async fn send_until(&self, ask: Ask, deadline: UnixMillis) -> Result<Sent, Unanswered> {
        if WAITING_MAX <= self.table.len() {
            return Err(Unanswered::Busy);
        }
        let waiting = self.table.enter(ask.command).ok_or(Unanswered::InFlight)?;
        let subject = subject::commands(ask.event.shard(SHARD_COUNT));
        let trace = TraceContext::current();
        let command = Command {
            id: ask.command,
            fingerprint: ask.fingerprint,
            event: ask.event,
            account: ask.account,
            deadline,
            reply_to: self.reply_to.as_str().into(),
            trace: trace.map(|asker| asker.to_traceparent().into()),
            body: ask.body,
        };
        let bytes = Bytes::from(codec::encode(&command));
        assert!(bytes.len() <= schema::limits::COMMAND_BYTES_MAX, "requests are bounded before");
        let until = tokio::time::Instant::now() + ASK_WAIT.into();
        let nats = self.nats.clone();
        let mut sent = Sent { nats, subject, bytes, waiting, ack: None, stored: false, until };
        sent.publish().await?;
        Ok(sent)
    }
}

impl Sent {
    /// Waits for the answer; sends the same bytes again while none comes.
    pub async fn answer(mut self) -> Result<Answer, Unanswered> {
        let mut again = tokio::time::interval(ASK_AGAIN.into());
        again.reset();
        loop {
            // All branches are cancel-safe but the ack's, which is dropped only when the next send
            // replaces it.
            tokio::select! {
                biased;
                reply = &mut self.waiting.reply => {
                    return understood(reply.map_err(|_| Unanswered::TimedOut)?);
                }
                () = tokio::time::sleep_until(self.until) => return Err(Unanswered::TimedOut),
                full = acked(&mut self.ack) => {
                    if full && !self.stored {
                        return Err(Unanswered::Busy);
                    }
                    self.stored |= !full;
                }
                _ = again.tick() => {
                    metrics::asked_again();
                    self.publish().await?;
                }
            }
        }
    }

    /// Sends the bytes once more, as long as there is time. A lost connection is no failure: the
    /// next try may do.
    async fn publish(&mut self) -> Result<(), Unanswered> {
        let message = PublishMessage::build().payload(self.bytes.clone());
        let publish = self.nats.jetstream.send_publish(self.subject.clone(), message);
        match tokio::time::timeout_at(self.until, publish).await {
            Ok(Ok(ack)) => self.ack = Some(ack),
            Ok(Err(error)) => tracing::debug!(%error, "command not sent"),
            Err(_) => return Err(Unanswered::TimedOut),
        }
        Ok(())
    }
}

/// Waits for the ack of what was sent last and says whether the stream was full; for ever without
/// one.
async fn acked(ack: &mut Option<PublishAckFuture>) -> bool {
    let Some(pending) = ack.take() else { return std::future::pending().await };
    match pending.await {
        Ok(_) => false,
        Err(error) => is_full(&error),
    }
}

/// JetStream's code for a message that a limit of the stream refuses.
const STREAM_STORE_FAILED: u64 = 10_077;

fn is_full(error: &PublishError) -> bool {
    let source = std::error::Error::source(error);
    let source = source.and_then(|source| source.downcast_ref::<async_nats::jetstream::Error>());
    source.is_some_and(|source| source.error_code().0 == STREAM_STORE_FAILED)
}

fn hear(table: &Table, payload: &[u8]) {
    match codec::decode::<ReplyBatch>(payload) {
        Ok(batch) => {
            for (command, reply) in batch.replies {
                if !table.answer(command, Heard { time: batch.time, reply }) {
                    metrics::reply_unawaited();
                }
            }
        }
        Err(error) => tracing::error!(%error, "a reply that nobody can read"),
    }
}

fn understood(heard: Heard) -> Result<Answer, Unanswered> {
    let time = heard.time;
    match heard.reply {
        Reply::Done { sequence, replayed, outcome } => {
            Ok(Answer { sequence, time, replayed, outcome: *outcome })
        }
        Reply::Mismatch => Err(Unanswered::Mismatch),
        Reply::TooLate => Err(Unanswered::TooLate),
        Reply::Busy => Err(Unanswered::Busy),
    }
}

/// Waits that handlers share.
pub const BARRIER_WAIT: Duration = Duration::from_secs(2);
