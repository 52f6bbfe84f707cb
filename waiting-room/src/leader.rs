//! The life of a room's leader in this process: contend, rebuild, tick, and stop when deposed.

mod adapt;
mod draw;
mod epoch;
mod givers;
mod leaves;
mod life;
mod phase;
mod release;
mod tick;

use crate::boot::BootClock;
use crate::config::{AGAIN_FIRST, AGAIN_MAX, Deps, LEASE_BEAT_MS, LEASE_SILENCE_MS};
use crate::metrics;
use crate::room::Room;
use crate::store::{Blessed, Leading};
use async_nats::jetstream::stream::Config as StreamConfig;
use bytes::Bytes;
use chassis::{
    AppendError, Backoff, Contender, FenceSpec, Nats, Owner, Pause, Shutdown, telemetry,
};
use schema::admission::{AdmissionRecord, HoldReason};
use schema::{InvariantId, codec, subject};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use waiting_room_core::{
    Adapt, Bits, GENERATION, Headroom, Ledger, MonoMs, NumberSet, Origin, Room as Rules, Watch,
    restore,
};

/// After how many records the leader drops what nobody needs: less often than once a minute.
const FORGET_EVERY: u64 = 256;

/// Makes the room's stream, trying until it is there; false at the end of the process.
pub(crate) async fn prepare(nats: &Nats, spec: &StreamConfig, shutdown: &Shutdown) -> bool {
    let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX, None);
    loop {
        match nats.ensure_stream(spec).await {
            Ok(_) => return true,
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::warn!(stream = spec.name, %error, "waiting for the room's stream");
            }
        }
        if backoff.pause(shutdown).await != Pause::Elapsed {
            return false;
        }
    }
}

/// Contends for the room again and again until the process stops.
pub(crate) async fn run(room: Arc<Room>, deps: Deps, tick: Duration, clock: BootClock) {
    let stop = deps.shutdown.clone();
    let lease_key = subject::room_lease(&room.event);
    let spec = FenceSpec {
        stream: subject::admission_stream(&room.event),
        epoch_subject: subject::admission_epoch(&room.event),
        data_subject: subject::admission(&room.event),
        lease_bucket: subject::LEASES.into(),
        probe_key: format!("{lease_key}.probe.{}", deps.instance),
        lease_key,
        lease_beat_ms: LEASE_BEAT_MS,
        lease_silence_ms: LEASE_SILENCE_MS,
    };
    let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX, None);
    while !stop.is_begun() {
        let acquired = async {
            Contender::new(deps.nats.clone(), spec.clone(), &deps.instance)
                .await?
                .acquire(&stop)
                .await
        };
        match acquired.await {
            Ok(owner) => {
                backoff.reset();
                lead(&room, &deps, tick, &clock, owner).await;
            }
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::warn!(event = %room.event, %error, "cannot contend for the room");
            }
        }
        if backoff.pause(&stop).await != Pause::Elapsed {
            return;
        }
    }
}

/// Leads the room as `owner` until it is lost or the process stops.
async fn lead(room: &Arc<Room>, deps: &Deps, tick: Duration, clock: &BootClock, owner: Owner) {
    let stop = &deps.shutdown;
    metrics::leads(&room.event, true);
    // An append is never dropped here in mid-flight by a deposition, which it notices by itself;
    // only the idle leader learns of it by the branch.
    let ended = match take_over(room, deps, clock, &owner, stop).await {
        Some(mut leader) => {
            tracing::info!(event = %room.event, epoch = owner.epoch, "room led");
            leader.serve(&owner, tick, stop).await
        }
        None => Ok(()),
    };
    metrics::leads(&room.event, false);
    room.completed().fresh = None;
    match ended {
        Ok(()) => owner.release().await,
        Err(AppendError::Deposed { .. }) => {
            tracing::warn!(event = %room.event, epoch = owner.epoch, "deposed");
        }
        Err(error @ AppendError::Unknown { .. }) => {
            tracing::info!(event = %room.event, %error, "stopped with a record in doubt");
        }
        // Full or refused: the next attempt starts from what is stored.
        Err(error @ (AppendError::Full { .. } | AppendError::Rejected { .. })) => {
            let error = telemetry::chain(&error);
            tracing::error!(event = %room.event, %error, "the room holds");
        }
        Err(error @ AppendError::TailLost { .. }) => {
            // The mark that numbers stay below may be among what was lost.
            chassis::metrics::invariant_broken(InvariantId::Line1);
            stop.begin(format!("the stream of room {} lost its tail: {error}", room.event));
        }
    }
}

