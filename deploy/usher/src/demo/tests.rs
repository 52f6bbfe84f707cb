//! What the catalogue promises.

use std::collections::{HashMap, HashSet};

use schema::{
    EventId, EventListing, PlanId, PlanIndex, RoomMode, SeatIdx, SeatingPlan, UnixMillis,
};

use super::{Catalogue, catalogue};

const NOW: UnixMillis = UnixMillis(1_795_460_000_123);
const DAY_MS: u64 = 86_400_000;

fn event<'a>(catalogue: &'a Catalogue, id: &str) -> &'a EventListing {
    let found = catalogue.events.iter().find(|event| event.event.as_str() == id);
    found.unwrap_or_else(|| panic!("{id} is not in the catalogue"))
}

fn plan<'a>(catalogue: &'a Catalogue, id: &PlanId) -> &'a SeatingPlan {
    catalogue.plans.iter().find(|plan| plan.id == *id).expect("an event's plan is in the catalogue")
}

#[test]
fn the_season_has_as_many_games_as_the_source_and_the_named_events_come_first() {
    let catalogue = catalogue(NOW);
    assert_eq!(catalogue.events.len(), 2_429 + 4);
    let ids: Vec<_> = catalogue.events[..4].iter().map(|event| event.event.as_str()).collect();
    assert_eq!(ids, ["EVT001", "EVT002", "EVT003", "EVT004"]);
}

#[test]
fn event_ids_and_plan_ids_are_unique() {
    let catalogue = catalogue(NOW);
    let events: HashSet<&EventId> = catalogue.events.iter().map(|event| &event.event).collect();
    assert_eq!(events.len(), catalogue.events.len());
    let plans: HashSet<&PlanId> = catalogue.plans.iter().map(|plan| &plan.id).collect();
    assert_eq!(plans.len(), catalogue.plans.len());
}

#[test]
fn no_park_has_two_games_a_day() {
    let mut days = HashSet::new();
    for event in catalogue(NOW).events.iter().filter(|event| event.category == "Baseball") {
        // The id has the local date.
        let date = event.event.as_str().split_once('-').map(|(_, date)| date.to_owned());
        assert!(days.insert((event.venue.clone(), date)), "{} twice", event.event);
    }
}

#[test]
fn every_event_lies_ahead_of_any_start() {
    for years in 0..12 {
        let now = UnixMillis(NOW.0 + years * 200 * DAY_MS);
        let events = catalogue(now).events;
        let first = events.iter().map(|event| event.starts_at).min().expect("there are events");
        let last = events.iter().map(|event| event.starts_at).max().expect("there are events");
        assert!(now.0 + DAY_MS < first.0, "{first} at {now}");
        assert!(last.0 < now.0 + 600 * DAY_MS, "{last} at {now}");
    }
}

#[test]
fn games_keep_their_season_and_begin_in_the_afternoon_or_evening() {
    let catalogue = catalogue(NOW);
    let opening = event(&catalogue, "NYA-20270409");
    assert_eq!(opening.name, "New York Yankees at Yankee Stadium II, game 1");
    assert_eq!(opening.starts_at.to_rfc3339(), "2027-04-09T23:05:00.000Z");
    assert_eq!((opening.city.as_str(), opening.category.as_str()), ("New York", "Baseball"));
}

#[test]
fn every_plan_is_valid_and_fits_into_a_message() {
    for plan in catalogue(NOW).plans {
        plan.validate().unwrap();
        assert_eq!(plan.id, plan.content_id());
        let bytes = schema::codec::encode(&plan).len();
        assert!(bytes < schema::codec::MESSAGE_BYTES_MAX / 4, "{} has {bytes} bytes", plan.id);
    }
}

#[test]
fn no_two_seats_are_drawn_closer_than_forty_centimetres() {
    for plan in catalogue(NOW).plans {
        let (id, seats) = (plan.id.clone(), plan.seat_count());
        let index = PlanIndex::new(plan);
        let mut cells: HashMap<(i32, i32), Vec<(i32, i32)>> = HashMap::new();
        for seat in (0..seats).map(SeatIdx) {
            let (x, y) = index.place(seat).unwrap().position_cm();
            let (column, line) = (x.div_euclid(40), y.div_euclid(40));
            for cell in (0..9).map(|near| (column + near % 3 - 1, line + near / 3 - 1)) {
                let others = cells.get(&cell).into_iter().flatten();
                for (other_x, other_y) in others {
                    let apart = (x - other_x).pow(2) + (y - other_y).pow(2);
                    assert!(40 * 40 <= apart, "{id}: {}", index.place(seat).unwrap().seat_id());
                }
            }
            cells.entry((column, line)).or_default().push((x, y));
        }
    }
}

