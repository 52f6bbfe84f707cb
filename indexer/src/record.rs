//! What is known of each event: its listing from the catalogue, its free places from the journal.

use schema::search::Hit;
use schema::{EventId, EventListing, EventStatus, Money, Outcome, ShardId, Shards};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// An event. The streams are read side by side, so that either half may come first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub event: EventId,
    pub listing: Option<EventListing>,
    /// `None` until the first outcome: all places are free.
    pub free: Option<u32>,
}

impl Record {
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
#[derive(Debug)]
pub(crate) struct Records {
    shards: Shards,
    by_event: BTreeMap<EventId, Record>,
    changed: BTreeSet<EventId>,
}

impl Records {
    pub(crate) fn new(shards: Shards, stored: Vec<Record>) -> Self {
        let by_event = stored.into_iter().map(|record| (record.event.clone(), record)).collect();
        Self { shards, by_event, changed: BTreeSet::new() }
    }

    pub(crate) fn apply_listing(&mut self, listing: EventListing) {
        let event = listing.event.clone();
        let record = self.record(&event);
        if record.listing.as_ref() != Some(&listing) {
            record.listing = Some(listing);
            self.changed.insert(event);
        }
    }

    pub(crate) fn apply_outcome(&mut self, outcome: &Outcome) {
        self.set_free(&outcome.event, outcome.free_after);
    }

    /// Takes all events of a shard but those of `told` for untouched: a state names those that
    /// outcomes have left a trace in.
    pub(crate) fn free_others(&mut self, shard: ShardId, told: &HashSet<&EventId>) {
        for (event, record) in &mut self.by_event {
            let is_other = self.shards.of(event) == shard && !told.contains(event);
            if is_other && record.free.take().is_some() {
                self.changed.insert(event.clone());
            }
        }
    }

    pub(crate) fn set_free(&mut self, event: &EventId, free: u32) {
        let record = self.record(event);
        if record.free != Some(free) {
            record.free = Some(free);
            self.changed.insert(event.clone());
        }
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

    fn record(&mut self, event: &EventId) -> &mut Record {
        let known = self.by_event.entry(event.clone());
        known.or_insert_with(|| Record { event: event.clone(), listing: None, free: None })
    }
}