/// Rebuilds the room from its records, up to this owner's own epoch record.
async fn take_over(
    room: &Arc<Room>,
    deps: &Deps,
    clock: &BootClock,
    owner: &Owner,
    stop: &Shutdown,
) -> Option<Leader> {
    let mut read_to = room.read_to.subscribe();
    // Cancel-safe: both only wait.
    tokio::select! {
        read = read_to.wait_for(|&sequence| owner.epoch <= sequence) => drop(read.ok()?),
        () = stop.begun() => return None,
    }
    let ledger = room.ledger().clone();
    let completed: NumberSet = {
        let mut completed = room.completed();
        completed.fresh = Some(Vec::new());
        completed.numbers.clone()
    };
    let now = clock.now();
    let origin = Origin { now, boot: clock.boot(), wall: chassis::clock::now() };
    let rules = restore(&ledger, &completed, origin, room.polls_per_second_max);
    let presence = deps.nats.client.subscribe(subject::room_presence(&room.event)).await;
    let presence = presence.map_err(|error| tracing::warn!(%error, "no word of lost check-ins"));
    let mut leader = Leader {
        room: Arc::clone(room),
        nats: deps.nats.clone(),
        clock: clock.clone(),
        // Who adapts anew would begin with the whole rate.
        adapt: Adapt::resume(ledger.pace, origin.wall),
        ledger,
        rules,
        headroom: Headroom::default(),
        fence: owner.epoch,
        generations: Generations::new(owner.epoch, now),
        presence: presence.ok(),
        records: 0,
        last_seen: None,
        wanted_at: now,
        givers: None,
        doubt: Bits::default(),
        heard_since: now,
        is_troubled: false,
        refused: None,
        closing_since: None,
        is_secret_lost: false,
        watch: Watch::default(),
        sold_to: None,
        knows_sales: false,
        hold: None,
    };
    leader.recall_doubt().await;
    Some(leader)
}

/// The leader's own state: what is durable (`ledger`) and what follows from it.
struct Leader {
    room: Arc<Room>,
    nats: Nats,
    clock: BootClock,
    ledger: Ledger,
    rules: Rules,
    /// What the stages behind the room bear.
    adapt: Adapt,
    headroom: Headroom,
    /// This leader among those of the room.
    fence: u64,
    generations: Generations,
    /// Instances say here that check-ins were lost.
    presence: Option<async_nats::Subscriber>,
    /// Records that this owner has appended: part of their message ids.
    records: u64,
    /// The last number that Redis was seen to have given out in this epoch.
    last_seen: Option<u64>,
    /// When numbers were seen to be given out or asked for.
    wanted_at: MonoMs,
    /// The instances that may have given out numbers since the last look, and when each was heard;
    /// `None` until the first look.
    givers: Option<BTreeMap<u64, MonoMs>>,
    /// Numbers in line of which nobody knows whether anybody has them.
    doubt: Bits,
    /// Since when this leader's sets have taken all check-ins.
    heard_since: MonoMs,
    /// Redis did not do its part in this tick.
    is_troubled: bool,
    /// The epoch that Redis has refused to begin, so nobody has a number of it.
    refused: Option<u32>,
    /// Since when the pre-queue gives out no place, while its last entries are waited for.
    closing_since: Option<MonoMs>,
    /// The secret of a commitment cannot be found again: said once.
    is_secret_lost: bool,
    watch: Watch,
    /// Where the journal of the event's shard ended when this leader took over; `None` until that
    /// is known.
    sold_to: Option<u64>,
    knows_sales: bool,
    /// Why nobody is called in this tick, if that is so.
    hold: Option<HoldReason>,
}

impl Leader {
    async fn serve(
        &mut self,
        owner: &Owner,
        tick: Duration,
        stop: &Shutdown,
    ) -> Result<(), AppendError> {
        let mut ticks = tokio::time::interval(tick);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            // Cancel-safe: all only wait.
            tokio::select! {
                biased;
                () = stop.begun() => return Ok(()),
                () = owner.deposed() => {
                    let stream = subject::admission_stream(&self.room.event);
                    return Err(AppendError::Deposed { stream, epoch: owner.epoch });
                }
                _ = ticks.tick() => {}
            }
            self.tick(owner, tick).await?;
        }
    }

    fn leading(&self) -> Leading {
        Leading { blessed: Blessed::of(&self.ledger), fence: self.fence }
    }

    /// Makes a record durable, and only then part of the ledger.
    async fn append(&mut self, owner: &Owner, record: AdmissionRecord) -> Result<(), AppendError> {
        self.records += 1;
        let id = format!("{}/{}/{}", self.room.event, owner.epoch, self.records);
        owner.append(&id, Bytes::from(codec::encode(&record))).await?;
        self.ledger.apply(record, self.clock.now());
        if self.records.is_multiple_of(FORGET_EVERY) {
            self.ledger.forget(chassis::clock::now());
        }
        Ok(())
    }
}

/// Which sets check-ins go to: the current one and the one before are read.
#[derive(Debug, Clone, Copy)]
struct Generations {
    current: u64,
    since: MonoMs,
}

impl Generations {
    /// Sets of another leader are never used again: epochs rise.
    fn new(epoch: u64, now: MonoMs) -> Self {
        Self { current: epoch << 24 | 1, since: now }
    }

    fn advance(&mut self, now: MonoMs) {
        if GENERATION <= now.since(self.since) {
            *self = Self { current: self.current + 1, since: now };
        }
    }

    /// The set to write to and the one before it.
    fn pair(&self) -> (u64, u64) {
        (self.current, self.current - 1)
    }
}
