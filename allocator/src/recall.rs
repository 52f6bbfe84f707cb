//! Tells answers that have left the memory, to those who repeat an old command.

use crate::archive::Archive;
use crate::config::RECALLS_MAX;
use crate::metrics;
use bytes::Bytes;
use chassis::{Nats, outside, tasks};
use compact_str::CompactString;
use schema::{Asked, CommandId, Reply, ReplyBatch, UnixMillis, codec};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Who repeats what.
#[derive(Debug)]
pub(crate) struct Repeated {
    pub asker: CompactString,
    pub asked: Asked,
    /// The number of the answer.
    pub number: u64,
}

/// Looks answers up beside the owner, a few at once.
#[derive(Debug, Clone)]
pub(crate) struct Recall {
    nats: Nats,
    archive: Archive,
    places: Arc<Semaphore>,
}

impl Recall {
    pub(crate) fn new(nats: Nats, archive: Archive) -> Self {
        Self { nats, archive, places: Arc::new(Semaphore::new(RECALLS_MAX)) }
    }

    /// Looks an answer up and tells it as of `time` and `sequence`, the owner's last batch.
    ///
    /// An answer that is not found is not given anew: the asker is told to ask again.
    pub(crate) fn tell(&self, repeated: Repeated, time: UnixMillis, sequence: u64) {
        let recall = self.clone();
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            tasks::spawn("allocator-recall", async move {
                recall.send(&repeated, Reply::Busy, time).await;
            });
            return;
        };
        tasks::spawn("allocator-recall", async move {
            let reply = recall.find(&repeated, sequence).await;
            recall.send(&repeated, reply, time).await;
            drop(place);
        });
    }

    async fn find(&self, repeated: &Repeated, sequence: u64) -> Reply {
        let Asked { command, fingerprint, account } = repeated.asked;
        let found = self.archive.find(repeated.number, command).await;
        metrics::answer_recalled(self.archive.shard, found.is_some());
        let Some(answer) = found else { return Reply::Busy };
        let asked = answer.outcome.asked.expect("only asked outcomes are archived");
        if asked.fingerprint != fingerprint || asked.account != account {
            return Reply::Mismatch { asked: fingerprint };
        }
        Reply::Done { sequence, replayed: true, outcome: Box::new(answer.outcome) }
    }

    async fn send(&self, repeated: &Repeated, reply: Reply, time: UnixMillis) {
        let command: CommandId = repeated.asked.command;
        let batch = ReplyBatch { time, replies: vec![(command, reply)] };
        let bytes = Bytes::from(codec::encode(&batch));
        // A lost answer is asked for again.
        let sent = self.nats.client.publish(repeated.asker.to_string(), bytes);
        if let Err(error) = outside("answer from the archive", sent).await {
            tracing::debug!(%error, "recalled answer not sent");
        }
    }
}
