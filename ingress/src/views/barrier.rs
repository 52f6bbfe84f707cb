//! The read barrier: a view is shown only after it has everything that was answered before the
//! question.
//!
//! An answer leaves after its batch is in the stream, so it is at or below the stream's last
//! sequence. The stream's leader is asked once for all who came while the question before was on
//! its way.

use std::time::Duration;

use chassis::{Nats, Shutdown, outside};
use schema::{ShardId, subject};
use tokio::sync::{mpsc, oneshot, watch};

use crate::metrics;

/// How many readers may wait for one question to the leader. Beyond it a reader is refused (503):
/// at this depth the leader has not answered for seconds, and a longer line would only be older.
const READERS_WAITING_MAX: usize = 8_192;

/// How long one question to the leader may take.
const QUESTION_WAIT: Duration = Duration::from_secs(2);

/// The position could not be confirmed in time; nothing may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("confirm the position of a view in time")]
pub struct Unconfirmed;

/// The barrier of one shard.
#[derive(Debug)]
pub struct Barrier {
    readers: mpsc::Sender<oneshot::Sender<u64>>,
    position: watch::Receiver<u64>,
}

impl Barrier {
    /// `position` is the last sequence that the view has applied.
    pub fn start(
        nats: Nats,
        shard: ShardId,
        position: watch::Receiver<u64>,
        shutdown: Shutdown,
    ) -> Self {
        let (readers, queue) = mpsc::channel(READERS_WAITING_MAX);
        chassis::tasks::spawn("ingress-barrier", async move {
            // Both branches are cancel-safe: readers dropped with the queue hear that nothing was
            // confirmed.
            tokio::select! {
                () = answer(nats, shard, queue) => {}
                () = shutdown.begun() => {}
            }
        });
        Self { readers, position }
    }

    /// Waits until the view has everything that was in the journal when this was called.
    pub async fn pass(&self, wait: Duration) -> Result<(), Unconfirmed> {
        let started = chassis::clock::Monotonic::now();
        let passed = tokio::time::timeout(wait, self.pass_unbounded()).await;
        let passed = passed.unwrap_or(Err(Unconfirmed));
        metrics::barrier(started.elapsed(), passed.is_ok());
        passed
    }

    async fn pass_unbounded(&self) -> Result<(), Unconfirmed> {
        let (sender, receiver) = oneshot::channel();
        self.readers.try_send(sender).map_err(|_| Unconfirmed)?;
        let target = receiver.await.map_err(|_| Unconfirmed)?;
        let mut position = self.position.clone();
        let reached = position.wait_for(|position| target <= *position).await;
        reached.map(drop).map_err(|_| Unconfirmed)
    }
}

async fn answer(nats: Nats, shard: ShardId, mut queue: mpsc::Receiver<oneshot::Sender<u64>>) {
    let stream = subject::journal_stream(shard);
    let mut readers = Vec::new();
    while 0 < queue.recv_many(&mut readers, READERS_WAITING_MAX).await {
        let question = chassis::last_sequence(&nats, &stream);
        let question = outside("ask where a journal ends", question);
        match tokio::time::timeout(QUESTION_WAIT, question).await {
            Ok(Ok(sequence)) => {
                for reader in readers.drain(..) {
                    // A reader that has gone needs no answer.
                    reader.send(sequence).ok();
                }
            }
            Ok(Err(error)) => {
                tracing::debug!(%shard, %error, "the journal's position is unknown");
                readers.clear();
            }
            Err(_) => readers.clear(),
        }
    }
}
