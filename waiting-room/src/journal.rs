//! Takes what the journal of a shard says about its events' seats and passes; where its beginning
//! is trimmed, what a replica tells of it.

use crate::config::{AGAIN_FIRST, AGAIN_MAX, STATE_PART_WAIT};
use crate::follow::next;
use crate::room::lock;
use crate::rooms::{Rooms, Sale};
use chassis::telemetry::chain;
use chassis::{Backoff, Follower, HealthHandle, Nats, Pause, Shutdown, StartAt};
use schema::{Applied, Batch, ShardId, ShardState, Step, codec, sealed, subject};
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(crate) struct Journal {
    pub shard: ShardId,
    pub rooms: Arc<Rooms>,
    pub nats: Nats,
    pub health: HealthHandle,
    pub shutdown: Shutdown,
}

impl Journal {
    /// Follows until the process ends.
    pub(crate) async fn run(self) {
        let shard = self.shard;
        self.health.set_ready();
        let mut follower = self.follower(StartAt::First);
        let mut applied = Applied::default();
        let read_to = self.rooms.journal_read_to(shard);
        while let Some(message) = next(&mut follower, &self.shutdown).await {
            let batch: Batch = match codec::decode_checked(&message.payload) {
                Ok(batch) => batch,
                Err(error) => {
                    let error = chain(&error);
                    tracing::error!(%shard, %error, "a batch that nobody can read");
                    continue;
                }
            };
            match applied.step(&batch, message.sequence) {
                Step::Skip => {}
                Step::Apply => {
                    applied.advance(&batch, message.sequence);
                    self.apply(&batch);
                }
                Step::Gap => {
                    let Some(state) = self.state(&batch, message.sequence).await else { return };
                    self.take(&state);
                    applied = state.applied;
                    follower = self.follower(StartAt::Sequence(applied.sequence + 1));
                    // Release: as below.
                    read_to.store(applied.sequence, Ordering::Release);
                    continue;
                }
            }
            // Release: pairs with the Acquire of a room's leader, who then sees the seats as of
            // here.
            read_to.store(message.sequence, Ordering::Release);
        }
    }

    fn follower(&self, from: StartAt) -> Follower {
        let (stream, batches) = (subject::journal_stream(self.shard), subject::journal(self.shard));
        Follower::start(self.nats.clone(), &stream, &batches, from)
    }

    fn apply(&self, batch: &Batch) {
        for outcome in &batch.outcomes {
            let Some(Sale { seats, room }) = self.rooms.sale(&outcome.event) else { continue };
            let spent = lock(&seats).apply(outcome);
            if let Some((place, room)) = spent.zip(room) {
                room.complete([place.number].into_iter());
            }
        }
    }

    fn take(&self, state: &ShardState) {
        // A state names the events that outcomes have left a trace in; the others are as new.
        self.rooms.reset_seats(self.shard);
        for event in &state.events {
            let Some(Sale { seats, room }) = self.rooms.sale(&event.event) else { continue };
            lock(&seats).take(event);
            if let Some(room) = room {
                room.complete(event.spent.iter().map(|place| place.number));
            }
        }
    }

    /// Asks until a replica tells a state behind which the journal leads on; `None` at the end of
    /// the process.
    async fn state(&self, first: &Batch, sequence: u64) -> Option<ShardState> {
        let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX, None);
        loop {
            let subject = subject::state(self.shard);
            let asked =
                chassis::ask_in_parts(&self.nats, subject, Vec::new(), STATE_PART_WAIT).await;
            let answer = asked.ok().flatten();
            let state: Option<ShardState> = answer.and_then(|bytes| sealed::unseal(&bytes));
            if let Some(state) = state.filter(|state| state.reaches(first, sequence)) {
                self.health.set_ready();
                return Some(state);
            }
            self.health.set_failing("waits for an allocator: a part of the journal is trimmed");
            if backoff.pause(&self.shutdown).await != Pause::Elapsed {
                return None;
            }
        }
    }
}
