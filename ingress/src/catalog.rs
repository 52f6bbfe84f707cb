//! The catalogue in memory: listings and plans, followed from the stream CATALOG.

mod body;
mod follow;
mod handlers;
mod search;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use chassis::{Health, Nats, Shutdown};
use schema::{EventId, EventListing, PlanId, PlanIndex, SeatingPlan, UnixMillis};
use tokio::sync::watch;

pub use body::{EventBody, MoneyBody};
pub(crate) use handlers::{__path_event, __path_events};
pub use handlers::{event, events};
pub(crate) use search::{__path_search, __path_suggest};
pub use search::{search, suggest};

/// The component of readiness that says whether the catalogue is read.
pub const CATALOGUE: &str = "catalogue";

/// An event with the plan it is sold by.
#[derive(Debug, Clone)]
pub struct Listed {
    pub listing: Arc<EventListing>,
    pub plan: Arc<PlanIndex>,
}

#[derive(Debug, Default)]
struct Content {
    listings: HashMap<EventId, Arc<EventListing>>,
    plans: HashMap<PlanId, Arc<PlanIndex>>,
    no_seats: OnceLock<Arc<PlanIndex>>,
    /// Events in the order in which they are shown.
    by_start: BTreeSet<(UnixMillis, EventId)>,
}

/// The catalogue; readers never wait for more than the insertion of one event.
#[derive(Debug)]
pub struct Catalog {
    content: Arc<RwLock<Content>>,
    /// The last sequence of CATALOG that is in `content`.
    position: watch::Receiver<u64>,
}

impl Catalog {
    pub fn start(nats: &Nats, health: &Health, shutdown: &Shutdown) -> Self {
        let content = Arc::new(RwLock::new(Content::default()));
        let position = watch::Sender::new(0);
        let receiver = position.subscribe();
        let task = follow::Task {
            nats: nats.clone(),
            content: Arc::clone(&content),
            position,
            health: health.register(CATALOGUE),
            shutdown: shutdown.clone(),
        };
        chassis::tasks::spawn("ingress-catalog", task.run());
        Self { content, position: receiver }
    }

    /// An event whose listing and plan are both known; one without seats has an empty plan.
    pub fn find(&self, event: &EventId) -> Option<Listed> {
        let content = self.content.read().unwrap_or_else(PoisonError::into_inner);
        let listing = content.listings.get(event)?;
        let plan = content.plans.get(&listing.plan).or_else(|| {
            let nothing = || Arc::new(PlanIndex::new(SeatingPlan::without_seats()));
            (!listing.has_seats()).then(|| content.no_seats.get_or_init(nothing))
        })?;
        Some(Listed { listing: Arc::clone(listing), plan: Arc::clone(plan) })
    }

    pub fn has_plan(&self, plan: &PlanId) -> bool {
        let content = self.content.read().unwrap_or_else(PoisonError::into_inner);
        content.plans.contains_key(plan)
    }

    /// How many events there are, and those of one page in order of their start.
    pub fn page(&self, page: usize, size: usize) -> (usize, Vec<Arc<EventListing>>) {
        let content = self.content.read().unwrap_or_else(PoisonError::into_inner);
        let wanted = content.by_start.iter().skip(page.saturating_mul(size)).take(size);
        let listings = wanted.filter_map(|(_, event)| content.listings.get(event).cloned());
        (content.by_start.len(), listings.collect())
    }

    /// Waits until `sequence` of CATALOG is in memory; says whether it came in time.
    pub async fn reached(&self, sequence: u64, wait: Duration) -> bool {
        let mut position = self.position.clone();
        let reached = position.wait_for(|position| sequence <= *position);
        matches!(tokio::time::timeout(wait, reached).await, Ok(Ok(_)))
    }
}

impl Content {
    fn put_plan(&mut self, plan: SeatingPlan) {
        // A plan never changes under its id: a repetition is not worth new tables.
        self.plans.entry(plan.id.clone()).or_insert_with(|| Arc::new(PlanIndex::new(plan)));
    }

    fn put_listing(&mut self, listing: EventListing) {
        let (event, has_seats) = (listing.event.clone(), listing.has_seats());
        let starts_at = listing.starts_at;
        if let Some(old) = self.listings.insert(event.clone(), Arc::new(listing)) {
            self.by_start.remove(&(old.starts_at, event.clone()));
        }
        // Nothing of it can be bought here.
        if has_seats {
            self.by_start.insert((starts_at, event));
        }
    }
}
