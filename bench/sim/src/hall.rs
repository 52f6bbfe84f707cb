//! What is on sale: a hall so small that everybody is in everybody's way, and two events in it.

use crate::common::START;
use allocator_core::{Limits, PlanTables, Shard};
use schema::limits::{self, EXPIRY_SPREAD_MAX};
use schema::{
    AccountId, Area, AreaIdx, Channel, ChannelRow, Currency, DurationMs, EventId, EventListing,
    EventStatus, Held, Money, PlanIndex, Pool, PriceLevel, Row, SeatingPlan, Section, ShardId,
    UnixMillis,
};
use std::ops::Range;
use std::sync::Arc;

pub const SHARD: ShardId = ShardId(0);
/// The seats of each row.
pub const ROWS: [Range<u32>; 2] = [0..5, 5..10];
pub const SEAT_COUNT: u32 = 10;
/// The only section.
pub const SECTION: u16 = 0;
/// The only accessible seat, at the end of the first row.
pub const ACCESSIBLE: u32 = 4;
/// Standing places of each area: two that share a pool, and one by itself.
pub const AREAS: [u32; 3] = [3, 3, 2];
/// The areas of the only pool, and how many places it has for both.
pub const POOLED: Range<usize> = 0..2;
pub const POOL_CAPACITY: u32 = 4;
pub const PLACE_COUNT: u32 = SEAT_COUNT + POOL_CAPACITY + AREAS[2];
/// Most places of an account, as a fan.
pub const ACCOUNT_PLACES_MAX: u16 = 4;
/// Short, so that a run of a minute sees holds end.
pub const HOLD_TTL: DurationMs = DurationMs(20_000);
/// Longest life of a hold that is extended.
pub const HOLD_LIFE_MAX: DurationMs = DurationMs(45_000);
/// Shorter than a run, and than journal time leaps over an outage: a run sees answers leave the
/// memory for their age, and ended holds forgotten.
const ANSWER_MEMORY: DurationMs = DurationMs(50_000);
/// Few, so that askers repeat commands whose answers have left the memory. Followers have more
/// batches to archive them than would fill it.
pub const ANSWERS_MAX: u32 = 40;

/// The key of the only channel, which is the second event's.
pub const CHANNEL: &str = "FRIENDS";
/// Its seats, all in the second row.
const CHANNEL_SEATS: Range<u32> = 7..10;
/// Within a run, so that a run sees it end.
const CHANNEL_ENDS: UnixMillis = UnixMillis(START.0 + 60_000);

/// The price of each place, whatever its price level.
pub const PRICE: i64 = 5_000;

/// The account with this number.
pub fn account(number: u128) -> AccountId {
    AccountId(1_000 + number)
}

/// The listings and the plan that they share.
#[derive(Debug, Clone)]
pub struct Hall {
    pub events: Vec<EventId>,
    listings: Vec<Arc<EventListing>>,
    tables: Arc<PlanTables>,
}

impl Hall {
    /// `rooms`: which of the events have a waiting room.
    pub fn new(rooms: [bool; 2]) -> Self {
        let mut plan = plan();
        plan.id = plan.content_id();
        plan.validate().expect("all limits of plans are kept");
        let mut listings = ["EVT1", SECOND].map(|event| listing(event, &plan));
        listings[1].channels.push(channel());
        for (listing, room) in listings.iter_mut().zip(rooms) {
            listing.waiting_room = room;
        }
        let events = listings.iter().map(|listing| listing.event.clone()).collect();
        let listings = listings.map(Arc::new).to_vec();
        let tables = Arc::new(PlanTables::new(Arc::new(PlanIndex::new(plan))));
        Self { events, listings, tables }
    }

    pub fn has_room(&self, event: &EventId) -> bool {
        self.listings.iter().any(|listing| listing.event == *event && listing.waiting_room)
    }

    /// A shard without holds.
    pub fn new_shard(&self) -> Shard {
        self.list_all(Shard::new(SHARD, limits()))
    }

    pub fn restore(&self, snapshot: allocator_core::Snapshot) -> Shard {
        self.list_all(Shard::restore(limits(), snapshot))
    }

