//! Feeds a shard's view from its journal; starts over when the view would be a guess.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chassis::{Backoff, Pause};
use chassis::{Followed, Follower, HealthHandle, Nats, Shutdown, StartAt, clock};
use schema::{Applied, Batch, DurationMs, ShardId, Step, UnixMillis, codec, subject};
use tokio::sync::watch;

use super::moment::Follows;
use super::shard::{Fault, Keep, ShardView};
use super::state;
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
    #[error("the journal begins at {sequence}, and no allocator tells what was before")]
    StateUnknown { sequence: u64 },
}

/// What came of one message.
enum Taken {
    Applied,
    /// The beginning of the journal is trimmed: the state is to be asked for.
    Trimmed(Batch),
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
        let mut follower = self.follower(1);
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
            let position = match self.apply(&message, ago) {
                Ok(Taken::Applied) => sequence,
                Ok(Taken::Trimmed(batch)) => match self.begin_with_state(&batch, sequence).await {
                    Ok(included) => {
                        follower = self.follower(included + 1);
                        included
                    }
                    Err(error) => return error,
                },
                Err(error) => return error,
            };
            self.position.send_replace(position);
            if target <= position {
                self.health.set_ready();
            }
        }
    }

    /// Epoch records are read too: they move the position that the barrier waits for.
    fn follower(&self, sequence: u64) -> Follower {
        let (stream, all) = (subject::journal_stream(self.shard), subject::journal_all(self.shard));
        Follower::start(self.nats.clone(), &stream, &all, StartAt::Sequence(sequence))
    }

    /// Makes the view that of a replica, whose state reaches to the journal's first batch; returns
    /// the last sequence that it includes.
    async fn begin_with_state(&self, first: &Batch, sequence: u64) -> Result<u64, Error> {
        self.health.set_failing("waits for an allocator: the journal's beginning is trimmed");
        let state = state::ask(&self.nats, self.shard).await?;
        let state = state.filter(|state| state.reaches(first, sequence));
        let state = state.ok_or(Error::StateUnknown { sequence })?;
        let included = state.applied.sequence;
        tracing::info!(shard = %self.shard, included, "the view begins with a replica's state");
        let view = ShardView::of_state(self.keep, state);
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = view;
        Ok(included)
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

    fn apply(&self, message: &Followed, ago: DurationMs) -> Result<Taken, Error> {
        let sequence = message.sequence;
        if message.subject != subject::journal(self.shard) {
            return Ok(Taken::Applied);
        }
        let batch: Batch = codec::decode_checked(&message.payload)
            .map_err(|source| Error::Decode { sequence, source })?;
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        if view.is_fresh() && Applied::default().step(&batch, sequence) == Step::Gap {
            return Ok(Taken::Trimmed(batch));
        }
        let time = batch.time;
        view.apply(batch, sequence).map_err(|source| Error::Apply { sequence, source })?;
        view.time = Some(Follows::batch(time, ago));
        Ok(Taken::Applied)
    }
}
