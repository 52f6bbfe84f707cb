//! Tells verdicts to the owners of the seats: at once when they are committed, and again by the
//! relay until the answer has been read back from the journal.

use crate::config::{RELAY_EVERY, VERDICT_QUEUE_MAX, VERDICTS_AT_ONCE_MAX};
use crate::metrics;
use crate::store::{Outbox, Parts, Reseats, Store};
use bytes::Bytes;
use chassis::telemetry::{TraceContext, traced};
use chassis::{Landing, Lane, Nats, Shutdown, clock, outside, tasks};
use futures_util::future::join_all;
use schema::{Command, HoldId, ShardId, Shards, codec, limits, subject};
use settlement_core::{PartRecord, ReseatRecord, VerdictRecord, reduce, reseat, verdict};
use tokio::sync::mpsc;

/// Where drivers put verdicts that were just committed. Clones share the queue.
#[derive(Debug, Clone)]
pub(crate) struct Verdicts {
    queue: mpsc::Sender<Committed>,
    owners: Owners,
}

/// The ways to the owners of all shards.
#[derive(Debug, Clone)]
struct Owners(Vec<Lane>);

/// A verdict with the trace of whoever asked for what led to it.
#[derive(Debug)]
struct Committed {
    record: VerdictRecord,
    asker: Option<TraceContext>,
}

impl Verdicts {
    /// Starts the task that sends.
    pub(crate) fn start(nats: &Nats, shards: Shards) -> Self {
        let (queue, mut committed) = mpsc::channel(VERDICT_QUEUE_MAX);
        let lane = |subject| Lane::open(nats, subject, limits::COMMANDS_BYTES_MAX);
        let owners = Owners(shards.all().map(subject::commands).map(lane).collect());
        let own = owners.clone();
        tasks::spawn("settlement-verdicts", async move {
            let mut ready = Vec::new();
            while committed.recv_many(&mut ready, VERDICTS_AT_ONCE_MAX).await != 0 {
                own.tell(std::mem::take(&mut ready), false).await;
            }
        });
        Self { queue, owners }
    }

    /// Asks the owner for a place whose ticket was paid back alone. The relay asks again until it
    /// has answered.
    pub(crate) async fn reduce(&self, record: &PartRecord) {
        self.owners.reduce(record).await;
    }

    /// Sends a verdict soon. It is in the outbox, so one that finds the queue full is only late.
    pub(crate) fn send(&self, record: VerdictRecord) {
        let asker = TraceContext::current();
        if self.queue.try_send(Committed { record, asker }).is_err() {
            metrics::verdict_queue_full();
        }
    }
}

/// Sends what the outbox has due, what late money asks, and what parts give up, until the process
/// ends.
pub(crate) async fn relay(verdicts: Verdicts, store: Store, shutdown: Shutdown) {
    let mut tick = tokio::time::interval(RELAY_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        // Cancel-safe: a tick and a switch.
        tokio::select! {
            _ = tick.tick() => {}
            () = shutdown.begun() => return,
        }
        match Outbox(&store).due().await {
            Ok(due) if due.is_empty() => {}
            Ok(due) => {
                let due = due.into_iter().map(|record| Committed { record, asker: None });
                verdicts.owners.tell(due.collect(), true).await;
            }
            Err(error) => {
                tracing::warn!(error = %chassis::telemetry::chain(&error), "outbox not read");
            }
        }
        match Reseats(&store.pool).due().await {
            Ok(due) => drop(join_all(due.iter().map(|one| verdicts.owners.claim(one))).await),
            Err(error) => {
                tracing::warn!(error = %chassis::telemetry::chain(&error), "claims not read");
            }
        }
        match Parts(&store.pool).due().await {
            Ok(due) => drop(join_all(due.iter().map(|one| verdicts.owners.reduce(one))).await),
            Err(error) => {
                tracing::warn!(error = %chassis::telemetry::chain(&error), "parts not read");
            }
        }
    }
}

impl Owners {
    async fn tell(&self, verdicts: Vec<Committed>, again: bool) {
        let telling = verdicts
            .iter()
            .map(|Committed { record, asker }| traced("verdict", *asker, self.send(record, again)));
        join_all(telling).await;
    }

    async fn send(&self, record: &VerdictRecord, again: bool) {
        // A verdict never comes too late, whatever the clocks of two machines say.
        let mut command = verdict(record, clock::now() + limits::ANSWER_MEMORY);
        command.trace = TraceContext::current().map(|own| own.to_traceparent().into());
        let (what, shard) = ("send a verdict", HoldId::from(record.order).shard());
        if self.put(what, shard, &command).await {
            metrics::verdict_sent(again);
            tracing::debug!(order = %record.order, again, "verdict sent");
        }
    }

    /// Asks for the place of a part.
    async fn reduce(&self, record: &PartRecord) {
        let mut command = reduce(record, clock::now() + limits::ANSWER_MEMORY);
        command.trace = TraceContext::current().map(|own| own.to_traceparent().into());
        let (what, shard) = ("give up a place", HoldId::from(record.order).shard());
        if self.put(what, shard, &command).await {
            tracing::debug!(order = %record.order, part = record.part, "place given up");
        }
    }

    /// Asks for places for late money.
    async fn claim(&self, record: &ReseatRecord) {
        let command = reseat(record, clock::now() + limits::ANSWER_MEMORY);
        let (what, shard) = ("send a claim to places", record.hold.shard());
        if self.put(what, shard, &command).await {
            tracing::debug!(order = %record.order, "places asked for");
        }
    }

    /// Puts a command on the lane of a shard; says whether it is stored there. The relay sends it
    /// again, so one that is not is no more than late.
    async fn put(&self, what: &'static str, shard: ShardId, command: &Command) -> bool {
        let Some(lane) = self.0.get(usize::from(shard.0)) else {
            // The database is that of a system with more shards.
            tracing::error!(%shard, "the order's shard does not exist here");
            return false;
        };
        let sent = async { lane.send(Bytes::from(codec::encode(command))).await?.get().await };
        match outside(what, sent).await {
            Ok(Landing::Stored) => return true,
            Ok(landing) => tracing::debug!(command = %command.id, ?landing, "command not sent"),
            Err(error) => tracing::debug!(command = %command.id, %error, "command not sent"),
        }
        false
    }
}
