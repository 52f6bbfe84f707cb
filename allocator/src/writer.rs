//! Journals batches and then, and only then, tells those who asked.

use crate::config::REPLY_BYTES_MAX;
use crate::decider::Journaled;
use crate::intake::CommandsAt;
use crate::load::ReplyTimes;
use crate::metrics;
use crate::recall::{Recall, Repeated};
use bytes::Bytes;
use chassis::{AppendError, Backoff, Nats, Owner, Pause, Shutdown, outside};
use compact_str::CompactString;
use crossbeam_channel::Sender;
use schema::{
    Asked, Batch, CommandId, DurationMs, Outcome, Reply, ReplyBatch, ShardId, UnixMillis, codec,
    limits,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// A batch on its way to the journal, with the answers that wait for it.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    /// One time for all decisions of the batch: replay knows no other. Beside it, when it was that
    /// time here.
    time: Option<(UnixMillis, Instant)>,
    pub outcomes: Vec<Outcome>,
    pub answers: Vec<(CompactString, CommandId, Answer)>,
    /// The last command of COMMANDS that this batch answers.
    pub commands_to: CommandsAt,
    /// Whether it is journaled for its time alone.
    is_pulse: bool,
    bytes_max: usize,
}

/// What an asker will hear once the batch is durable.
#[derive(Debug)]
pub(crate) enum Answer {
    Outcome {
        replayed: bool,
        outcome: Box<Outcome>,
    },
    /// Known, and looked up once the batch is durable.
    Archived {
        asked: Asked,
        number: u64,
    },
    /// Not remembered; it waits for the append all the same, see [`Decided::is_journaled`].
    Other(Reply),
}

impl Decided {
    pub(crate) fn push(&mut self, outcome: Outcome) {
        self.bytes_max += outcome.bytes_max();
        self.outcomes.push(outcome);
    }

    /// The batch's time; `now` decides it for the first decision.
    pub(crate) fn time_from(&mut self, now: impl FnOnce() -> UnixMillis) -> UnixMillis {
        self.time.get_or_insert_with(|| (now(), Instant::now())).0
    }

    /// The time of what it holds already.
    pub(crate) fn time(&self) -> Option<UnixMillis> {
        self.time.map(|(time, _)| time)
    }

    /// Journal time now, as whoever is answered is to know it: rounded up, so that nobody is told
    /// that more is left of a hold than is.
    ///
    /// The batch's own time is that of its first decision. Since then it has been filled and
    /// synced, which takes a second when the machine has more to do than it can.
    fn time_now(&self) -> UnixMillis {
        let (time, at) = self.time.expect("a batch is sent when something was decided");
        let passed = at.elapsed().as_millis() + 1;
        time + DurationMs(u64::try_from(passed).expect("584 million years"))
    }

    /// Makes an empty batch one that tells the journal what time it is.
    pub(crate) fn pulse(&mut self, time: UnixMillis) {
        assert!(self.is_empty(), "a batch with something in it tells the time anyway");
        self.time = Some((time, Instant::now()));
        self.is_pulse = true;
    }

    pub(crate) fn is_full(&self) -> bool {
        let answered = limits::BATCH_OUTCOMES_MAX <= self.answers.len();
        let decided = limits::BATCH_OUTCOMES_MAX <= self.outcomes.len();
        answered || decided || limits::BATCH_BYTES_SOFT_MAX <= self.bytes_max
    }

    /// Whether it has to pass the journal, which is where the fence is.
    ///
    /// FENCE-1: also what decides nothing new (repetitions, refused fingerprints, late commands) is
    /// answered only behind an append of this epoch, be it an empty one: an owner that was paused
    /// and wakes deposed answers nobody.
    pub(crate) fn is_journaled(&self) -> bool {
        self.is_pulse || !(self.outcomes.is_empty() && self.answers.is_empty())
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.is_journaled() && self.commands_to == CommandsAt::default()
    }
}

/// Why the writer ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Another owner has the shard, or the process stops: this one must answer nobody.
    Lost(AppendError),
    /// The decider has gone.
    Stopped,
}

pub(crate) struct Writer {
    pub nats: Nats,
    pub shard: ShardId,
    pub decided: mpsc::Receiver<Decided>,
    pub journaled: Sender<Journaled>,
    /// Tells the intake up to where commands are answered.
    pub answered: watch::Sender<CommandsAt>,
    /// The sequence of the last durable batch; at first of the owner's epoch record.
    pub sequence: u64,
    /// The sequence of the last batch of all: at first what the state includes that the owner
    /// started from.
    pub previous: u64,
    pub recall: Recall,
    pub times: ReplyTimes,
    pub stop: Shutdown,
}

