//! A sale on every shard at once.

use crate::auditor::{assert_clean, sold_in_postgres};
use crate::catalogue::list;
use crate::crowd::accounts;
use crate::fan::Booking;
use crate::journal::{Bus, check_epochs};
use crate::market::{Asked, Market, WhenLost, bookings};
use crate::promises::{confirmed_bookings_are_there, repeats_get_the_first_answer};
use crate::seats::SeatMap;
use crate::up::Reach;
use schema::ShardId;
use std::collections::BTreeMap;

/// Buyers in the event of each shard.
const FANS: usize = 2;

/// Answers of each shard that are asked for again, of thousands: each is asked for three times.
const REPEATED_MAX: usize = 100;

/// A steady sale in one event of each shard.
pub struct Sale {
    events: BTreeMap<ShardId, String>,
    markets: Vec<Market>,
}

impl Sale {
    pub async fn open(reach: &Reach, when_lost: WhenLost) -> Self {
        let events = list_on_all_shards(reach).await;
        let mut markets = Vec::new();
        for event in events.values() {
            let fans = accounts(&reach.client, FANS, &event.to_lowercase()).await;
            markets.push(Market::open(&fans, event, when_lost, false));
        }
        Self { events, markets }
    }

    /// Waits until so many more seats of each shard are sold.
    pub async fn sells(&self, more: usize) {
        for market in &self.markets {
            market.sells(more).await;
        }
    }

    /// Ends the sale, in which no request may have failed.
    pub async fn closes_without_a_failure(self, reach: &Reach) {
        for market in self.markets {
            let record = market.close().await;
            let lost: Vec<_> = record.iter().filter(|asked| asked.booking.is_none()).collect();
            assert!(lost.is_empty(), "{lost:?}");
        }
        assert_clean(reach, &["--all"]).await;
    }

    /// Ends the sale: whatever was answered is true, and is answered again.
    pub async fn closes_with_true_answers(self, reach: &Reach) {
        let bus = Bus::connect(&reach.nats).await;
        for ((shard, event), market) in self.events.iter().zip(self.markets) {
            let record = market.close().await;
            let chosen = chosen(&record);
            confirmed_bookings_are_there(&chosen).await;
            let mut sold = repeats_get_the_first_answer(event, &chosen).await;
            sold.extend(bookings(&record));
            are_stored(reach, event, &sold).await;
            check_epochs(&bus.journal(*shard).await);
        }
        assert_clean(reach, &["--all"]).await;
    }
}

/// Lists an event on each shard.
pub async fn list_on_all_shards(reach: &Reach) -> BTreeMap<ShardId, String> {
    let shards = Bus::connect(&reach.nats).await.shards;
    let mut events = BTreeMap::new();
    for name in (0..).map(|number| format!("SPREAD{number}")) {
        if events.len() == shards.count() {
            break;
        }
        events.entry(shards.of(&name.parse().unwrap())).or_insert(name);
    }
    for event in events.values() {
        list(reach, "EVT001", event, |listing| listing.account_places_max = 10_000).await;
    }
    events
}

/// Those that are asked again: some from all of the sale, and whoever has no booking.
fn chosen(record: &[Asked]) -> Vec<Asked> {
    let step = record.len() / REPEATED_MAX + 1;
    let chosen =
        |(number, asked): &(usize, &Asked)| number.is_multiple_of(step) || asked.booking.is_none();
    record.iter().enumerate().filter(chosen).map(|(_, asked)| asked.clone()).collect()
}

/// Asserts that exactly these bookings have the event's sold seats.
pub async fn are_stored(reach: &Reach, event: &str, bookings: &[Booking]) {
    let map = SeatMap::of(&reach.client, event).await;
    let stored = sold_in_postgres(reach, event, &map).await;
    let mut answered = BTreeMap::new();
    for booking in bookings {
        for seat in &booking.places {
            let before = answered.insert(seat.clone(), booking.id.clone());
            assert_eq!(before, None, "SEAT-1: {seat} was sold twice");
        }
    }
    assert_eq!(stored, answered, "Postgres and the answers");
    assert_eq!(map.count("sold"), answered.len(), "the seat map and the answers");
}
