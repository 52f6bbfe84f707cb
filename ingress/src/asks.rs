//! Asking the owners: publish a command, wait for its outcome, ask again until the deadline.

mod ids;
mod pace;
mod table;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chassis::clock::Monotonic;
use chassis::telemetry::TraceContext;
use chassis::{Landing, Lane, Nats, OnItsWay, Shutdown, outside};
use futures_util::StreamExt;
use schema::limits::{ASK_AGAIN, ASK_WAIT, COMMANDS_BYTES_MAX};
use schema::{AccountId, Command, CommandBody, CommandId, EventId, Outcome, OutcomeBody};
use schema::{Refusal, Reply, ReplyBatch, Shards, UnixMillis, codec, subject};

pub use ids::{Domain, Key, fingerprint};
use pace::Pace;
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

/// How many commands of this instance may ever wait at once: what its requests and partners'
/// pipelines can make. How many may now is up to [`Pace`].
const WAITING_MAX: usize = 16_384;

/// The asker of this instance.
#[derive(Debug, Clone)]
pub struct Asks {
    shards: Shards,
    /// To the owner of each shard.
    lanes: Vec<Lane>,
    reply_to: String,
    table: Table,
    pace: Arc<Pace>,
    /// From when on the pace counts its time.
    born: Monotonic,
}

/// A command that was sent at least once; its answer is waited for with [`Sent::answer`].
#[derive(Debug)]
pub struct Sent {
    lane: Lane,
    bytes: Bytes,
    waiting: Waiting,
    on_its_way: Option<OnItsWay>,
    /// Whether the stream has it: then a full stream refuses only a repetition.
    stored: bool,
    until: tokio::time::Instant,
}

impl Asks {
    /// Starts to listen for replies to `instance`.
    pub async fn start(
        nats: &Nats,
        shards: Shards,
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
        let lane = |subject| Lane::open(nats, subject, COMMANDS_BYTES_MAX);
        let lanes = shards.all().map(subject::commands).map(lane).collect();
        let pace = Arc::new(Pace::new(WAITING_MAX));
        Ok(Self { shards, lanes, reply_to, table, pace, born: Monotonic::now() })
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
        let started = Monotonic::now();
        let answer = match self.send_until(ask, deadline).await {
            Ok(sent) => sent.answer().await,
            Err(unanswered) => Err(unanswered),
        };
        let took = started.elapsed();
        if !matches!(answer, Err(Unanswered::Busy | Unanswered::InFlight)) {
            let now_ms = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.pace.answered(took, now_ms);
        }
        metrics::asked(took, answer.as_ref().err().copied());
        answer
    }

    async fn send_until(&self, ask: Ask, deadline: UnixMillis) -> Result<Sent, Unanswered> {
        if !self.pace.lets_in(self.table.len()) {
            return Err(Unanswered::Busy);
        }
        let waiting = self.table.enter(ask.command, ask.fingerprint).ok_or(Unanswered::InFlight)?;
        let shard = self.shards.of(&ask.event);
        let lane = self.lanes[usize::from(shard.0)].clone();
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
        let mut sent = Sent { lane, bytes, waiting, on_its_way: None, stored: false, until };
        sent.send().await?;
        Ok(sent)
    }
}

impl Sent {
    /// Waits for the answer; sends the same bytes again while none comes.
    pub async fn answer(mut self) -> Result<Answer, Unanswered> {
        outside("hear an owner", self.reply()).await
    }

    async fn reply(&mut self) -> Result<Answer, Unanswered> {
        let mut again = tokio::time::interval(ASK_AGAIN.into());
        again.reset();
        loop {
            // All branches are cancel-safe.
            tokio::select! {
                biased;
                reply = &mut self.waiting.reply => {
                    return understood(reply.map_err(|_| Unanswered::TimedOut)?);
                }
                () = tokio::time::sleep_until(self.until) => return Err(Unanswered::TimedOut),
                landing = landed(&mut self.on_its_way) => {
                    if landing == Landing::Full && !self.stored {
                        return Err(Unanswered::Busy);
                    }
                    self.stored |= landing == Landing::Stored;
                }
                _ = again.tick() => {
                    metrics::asked_again();
                    self.send().await?;
                }
            }
        }
    }

    /// Sends the bytes once more, as long as there is time. A lost connection is no failure: the
    /// next try may do.
    async fn send(&mut self) -> Result<(), Unanswered> {
        let sending = outside("send a command", self.lane.send(self.bytes.clone()));
        match tokio::time::timeout_at(self.until, sending).await {
            Ok(Ok(on_its_way)) => self.on_its_way = Some(on_its_way),
            Ok(Err(error)) => tracing::debug!(%error, "command not sent"),
            Err(_) => return Err(Unanswered::TimedOut),
        }
        Ok(())
    }
}

/// Waits for what became of the bytes that were sent last; for ever once that is known.
/// Cancel-safe.
async fn landed(on_its_way: &mut Option<OnItsWay>) -> Landing {
    let Some(pending) = on_its_way else { return std::future::pending().await };
    let landing = pending.get().await.unwrap_or(Landing::Unknown);
    *on_its_way = None;
    landing
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
        Reply::Mismatch { .. } => Err(Unanswered::Mismatch),
        Reply::TooLate => Err(Unanswered::TooLate),
        Reply::Busy => Err(Unanswered::Busy),
    }
}

/// Waits that handlers share.
pub const BARRIER_WAIT: Duration = Duration::from_secs(2);