impl Writer {
    /// Runs until the shard is lost or the decider has gone.
    pub(crate) async fn run(mut self, owner: &Owner) -> Ended {
        let mut number = 0;
        while let Some(mut decided) = self.decided.recv().await {
            let (time, since) = decided.time.expect("a batch is sent when something was decided");
            self.times.begin(since);
            if decided.is_journaled() {
                number += 1;
                let outcomes = std::mem::take(&mut decided.outcomes);
                let (epoch, previous) = (owner.epoch, self.previous);
                let batch = Batch { epoch, number, time, outcomes, previous };
                match self.append(owner, &batch).await {
                    Ok(sequence) => (self.sequence, self.previous) = (sequence, sequence),
                    Err(error) => return Ended::Lost(error),
                }
            }
            // One batch is under way, so the one place is free; a decider that has gone needs no
            // sign.
            drop(self.journaled.try_send(Journaled));
            self.answered.send_if_modified(|answered| {
                let rises = *answered < decided.commands_to;
                *answered = decided.commands_to.max(*answered);
                rises
            });
            let commands = decided.answers.len();
            self.answer(decided.time_now(), decided.answers).await;
            self.times.answered(commands);
        }
        Ended::Stopped
    }

    async fn append(&self, owner: &Owner, batch: &Batch) -> Result<u64, AppendError> {
        let bytes = Bytes::from(codec::encode_checked(batch));
        let message_id = format!("{}/{}/{}", self.shard, batch.epoch, batch.number);
        let is_empty = batch.outcomes.is_empty();
        let what = if is_empty { "append an empty batch" } else { "append a batch" };
        let started = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2), None);
        loop {
            match outside(what, owner.append(&message_id, bytes.clone())).await {
                Ok(appended) => {
                    metrics::batch_journaled(self.shard, batch, bytes.len(), started.elapsed());
                    return Ok(appended.sequence);
                }
                // Nothing is stored and nobody is answered: commands wait until there is room.
                Err(error @ AppendError::Full { .. }) => {
                    tracing::error!(shard = %self.shard, "the journal is full; the shard waits");
                    if backoff.pause(&self.stop).await != Pause::Elapsed {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends the answers, those of one asker together.
    async fn answer(&self, time: UnixMillis, answers: Vec<(CompactString, CommandId, Answer)>) {
        let mut by_asker: BTreeMap<CompactString, (usize, ReplyBatch)> = BTreeMap::new();
        for (asker, command, answer) in answers {
            let (bytes, reply) = match answer {
                Answer::Outcome { replayed, outcome } => {
                    let bytes = outcome.bytes_max();
                    (bytes, Reply::Done { sequence: self.sequence, replayed, outcome })
                }
                Answer::Archived { asked, number } => {
                    self.recall.tell(Repeated { asker, asked, number }, time, self.sequence);
                    continue;
                }
                Answer::Other(reply) => (64, reply),
            };
            let total = by_asker.get(&asker).map_or(0, |(total, _)| *total);
            if REPLY_BYTES_MAX < total + bytes
                && let Some((_, full)) = by_asker.remove(&asker)
            {
                self.send(&asker, &full).await;
            }
            let empty = || (0, ReplyBatch { time, replies: Vec::new() });
            let (total, batch) = by_asker.entry(asker).or_insert_with(empty);
            *total += bytes;
            batch.replies.push((command, reply));
        }
        for (asker, (_, batch)) in by_asker {
            self.send(&asker, &batch).await;
        }
    }

    async fn send(&self, asker: &CompactString, batch: &ReplyBatch) {
        let bytes = Bytes::from(codec::encode(batch));
        // A lost answer is asked for again: the command is remembered.
        let sent = self.nats.client.publish(asker.to_string(), bytes);
        if let Err(error) = outside("answer commands", sent).await {
            tracing::debug!(%error, "answers not sent");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Decided;
    use schema::{DurationMs, UnixMillis};
    use std::time::Duration;

    #[test]
    fn an_answer_tells_the_time_at_which_it_is_given_and_decisions_share_the_batchs() {
        let mut batch = Decided::default();
        let opened = UnixMillis(1_000);
        assert_eq!(batch.time_from(|| opened), opened);
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(batch.time_from(|| UnixMillis(2_000)), opened, "decided at one time");
        assert!(opened + DurationMs(30) < batch.time_now(), "answered at another");
    }
}
