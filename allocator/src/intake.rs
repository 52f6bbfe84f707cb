//! Reads the commands of a shard from the bus and hands them to its decider.
//!
//! COMMANDS lives in memory: when NATS restarts, it is empty and its sequences start again. So this
//! reader keeps no position. After each reconnect it reads all that is retained; command ids make
//! the repetition harmless, and answered commands are purged, so there is little of it.

use crate::config::{PULL_COMMANDS_MAX, PULL_HEARTBEAT, PULL_WAIT};
use crate::decider::Work;
use crate::metrics;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::Stream;
use chassis::telemetry::chain;
use chassis::{Backoff, Nats, Pause, Shutdown, outside, stream_config};
use crossbeam_channel::{Sender, TrySendError};
use futures_util::StreamExt;
use schema::{Command, ShardId, codec, stream, subject};
use std::time::Duration;
use tokio::sync::watch;

/// How often answered commands are purged: a bound on how much of the stream's cap they take.
const PURGE_EVERY: Duration = Duration::from_millis(250);

/// How long a full decider is given before the reader looks again.
const FULL_PAUSE: Duration = Duration::from_millis(1);

/// How long a call of the server may take before the reader starts over.
const CALL_WAIT: Duration = Duration::from_secs(2);

/// A position in COMMANDS. Sequences start again with the stream, so each counts within one reading
/// of it, and a later reading is behind all earlier ones. The default is before the first reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct CommandsAt {
    reading: u64,
    sequence: u64,
}

impl CommandsAt {
    /// What may be purged in this reading, of which what is up to `purged` is gone; `None` if there
    /// is nothing.
    fn to_purge(self, reading: u64, purged: u64) -> Option<u64> {
        (self.reading == reading && purged < self.sequence).then_some(self.sequence)
    }
}

pub(crate) struct Intake {
    nats: Nats,
    shard: ShardId,
    work: Sender<Work>,
    /// Up to where commands have been answered.
    answered: watch::Receiver<CommandsAt>,
    /// Ends the reader when its decider has gone.
    stop: Shutdown,
    /// The how-manieth reading this is.
    reading: u64,
}

impl Intake {
    pub(crate) fn new(
        nats: Nats,
        shard: ShardId,
        work: Sender<Work>,
        answered: watch::Receiver<CommandsAt>,
        stop: Shutdown,
    ) -> Self {
        Self { nats, shard, work, answered, stop, reading: 0 }
    }

    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1), None);
        while !self.stop.is_begun() {
            match self.read_until_reconnect().await {
                Ok(()) => backoff.reset(),
                Err(error) => {
                    metrics::intake_restarted(self.shard);
                    tracing::warn!(shard = %self.shard, %error, "commands are read again");
                    if backoff.pause(&self.stop).await != Pause::Elapsed {
                        return;
                    }
                }
            }
        }
    }

    /// Reads from the oldest retained command on, until the connection changes or the owner stops.
    async fn read_until_reconnect(&mut self) -> Result<(), async_nats::Error> {
        self.reading += 1;
        let mut connects = self.nats.connects.clone();
        connects.mark_unchanged();
        // A stream in memory is gone with its last server: whoever reads it makes it again.
        let spec = stream_config(&stream::commands(), self.nats.replicas);
        let stream = tokio::time::timeout(CALL_WAIT, self.nats.ensure_stream(&spec)).await??;
        let consumer = tokio::time::timeout(CALL_WAIT, self.consumer(&stream)).await??;
        let mut messages = consumer
            .stream()
            .max_messages_per_batch(PULL_COMMANDS_MAX)
            .expires(PULL_WAIT)
            .heartbeat(PULL_HEARTBEAT)
            .messages()
            .await?;
        let mut purge = tokio::time::interval(PURGE_EVERY);
        let mut purged = 0;
        let stop = self.stop.clone();
        loop {
            // Cancel-safe: `next` of a message stream, a watch, a switch and an interval lose
            // nothing.
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => self.take(message?).await?,
                    None => return Ok(()),
                },
                _ = connects.changed() => return Ok(()),
                () = stop.begun() => return Ok(()),
                _ = purge.tick() => purged = self.purge(&stream, purged).await?,
            }
        }
    }

    async fn consumer(&self, stream: &Stream) -> Result<PullConsumer, async_nats::Error> {
        let config = pull::Config {
            filter_subject: subject::commands(self.shard),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::None,
            memory_storage: true,
            // Its server's end is an error here, or silence, and then another one is made.
            num_replicas: 1,
            inactive_threshold: Duration::from_secs(10),
            ..pull::Config::default()
        };
        Ok(stream.create_consumer(config).await?)
    }

    /// Hands the commands of a message on; waits while the decider has as many as it may.
    async fn take(&self, message: async_nats::jetstream::Message) -> Result<(), async_nats::Error> {
        let sequence = message.info()?.stream_sequence;
        let commands = match codec::decode_all::<Command>(&message.payload) {
            Ok(commands) => commands,
            Err(error) => {
                // Nobody can be told: the envelope that names the asker is what failed.
                metrics::command_undecodable(self.shard);
                tracing::warn!(shard = %self.shard, error = %chain(&error), "not a command");
                return Ok(());
            }
        };
        let last = commands.len().saturating_sub(1);
        for (at, command) in commands.into_iter().enumerate() {
            // The message is answered, and may be purged, with its last command.
            let sequence = if at == last { sequence } else { sequence - 1 };
            let answers_to = CommandsAt { reading: self.reading, sequence };
            self.hand_on(Work::Command { command: Box::new(command), answers_to }).await;
        }
        Ok(())
    }

    async fn hand_on(&self, mut work: Work) {
        while let Err(TrySendError::Full(full)) = self.work.try_send(work) {
            work = full;
            tokio::time::sleep(FULL_PAUSE).await;
        }
    }

    /// Purges what has been answered since the last time; returns up to where.
    async fn purge(&self, stream: &Stream, purged: u64) -> Result<u64, async_nats::Error> {
        let answered = *self.answered.borrow();
        let Some(answered) = answered.to_purge(self.reading, purged) else { return Ok(purged) };
        // The server purges below the sequence it is given.
        let request = stream.purge().filter(subject::commands(self.shard)).sequence(answered + 1);
        let purged = outside("purge answered commands", request.into_future());
        tokio::time::timeout(CALL_WAIT, purged).await??;
        Ok(answered)
    }
}

#[cfg(test)]
mod tests {
    use super::CommandsAt;

    #[test]
    fn what_was_answered_in_an_earlier_reading_purges_nothing_and_a_later_one_is_ahead_of_it() {
        let at = |reading, sequence| CommandsAt { reading, sequence };
        assert_eq!(at(1, 50).to_purge(1, 0), Some(50));
        assert_eq!(at(1, 50).to_purge(1, 50), None);
        // The stream has begun anew: its first commands are not those that were answered.
        assert_eq!(at(1, 50).to_purge(2, 0), None);
        assert!(at(1, 50) < at(2, 1));
        assert_eq!(at(2, 1).to_purge(2, 0), Some(1));
        assert_eq!(CommandsAt::default().to_purge(1, 0), None);
    }
}
