//! The events of a shard: their listings, their plans and, once asked for, their sales.

use crate::channels::Channels;
use crate::map::HashMap;
use crate::plan_tables::PlanTables;
use crate::sale::Sale;
use schema::{ChannelFault, EventId, EventListing, PlaceCounts, PlanId};
use std::sync::Arc;

/// Why the shard does not take an event. It keeps what it had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    #[error("list event {event} beside {events_max} others")]
    TooMany { event: EventId, events_max: u32 },
    #[error("change the plan of event {event}, whose places have been asked for")]
    PlanFixed { event: EventId },
    #[error("list event {event} without a price for level {level} of its plan")]
    PriceMissing { event: EventId, level: u8 },
    #[error("list the channels of event {event}")]
    Channels { event: EventId, source: ChannelFault },
}

#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    pub events: Vec<EventState>,
    by_id: HashMap<EventId, usize>,
}

/// An event as the shard knows it.
#[derive(Debug)]
pub(crate) struct EventState {
    pub id: EventId,
    pub listed: Option<Listed>,
    /// Made when the first command or outcome needs it.
    pub sale: Option<Box<Sale>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub listing: Arc<EventListing>,
    pub tables: Arc<PlanTables>,
    /// `None` without channels.
    pub channels: Option<Arc<Channels>>,
}

impl Catalogue {
    pub fn find(&self, event: &EventId) -> Option<usize> {
        self.by_id.get(event).copied()
    }

    /// The position of an event that is listed.
    pub fn find_listed(&self, event: &EventId) -> Option<usize> {
        self.find(event).filter(|&at| self.events[at].listed.is_some())
    }

    /// The position of an event, which is made if it is new.
    pub fn place(&mut self, event: &EventId) -> usize {
        if let Some(at) = self.find(event) {
            return at;
        }
        let at = self.events.len();
        self.events.push(EventState { id: event.clone(), listed: None, sale: None });
        self.by_id.insert(event.clone(), at);
        at
    }

    /// Lists an event or changes its listing; returns its position. O(1) for the listing that is
    /// there already, O(rows of channels) for another.
    pub fn put(
        &mut self,
        listing: Arc<EventListing>,
        tables: Arc<PlanTables>,
        events_max: u32,
    ) -> Result<usize, CatalogueError> {
        assert!(listing.plan == tables.index.plan.id, "event {} names another plan", listing.event);
        let event = &listing.event;
        let known = self.find(event);
        if let Some(at) = known
            && self.events[at].is_listed_as(&listing)
        {
            return Ok(at);
        }
        if known.is_none() && usize::try_from(events_max).is_ok_and(|max| max <= self.events.len())
        {
            return Err(CatalogueError::TooMany { event: event.clone(), events_max });
        }
        let changes_plan = known.is_some_and(|at| self.events[at].changes_plan(&listing.plan));
        let sale = known.and_then(|at| self.events[at].sale.as_ref());
        if changes_plan && sale.is_some_and(|sale| !sale.is_pristine()) {
            return Err(CatalogueError::PlanFixed { event: event.clone() });
        }
        let level = tables.price_level_max();
        if let Some(level) = level.filter(|&level| listing.price(level).is_none()) {
            return Err(CatalogueError::PriceMissing { event: event.clone(), level });
        }
        let channels = Channels::new(&listing.channels, &tables)
            .map_err(|source| CatalogueError::Channels { event: event.clone(), source })?
            .map(Arc::new);
        let at = self.place(event);
        let state = &mut self.events[at];
        if changes_plan {
            state.sale = None;
        }
        state.listed = Some(Listed { listing, tables, channels });
        Ok(at)
    }
}

impl EventState {
    /// The very same listing, which is a pointer to compare: each command brings it.
    fn is_listed_as(&self, listing: &Arc<EventListing>) -> bool {
        self.listed.as_ref().is_some_and(|listed| Arc::ptr_eq(&listed.listing, listing))
    }

    fn changes_plan(&self, plan: &PlanId) -> bool {
        self.listed.as_ref().is_some_and(|listed| listed.listing.plan != *plan)
    }

    pub fn listed(&self) -> &Listed {
        self.listed.as_ref().expect("only listed events are asked for")
    }

    pub fn sale(&mut self) -> &mut Sale {
        let Self { listed, sale, .. } = self;
        let listed = listed.as_ref().expect("only listed events are asked for");
        sale.get_or_insert_with(|| Box::new(Sale::new(listed.tables.clone())))
    }

    /// The counts, also of an event that nobody has asked for.
    pub fn counts(&self) -> PlaceCounts {
        let untouched = || {
            let free = self.listed().tables.place_count;
            PlaceCounts { free, ..PlaceCounts::default() }
        };
        self.sale.as_ref().map_or_else(untouched, |sale| sale.counts)
    }
}
