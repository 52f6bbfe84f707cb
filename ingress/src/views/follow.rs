//! Feeds a shard's view from its journal; starts over when the view would be a guess.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chassis::{Backoff, Pause};
use chassis::{Followed, Follower, HealthHandle, Nats, Shutdown, StartAt, clock};
use schema::{Batch, DurationMs, ShardId, UnixMillis, codec, subject};
use tokio::sync::watch;

use super::moment::Follows;
use super::shard::{Fault, Keep, ShardView};
use crate::metrics;

/// What a follower needs.
pub struct Task {
    pub nats: Nats,
    pub shard: ShardId,
    pub keep: Keep,
    pub view: Arc<Mutex<ShardView>>,
    pub position: watch::Sender<u64>,
    pub health: HealthHandle,
    pub shutdown: Shutdown,
}

/// Why a view was thrown away.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("read the journal")]
    Read(#[from] chassis::Error),
    #[error("decode journal message {sequence}")]
    Decode { sequence: u64, source: codec::Error },
    #[error("apply journal message {sequence}")]
    Apply { sequence: u64, source: Fault },
}

/// How long until a view is built again. A fault that returns at once must not read the journal in
/// a loop.
const REBUILD_FIRST: Duration = Duration::from_millis(100);
const REBUILD_MAX: Duration = Duration::from_secs(5);

impl Task {
    pub async fn run(self) {
        let mut backoff = Backoff::new(REBUILD_FIRST, REBUILD_MAX, None);
        while !self.shutdown.is_begun() {
            // Both branches may be dropped at any await: the view is complete after each message.
            let error = tokio::select! {
                error = self.follow() => error,
                () = self.shutdown.begun() => return,
            };
            metrics::view_rebuilt(self.shard);
            let chain = chassis::telemetry::chain(&error);
            tracing::error!(shard = %self.shard, error = %chain, "the seat view is built again");
            self.health.set_failing("the view is built again");
            self.position.send_replace(0);
            *self.view.lock().unwrap_or_else(PoisonError::into_inner) = ShardView::new(self.keep);
            if backoff.pause(&self.shutdown).await != Pause::Elapsed {
                return;
            }
        }
    }

    /// Reads for ever; returns why it cannot go on.
    async fn follow(&self) -> Error {
        let stream = subject::journal_stream(self.shard);
        let target = self.target(&stream).await;
        if target == 0 {
            self.health.set_ready();
        }
        // Epoch records are read too: they move the position that the barrier waits for.
        let all = subject::journal_all(self.shard);
        let mut follower = Follower::start(self.nats.clone(), &stream, &all, StartAt::Sequence(1));
        loop {
            let message = match follower.next().await {
                Ok(message) => message,
                Err(error) => return error.into(),
            };
            let sequence = message.sequence;
            // A message that was there before tells by the server's clock how old it is; a fresh
            // one is a moment old, whatever that clock says.
            let stored = UnixMillis(message.timestamp_ms);
            let is_past = sequence <= target;
            let ago = if is_past { clock::now().since(stored) } else { DurationMs(0) };
            if let Err(error) = self.apply(&message, ago) {
                return error;
            }
            self.position.send_replace(sequence);
            if target <= sequence {
                self.health.set_ready();
            }
        }
    }

    /// The journal's last sequence now; asks until NATS answers and the stream exists.
    async fn target(&self, stream: &str) -> u64 {
        let mut backoff = Backoff::new(REBUILD_FIRST, REBUILD_MAX, None);
        loop {
            match chassis::last_sequence(&self.nats, stream).await {
                Ok(sequence) => return sequence,
                Err(error) => tracing::debug!(%error, "waiting for the journal"),
            }
            if backoff.pause(&self.shutdown).await == Pause::ShuttingDown {
                // The caller drops this future as soon as it sees the shutdown itself.
                std::future::pending::<()>().await;
            }
        }
    }

    fn apply(&self, message: &Followed, ago: DurationMs) -> Result<(), Error> {
        let sequence = message.sequence;
        if message.subject != subject::journal(self.shard) {
            return Ok(());
        }
        let batch: Batch = codec::decode_checked(&message.payload)
            .map_err(|source| Error::Decode { sequence, source })?;
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        let time = batch.time;
        view.apply(batch, sequence).map_err(|source| Error::Apply { sequence, source })?;
        view.time = Some(Follows::batch(time, ago));
        Ok(())
    }
}