#[test]
fn every_event_has_its_plan_and_a_price_for_each_place() {
    let catalogue = catalogue(NOW);
    let plans: HashMap<_, _> = catalogue.plans.iter().map(|plan| (&plan.id, plan)).collect();
    for event in &catalogue.events {
        let plan = plans[&event.plan];
        assert_eq!(event.places_total, plan.place_count());
        let rows = plan.sections.iter().flat_map(|section| &section.rows);
        let levels = rows.map(|row| row.price_level);
        let used: HashSet<u8> =
            levels.chain(plan.areas.iter().map(|area| area.price_level)).collect();
        assert_eq!(used.len(), event.price_levels.len(), "{}", event.event);
        assert!(used.iter().all(|level| event.price(*level).is_some_and(|price| 0 < price)));
    }
}

#[test]
fn parks_have_a_size_that_fits_their_crowds_and_enough_accessible_places() {
    let catalogue = catalogue(NOW);
    for event in catalogue.events.iter().filter(|event| event.category == "Baseball") {
        let plan = plan(&catalogue, &event.plan);
        let seats = plan.seat_count();
        let guests = ["Williamsport", "Birmingham"].contains(&event.city.as_str());
        let range = if guests { 2_000..10_000 } else { 19_000..47_000 };
        assert!(range.contains(&seats), "{} has {seats}", event.venue);
        let rows = plan.sections.iter().flat_map(|section| &section.rows);
        let accessible: u32 = rows.map(|row| row.accessible.count_ones()).sum();
        let permille = accessible * 1_000 / seats;
        assert!((10..=20).contains(&permille), "{}: {permille} per mille", event.venue);
        assert!((4..=6).contains(&event.price_levels.len()));
    }
}

#[test]
fn the_same_start_gives_the_same_catalogue() {
    assert_eq!(catalogue(NOW), catalogue(NOW));
    assert_eq!(catalogue(NOW).plans, catalogue(UnixMillis(NOW.0 + 900 * DAY_MS)).plans);
}

#[test]
fn the_arena_is_on_sale_behind_an_open_room() {
    let catalogue = catalogue(NOW);
    let arena = event(&catalogue, "EVT001");
    let plan = plan(&catalogue, &arena.plan);
    assert_eq!((plan.seat_count(), plan.area_capacity()), (3_600 + 9_504 + 6_720, 900));
    assert!(arena.waiting_room && arena.sale_starts_at <= NOW);
    let (room, settings) = &catalogue.rooms[0];
    assert_eq!((room.as_str(), settings.mode), ("EVT001", RoomMode::Open));
}

#[test]
fn the_theatre_has_three_hundred_seats_and_the_meadow_room_for_five_thousand() {
    let catalogue = catalogue(NOW);
    let theatre = event(&catalogue, "EVT002");
    assert_eq!(plan(&catalogue, &theatre.plan).seat_count(), 300);
    assert_eq!((theatre.places_total, theatre.waiting_room), (300, false));
    let meadow = event(&catalogue, "EVT003");
    assert_eq!(plan(&catalogue, &meadow.plan).area_capacity(), 5_000);
    assert_eq!((meadow.places_total, meadow.waiting_room), (5_000, false));
}

#[test]
fn the_pre_queue_becomes_a_line_ten_minutes_after_the_first_start() {
    let catalogue = catalogue(NOW);
    let opens_at = UnixMillis(NOW.0 + 600_000);
    let event = event(&catalogue, "EVT004");
    assert_eq!((event.sale_starts_at, event.waiting_room), (opens_at, true));
    let (room, settings) = &catalogue.rooms[1];
    assert_eq!((room, settings.mode), (&event.event, RoomMode::PreQueue));
    assert_eq!(settings.opens_at, Some(opens_at));
    assert_eq!(catalogue.rooms.len(), 2);
}
