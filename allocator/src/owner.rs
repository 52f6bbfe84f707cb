//! The life of a shard's owner in this process: contend, take over, decide, and stop when deposed.

use crate::catalog::Catalog;
use crate::clock::JournalClock;
use crate::config::INTAKE_COMMANDS_MAX;
use crate::decider::{Decider, Moves, Work};
use crate::intake::{CommandsAt, Intake};
use crate::load::ReplyTimes;
use crate::metrics;
use crate::recall::Recall;
use crate::replica::{State, StateAt, list_all};
use crate::spread::{HandedOver, Spread};
use crate::writer::{Ended, Writer};
use allocator_core::{Limits, Shard};
use chassis::telemetry::chain;
use chassis::{AppendError, Contender, FenceSpec, HealthHandle, Nats, Owner, Shutdown, tasks};
use schema::{InvariantId, ShardId, subject};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// How long an owner may be silent before another tries to take its shard, and how often it beats.
///
/// Three beats and a margin: shorter and a busy machine deposes itself, longer and buyers wait.
pub(crate) const LEASE_BEAT_MS: u64 = 300;
const LEASE_SILENCE_MS: u64 = 1_000;

/// After this without the shard somebody else must have it: a free one is taken sooner.
const STAND_BY_AFTER: Duration = Duration::from_millis(3 * LEASE_SILENCE_MS);

/// Where the audit finds the decider of a shard; `None` while this process does not own it.
pub(crate) type Desk = watch::Sender<Option<crossbeam_channel::Sender<Work>>>;

pub(crate) struct Ownership {
    pub nats: Nats,
    pub shard: ShardId,
    pub instance: String,
    pub catalog: Catalog,
    pub states: mpsc::Sender<StateAt>,
    pub limits: Limits,
    pub recall: Recall,
    pub spread: Spread,
    pub desk: Desk,
    pub times: ReplyTimes,
    pub health: HealthHandle,
    pub stop: Shutdown,
}

impl Ownership {
    /// Contends for the shard again and again until the process stops.
    pub(crate) async fn run(self) -> Result<(), chassis::Error> {
        let shard = self.shard;
        let spec = FenceSpec {
            stream: subject::journal_stream(shard),
            epoch_subject: subject::journal_epoch(shard),
            data_subject: subject::journal(shard),
            lease_bucket: subject::LEASES.into(),
            lease_key: subject::shard_lease(shard),
            probe_key: subject::shard_probe(shard, &self.instance),
            lease_beat_ms: LEASE_BEAT_MS,
            lease_silence_ms: LEASE_SILENCE_MS,
        };
        let contender = Contender::new(self.nats.clone(), spec, &self.instance).await?;
        let mut handed_over = None;
        while !self.stop.is_begun() {
            let owner = match self.contend(&contender).await {
                Ok(owner) => owner,
                Err(chassis::Error::ShuttingDown) => return Ok(()),
                Err(error) => return Err(error),
            };
            metrics::shard_owned(shard, true);
            tracing::info!(%shard, epoch = owner.epoch, "shard taken");
            let ended = self.serve(&owner, &mut handed_over).await;
            metrics::shard_owned(shard, false);
            match ended {
                // One that is full waited for room when it was to stop: nobody was answered.
                Ended::Stopped | Ended::Lost(AppendError::Full { .. }) => owner.release().await,
                Ended::Lost(AppendError::Deposed { .. }) => {
                    self.health.set_failing("another process took the shard");
                    metrics::shard_deposed(shard);
                    tracing::warn!(%shard, epoch = owner.epoch, "deposed, nobody was answered");
                }
                Ended::Lost(error @ AppendError::Unknown { .. }) => {
                    tracing::info!(%shard, %error, "stopped with a batch in doubt");
                }
                Ended::Lost(error) => {
                    // What the lost tail had answered, a repeat would be answered otherwise.
                    if matches!(error, AppendError::TailLost { .. }) {
                        chassis::metrics::invariant_broken(InvariantId::Cmd1);
                    }
                    tracing::error!(%shard, error = %chain(&error), "shard stopped");
                    self.stop.begin(format!("the journal of shard {shard} failed: {error}"));
                }
            }
        }
        Ok(())
    }

