//! The catalogue in memory: listings with their plans, kept current by a follower.

use crate::stage::Deps;
use allocator_core::PlanTables;
use chassis::telemetry::chain;
use chassis::{Follower, Shutdown, StartAt, tasks};
use dashmap::DashMap;
use schema::{
    EventId, EventListing, PlanId, PlanIndex, SeatingPlan, ShardId, Shards, codec, subject,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A listing and the tables of the plan it names, which owner and replica share.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub listing: Arc<EventListing>,
    pub tables: Arc<PlanTables>,
}

/// Every event this process knows. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Catalog {
    events: Arc<DashMap<EventId, Listed>>,
    shards: Shards,
    read_to: watch::Receiver<u64>,
}

impl Catalog {
    /// Starts to follow the catalogue and returns when everything stored by now has been read.
    pub(crate) async fn follow(deps: &Deps) -> Result<Self, chassis::Error> {
        let Deps { nats, health, shutdown, shards, .. } = deps;
        let stored = chassis::last_sequence(nats, subject::CATALOG).await?;
        let ready = health.register("allocator catalogue");
        let events: Arc<DashMap<_, _>> = Arc::default();
        let (read, read_to) = watch::channel(0);
        let follower =
            Follower::start(nats.clone(), subject::CATALOG, subject::CATALOG_ALL, StartAt::First);
        let events_here = Arc::clone(&events);
        let stop = shutdown.clone();
        let reader = Reader { follower, plans: DashMap::new(), events: events_here, read, stop };
        tasks::spawn("allocator-catalog", reader.run());
        let catalog = Self { events, shards: *shards, read_to };
        catalog.read_to.clone().wait_for(|&sequence| stored <= sequence).await.ok();
        ready.set_ready();
        Ok(catalog)
    }

    /// One that hears of no event.
    #[cfg(test)]
    pub(crate) fn empty(shards: Shards) -> Self {
        let (_, read_to) = watch::channel(0);
        Self { events: Arc::default(), shards, read_to }
    }

    pub(crate) fn find(&self, event: &EventId) -> Option<Listed> {
        self.events.get(event).map(|listed| listed.clone())
    }

    /// Every event of a shard.
    pub(crate) fn of_shard(&self, shard: ShardId) -> Vec<Listed> {
        let events = self.events.iter();
        let own = events.filter(|event| self.shards.of(event.key()) == shard);
        own.map(|event| event.value().clone()).collect()
    }

    /// Waits until the event is known, `wait` at most.
    pub(crate) async fn find_within(&self, event: &EventId, wait: Duration) -> Option<Listed> {
        let mut read_to = self.read_to.clone();
        let found = async {
            loop {
                read_to.mark_unchanged();
                if let Some(listed) = self.find(event) {
                    return Some(listed);
                }
                read_to.changed().await.ok()?;
            }
        };
        tokio::time::timeout(wait, found).await.ok().flatten()
    }
}

struct Reader {
    follower: Follower,
    plans: DashMap<PlanId, Arc<PlanTables>>,
    events: Arc<DashMap<EventId, Listed>>,
    read: watch::Sender<u64>,
    stop: Shutdown,
}

impl Reader {
    async fn run(mut self) {
        loop {
            // Cancel-safe: a follower's `next` and a switch lose nothing.
            let message = tokio::select! {
                message = self.follower.next() => message,
                () = self.stop.begun() => return,
            };
            let message = match message {
                Ok(message) => message,
                Err(error) => {
                    tracing::error!(error = %chain(&error), "catalogue reader ended");
                    return;
                }
            };
            let taken = if message.subject.starts_with(subject::CATALOG_PLAN_PREFIX) {
                codec::decode(&message.payload).map(|plan| self.take_plan(plan))
            } else {
                codec::decode(&message.payload).map(|listing| self.take_listing(listing))
            };
            if let Err(error) = taken {
                // One bad entry must not hide the others; it stays unknown, and so not on sale.
                let subject = message.subject;
                tracing::error!(subject, error = %chain(&error), "catalogue entry skipped");
            }
            self.read.send_replace(message.sequence);
        }
    }

    fn take_plan(&self, plan: SeatingPlan) {
        match plan.validate() {
            Ok(()) => {
                let id = plan.id.clone();
                let tables = PlanTables::new(Arc::new(PlanIndex::new(plan)));
                self.plans.insert(id, Arc::new(tables));
            }
            Err(fault) => tracing::error!(plan = %plan.id, %fault, "plan skipped"),
        }
    }

    fn take_listing(&self, listing: EventListing) {
        if !listing.has_seats() {
            return;
        }
        let Some(tables) = self.plans.get(&listing.plan).map(|plan| Arc::clone(&plan)) else {
            tracing::error!(event = %listing.event, plan = %listing.plan, "listing without plan");
            return;
        };
        // An event keeps its plan: held seats are positions in it.
        if self.events.get(&listing.event).is_some_and(|old| old.listing.plan != listing.plan) {
            tracing::error!(event = %listing.event, "change of plan ignored");
            return;
        }
        let listed = Listed { listing: Arc::new(listing), tables };
        self.events.insert(listed.listing.event.clone(), listed);
    }
}
