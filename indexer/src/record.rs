//! What is known of each event: its listing from the catalogue, its free places from the journal.

use schema::search::Hit;
use schema::{EventId, EventListing, EventStatus, Money, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// An event. The streams are read side by side, so that either half may come first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub event: EventId,
    pub listing: Option<EventListing>,
    /// `None` until the first outcome: all places are free.
    pub free: Option<u32>,
}

impl Record {
    fn new(event: EventId) -> Self {
        Self { event, listing: None, free: None }
    }

    /// Returns what a search shows; `None` for an event that is not in the catalogue.
    ///
    /// A cancelled event is found, and nothing of it is free.
    pub(crate) fn hit(&self) -> Option<Hit> {
        let listing = self.listing.as_ref()?;
        let free = match listing.status {
            EventStatus::OnSale => self.free.unwrap_or(listing.places_total),
            EventStatus::Cancelled => 0,
        };
        let prices = listing.price_levels.iter().map(|level| level.price.amount);
        Some(Hit {
            event_id: self.event.clone(),
            name: listing.name.clone(),
            venue: listing.venue.clone(),
            city: listing.city.clone(),
            category: listing.category.clone(),
            starts_at: listing.starts_at,
            price_min: Money::new(prices.min().unwrap_or(0), listing.currency()),
            seats_free: free,
            seats_total: listing.places_total,
        })
    }
}

/// All events, and which of them changed since they were last written.
#[derive(Debug, Default)]
pub(crate) struct Records {
    by_event: BTreeMap<EventId, Record>,
    changed: BTreeSet<EventId>,
}

impl Records {
    pub(crate) fn new(stored: Vec<Record>) -> Self {
        let by_event = stored.into_iter().map(|record| (record.event.clone(), record)).collect();
        Self { by_event, changed: BTreeSet::new() }
    }

    pub(crate) fn apply_listing(&mut self, listing: EventListing) {
        let event = listing.event.clone();
        self.change(&event, |record| record.listing = Some(listing));
    }

    pub(crate) fn apply_outcome(&mut self, outcome: &Outcome) {
        self.change(&outcome.event, |record| record.free = Some(outcome.free_after));
    }

    pub(crate) fn is_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Returns the events to be written, each once however often it changed.
    pub(crate) fn changed(&self) -> impl Iterator<Item = &Record> {
        self.changed.iter().map(|event| &self.by_event[event])
    }

    pub(crate) fn mark_written(&mut self) {
        self.changed.clear();
    }

    pub(crate) fn count(&self) -> usize {
        self.by_event.len()
    }

    fn change(&mut self, event: &EventId, change: impl FnOnce(&mut Record)) {
        let known = self.by_event.entry(event.clone());
        let record = known.or_insert_with(|| Record::new(event.clone()));
        let before = record.clone();
        change(record);
        if *record != before {
            self.changed.insert(event.clone());
        }
    }
}