    fn list_all(&self, mut shard: Shard) -> Shard {
        for listing in &self.listings {
            let listed = shard.put_event(listing.clone(), self.tables.clone());
            listed.expect("two events of one plan fit");
        }
        shard
    }
}

fn limits() -> Limits {
    Limits {
        events_max: 4,
        holds_max: 256,
        ended_max: 4_096,
        passes_max: 1_024,
        answers_max: ANSWERS_MAX,
        archived_max: 8_192,
        answer_memory: ANSWER_MEMORY,
        archived_memory: limits::ANSWER_MEMORY,
        expiry_spread: EXPIRY_SPREAD_MAX,
        expiry_secret: 0,
    }
}

/// The event that has a channel.
const SECOND: &str = "EVT2";

/// Whether a hold has seats in both rows.
pub fn is_split(held: &Held) -> bool {
    ROWS.iter().all(|row| held.seats.iter().any(|seat| row.contains(&seat.seat.0)))
}

/// Whether the channel keeps a seat from a fan who names `key`.
pub fn is_kept(event: &EventId, seat: u32, time: UnixMillis, key: Option<&str>) -> bool {
    let of_channel = event.as_str() == SECOND && CHANNEL_SEATS.contains(&seat);
    of_channel && time < CHANNEL_ENDS && key != Some(CHANNEL)
}

fn channel() -> Channel {
    let row = ROWS.iter().position(|row| row.contains(&CHANNEL_SEATS.start)).expect("a row's");
    let seats = CHANNEL_SEATS.fold(0, |bits, seat| bits | 1 << (seat - ROWS[row].start));
    let row = u16::try_from(row).expect("two rows");
    Channel {
        key: CHANNEL.into(),
        name: "Friends".into(),
        code_hash: [0; 32],
        ends_at: Some(CHANNEL_ENDS),
        rows: vec![ChannelRow { section: 0, row, seats }],
    }
}

fn plan() -> SeatingPlan {
    // Each row has a price level of its own.
    let row = |label: &str, price_level, y_cm| Row {
        label: label.into(),
        seat_count: 5,
        first_number: 1,
        price_level,
        accessible: if ROWS[usize::from(price_level)].contains(&ACCESSIBLE) { 1 << 4 } else { 0 },
        x_cm: 0,
        y_cm,
        step_x_cm: 50,
        step_y_cm: 0,
    };
    let area = |(id, capacity): (&str, u32)| Area {
        id: id.into(),
        name: id.into(),
        capacity,
        price_level: 0,
    };
    let rows = vec![row("1", 0, 100), row("2", 1, 200)];
    let areas = ["FLOOR", "STAGE", "BAR"].into_iter().zip(AREAS).map(area).collect();
    let pooled = POOLED.map(|at| AreaIdx(u16::try_from(at).expect("three areas")));
    let pool = Pool { id: "GATE".into(), capacity: POOL_CAPACITY, areas: pooled.collect() };
    SeatingPlan {
        id: "p-sim".parse().expect("it is a plan id"),
        sections: vec![Section { name: "A".into(), rows }],
        areas,
        focal_x_cm: 100,
        focal_y_cm: 0,
        pools: vec![pool],
    }
}

fn listing(event: &str, plan: &SeatingPlan) -> EventListing {
    let price = Money::new(PRICE, Currency::EUR);
    let level = |name: &str| PriceLevel { name: name.into(), price };
    EventListing {
        event: event.parse().expect("it is an event id"),
        plan: plan.id.clone(),
        name: event.into(),
        venue: "Hall".into(),
        city: "Ulm".into(),
        category: "Play".into(),
        starts_at: UnixMillis(u64::MAX / 2),
        sale_starts_at: UnixMillis(0),
        status: EventStatus::OnSale,
        price_levels: ["front", "back"].map(level).to_vec(),
        places_total: plan.place_count(),
        hold_ttl_ms: HOLD_TTL,
        account_places_max: ACCOUNT_PLACES_MAX,
        waiting_room: false,
        hold_life_max_ms: HOLD_LIFE_MAX,
        channels: Vec::new(),
        request_places_max: 10,
        terms: schema::Terms::default(),
    }
}
