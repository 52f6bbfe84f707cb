//! Live views of every shard, fed by the journals.

mod barrier;
mod follow;
mod handlers;
mod holds;
mod moment;
mod render;
mod seats;
mod shard;
mod state;
mod stream;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chassis::{Health, Nats, Shutdown};
use schema::{EventId, HoldId, Shards};
use tokio::sync::watch;

pub use barrier::{Barrier, Unconfirmed};
pub(crate) use handlers::__path_seats;
pub use handlers::seats;
pub use holds::{Hold, HoldState};
pub use moment::Moment;
pub use render::Renderings;
pub use seats::EventSeats;
pub use shard::{Keep, ShardView};
pub(crate) use stream::__path_stream;
pub use stream::{respond, stream};

/// The views of all shards.
#[derive(Debug)]
pub struct Views {
    shards: Shards,
    /// By shard.
    views: Vec<Shard>,
}

/// One shard's view, shared by its follower, which writes, and the handlers, which read.
#[derive(Debug)]
pub struct Shard {
    view: Arc<Mutex<ShardView>>,
    pub barrier: Barrier,
    /// The last sequence that the view has applied.
    pub position: watch::Receiver<u64>,
}

impl Views {
    /// Starts a follower for each journal; readiness waits until each has read what was there at
    /// the start.
    pub fn start(
        nats: &Nats,
        shards: Shards,
        keep: Keep,
        health: &Health,
        shutdown: &Shutdown,
    ) -> Self {
        let views = shards.all().map(|shard| {
            let view = Arc::new(Mutex::new(ShardView::new(keep)));
            let position = watch::Sender::new(0);
            let receiver = position.subscribe();
            let ready = health.register(format!("seat view of shard {shard}"));
            let task = follow::Task {
                nats: nats.clone(),
                shard,
                keep,
                view: Arc::clone(&view),
                position,
                health: ready,
                shutdown: shutdown.clone(),
            };
            chassis::tasks::spawn("ingress-view", task.run());
            let barrier = Barrier::start(nats.clone(), shard, receiver.clone(), shutdown.clone());
            Shard { view, barrier, position: receiver }
        });
        Self { shards, views: views.collect() }
    }

    pub fn of_event(&self, event: &EventId) -> &Shard {
        &self.views[usize::from(self.shards.of(event).0)]
    }

    /// The shard that a hold's id names; `None` for an id that no owner has made.
    pub fn of_hold(&self, hold: HoldId) -> Option<&Shard> {
        self.views.get(usize::from(hold.shard().0))
    }

    pub fn all(&self) -> &[Shard] {
        &self.views
    }

    /// Free places of an event after the last outcome; `None` when nothing has happened yet.
    pub fn free(&self, event: &EventId) -> Option<u32> {
        self.of_event(event).lock().events.get(event).and_then(|seats| seats.free)
    }
}

impl Shard {
    /// Looks at the view. Never held across an await; batches are applied under it in microseconds.
    pub fn lock(&self) -> MutexGuard<'_, ShardView> {
        // A panic under the lock begins the shutdown of the process; until then readers see whole
        // outcomes.
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the view has applied `sequence`; says whether it came in time.
    pub async fn reached(&self, sequence: u64, wait: Duration) -> bool {
        let mut position = self.position.clone();
        let reached = position.wait_for(|position| sequence <= *position);
        matches!(tokio::time::timeout(wait, reached).await, Ok(Ok(_)))
    }

    /// Looks a hold up once everything answered before the call is in the view.
    pub async fn hold(&self, hold: HoldId, wait: Duration) -> Result<Option<Hold>, Unconfirmed> {
        self.barrier.pass(wait).await?;
        Ok(self.lock().holds.get(&hold).cloned())
    }

    pub fn now(&self) -> Moment {
        self.lock().now()
    }
}