    /// Waits for the shard. A process that stands by is as ready as it can be: another one serves.
    async fn contend(&self, contender: &Contender) -> Result<Owner, chassis::Error> {
        let leaves_for = |before: Option<&str>| self.spread.courtesy(before);
        let mut acquiring = std::pin::pin!(contender.acquire_after(&self.stop, leaves_for));
        // Cancel-safe: the acquiring goes on outside.
        tokio::select! {
            acquired = &mut acquiring => return acquired,
            () = tokio::time::sleep(STAND_BY_AFTER) => {}
        }
        tracing::info!(shard = %self.shard, "standing by");
        self.health.set_ready();
        acquiring.await
    }

    /// Serves the shard as `owner` until it is lost, handed over, or the process stops.
    async fn serve(&self, owner: &Owner, handed_over: &mut Option<HandedOver>) -> Ended {
        let started = Instant::now();
        let (answer, state) = oneshot::channel();
        let ask = StateAt { sequence: owner.epoch, answer };
        // The replica lives as long as the process; without it there is nothing to serve from.
        if self.states.send(ask).await.is_err() {
            return Ended::Stopped;
        }
        // Cancel-safe: both are one-shot.
        let state = tokio::select! {
            state = state => state,
            () = self.stop.begun() => return Ended::Stopped,
        };
        let Ok(state) = state else { return Ended::Stopped };
        let stop = Shutdown::default();
        let writer = self.staff(state, owner.epoch, &stop);
        self.health.set_ready();
        metrics::shard_recovered(self.shard, started.elapsed());
        tracing::info!(shard = %self.shard, took = ?started.elapsed(), "shard serves");
        let watch_stop = async {
            self.stop.begun().await;
            self.desk.send_replace(None);
            stop.begin("the process stops");
            std::future::pending::<Ended>().await
        };
        let hand_over = async {
            let better = self.spread.better_owner(handed_over.as_ref()).await;
            let to = &better.to;
            tracing::info!(shard = %self.shard, epoch = owner.epoch, to, "shard is handed over");
            *handed_over = Some(better);
            metrics::shard_handed_over(self.shard);
            self.desk.send_replace(None);
            stop.begin("the shard is handed over");
            std::future::pending::<Ended>().await
        };
        // The writer may be dropped in mid-append here only when the shard is lost, and then its
        // batch is in nobody's hands: no answer has left.
        let ended = tokio::select! {
            ended = writer.run(owner) => ended,
            () = owner.deposed() => Ended::Lost(AppendError::Deposed {
                stream: subject::journal_stream(self.shard),
                epoch: owner.epoch,
            }),
            ended = watch_stop => ended,
            ended = hand_over => ended,
        };
        self.desk.send_replace(None);
        stop.begin("the shard is not owned any more");
        ended
    }

    /// Starts the decider and the intake of a recovered shard; the writer is left to run.
    fn staff(&self, state: State, epoch: u64, stop: &Shutdown) -> Writer {
        let (work, queue) = crossbeam_channel::bounded(INTAKE_COMMANDS_MAX);
        let (full, batches) = mpsc::channel(1);
        let (journaled, done) = crossbeam_channel::bounded(1);
        let (answered, answered_to) = watch::channel(CommandsAt::default());
        let (wall, now) = (chassis::clock::now(), Instant::now());
        let (clock, outage) = JournalClock::resume(state.time, wall, state.received, now);
        // Of a million seats it is tenths of a second, in which other shards beat their leases.
        let shard = tokio::task::block_in_place(|| {
            let mut shard = Shard::restore(self.limits, state.snapshot);
            list_all(&mut shard, &self.catalog, self.shard);
            shard
        });
        let moves = outage.map_or_else(Moves::default, |by| Moves::after(&shard, by));
        let catalog = self.catalog.clone();
        let id = self.shard;
        let decider = Decider {
            id,
            epoch,
            sent: 0,
            told: state.time,
            sent_at: None,
            shard,
            clock,
            catalog,
            moves,
            work: queue,
            asked: Vec::new(),
            decided: full,
            journaled: done,
        };
        tasks::spawn_thread("allocator-decider", move || decider.run())
            .expect("a thread for each of a few shards");
        self.desk.send_replace(Some(work.clone()));
        let (nats, shard) = (self.nats.clone(), self.shard);
        let intake = Intake::new(nats.clone(), shard, work, answered_to, stop.clone());
        tasks::spawn("allocator-intake", intake.run());
        let (recall, times) = (self.recall.clone(), self.times.clone());
        times.reset();
        Writer {
            nats,
            shard,
            decided: batches,
            journaled,
            answered,
            sequence: epoch,
            previous: state.sequence,
            recall,
            times,
            stop: stop.clone(),
        }
    }
}
