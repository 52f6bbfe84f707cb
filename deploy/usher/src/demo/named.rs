//! `EVT001` to `EVT004`: the events that the public contract promises.

use schema::limits::{HOLD_LIFE_MAX, HOLD_TTL, REQUEST_PLACES};
use schema::{
    Area, Currency, DurationMs, EventListing, EventStatus, Money, PriceLevel, RoomMode,
    RoomSettings, SeatingPlan, Section, UnixMillis,
};

use super::season::{DAY, day_of};
use super::{ACCOUNT_PLACES_MAX, Catalogue, arena, geometry};

/// How long after the first start the pre-queue of `EVT004` ends.
const PRE_QUEUE: DurationMs = DurationMs::from_secs(600);
/// Doors at seven in the evening.
const EVENING: DurationMs = DurationMs::from_secs(19 * 3_600);

/// What differs between the four.
struct Draft<'a> {
    id: &'a str,
    name: &'a str,
    venue: &'a str,
    city: &'a str,
    category: &'a str,
    days_ahead: u64,
    prices: &'a [(&'a str, i64)],
}

/// The four events with their plans; `EVT001` and `EVT004` share the arena.
pub fn catalogue(now: UnixMillis) -> Catalogue {
    let arena = plan(arena::sections(), vec![arena::standing()], arena::FOCAL_CM);
    let theatre = plan(theatre(), Vec::new(), (900, -400));
    let meadow = plan(Vec::new(), vec![meadow()], (0, 0));
    let mut reunion = listing(&REUNION, &arena, now);
    reunion.sale_starts_at = now + PRE_QUEUE;
    let tour = listing(&TOUR, &arena, now);
    let rooms = vec![
        (tour.event.clone(), RoomSettings { mode: RoomMode::Open, ..RoomSettings::default() }),
        (reunion.event.clone(), pre_queue(reunion.sale_starts_at)),
    ];
    let events = vec![
        EventListing { waiting_room: true, ..tour },
        listing(&PLAY, &theatre, now),
        listing(&FESTIVAL, &meadow, now),
        EventListing { waiting_room: true, ..reunion },
    ];
    Catalogue { plans: vec![arena, theatre, meadow], events, rooms }
}

const TOUR: Draft<'_> = Draft {
    id: "EVT001",
    name: "Northern Lights: The Long Night Tour",
    venue: "Harbour Arena",
    city: "Hamburg",
    category: "Concert",
    days_ahead: 60,
    prices: &arena::PRICES,
};

const PLAY: Draft<'_> = Draft {
    id: "EVT002",
    name: "The Glass Lighthouse",
    venue: "Little Theatre on the Canal",
    city: "Utrecht",
    category: "Theatre",
    days_ahead: 30,
    prices: &[("Front stalls", 6_500), ("Stalls", 5_200), ("Balcony", 3_900)],
};

const FESTIVAL: Draft<'_> = Draft {
    id: "EVT003",
    name: "Riverside Open Air",
    venue: "River Meadow",
    city: "Dresden",
    category: "Festival",
    days_ahead: 90,
    prices: &[("General admission", 4_900)],
};

const REUNION: Draft<'_> = Draft {
    id: "EVT004",
    name: "Paper Moons: The Reunion",
    venue: "Harbour Arena",
    city: "Hamburg",
    category: "Concert",
    days_ahead: 120,
    prices: &arena::PRICES,
};

fn listing(draft: &Draft<'_>, plan: &SeatingPlan, now: UnixMillis) -> EventListing {
    let today = UnixMillis(day_of(now) * DAY.0);
    let level = |(name, cents): &(&str, i64)| PriceLevel {
        name: (*name).into(),
        price: Money::new(*cents, Currency::EUR),
    };
    EventListing {
        event: draft.id.parse().expect("a draft's id is an event id"),
        plan: plan.id.clone(),
        name: draft.name.into(),
        venue: draft.venue.into(),
        city: draft.city.into(),
        category: draft.category.into(),
        starts_at: today + DurationMs(draft.days_ahead * DAY.0) + EVENING,
        sale_starts_at: today,
        status: EventStatus::OnSale,
        price_levels: draft.prices.iter().map(level).collect(),
        places_total: plan.place_count(),
        hold_ttl_ms: HOLD_TTL,
        hold_life_max_ms: HOLD_LIFE_MAX,
        account_places_max: ACCOUNT_PLACES_MAX,
        waiting_room: false,
        channels: Vec::new(),
        request_places_max: REQUEST_PLACES,
        terms: schema::Terms::default(),
    }
}

fn pre_queue(opens_at: UnixMillis) -> RoomSettings {
    let mode = RoomMode::PreQueue;
    RoomSettings { mode, opens_at: Some(opens_at), ..RoomSettings::default() }
}

/// 300 seats. None is set apart as accessible, so that asking for the best seats sells the last one
/// too.
fn theatre() -> Vec<Section> {
    let front = geometry::straight("FRONT", 4, 20, 0, (425, 0));
    let stalls = geometry::straight("STALLS", 6, 20, 1, (425, 400));
    let balcony = geometry::straight("BALCONY", 5, 20, 2, (425, 1_200));
    vec![front, stalls, balcony]
}

fn meadow() -> Area {
    Area { id: "GA".into(), name: "General admission".into(), capacity: 5_000, price_level: 0 }
}

/// Completes a plan with its id.
pub fn plan(sections: Vec<Section>, areas: Vec<Area>, focal_cm: (i32, i32)) -> SeatingPlan {
    let unnamed = "unnamed".parse().expect("seven letters are a plan id");
    let mut plan = SeatingPlan {
        id: unnamed,
        sections,
        areas,
        focal_x_cm: focal_cm.0,
        focal_y_cm: focal_cm.1,
        pools: Vec::new(),
    };
    plan.id = plan.content_id();
    plan
}
