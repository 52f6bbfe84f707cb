//! Seats for buyers who shall not meet: each seat is asked for once.

use crate::dice::Dice;
use crate::engine::{Account, Venue};
use crate::prepare::prepare;
use crate::scenario::{DoorSpec, Event, Expect, Make, Room, Scenario};
use crate::wire::Door;
use anyhow::{Context as _, ensure};
use schema::Shards;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Events that seats are spread over where nothing else is said: some for every shard.
const EVENTS: u32 = 16;

/// Seats of a row, and rows of a section, of those.
const ROW_SEATS: u8 = 40;
const SECTION_ROWS: u32 = 25;

/// How many seats an event has at most: the sections that this makes are below every limit.
const EVENT_SEATS_MAX: u32 = 200_000;

/// Seats of a row of events with a certain size. Small enough that 300 is a multiple, large enough
/// for two of the largest parties.
const EXACT_ROW_SEATS: u8 = 20;

/// Holds outlive every measurement.
const HOLD_TTL_SECONDS: u32 = 7_200;

/// The events that seats are put on sale in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Houses {
    pub events: u32,
    /// Of each event.
    pub sections: u32,
    /// Of each section.
    pub rows: u32,
    pub row_seats: u8,
}

/// Seats on sale, and accounts to buy them with.
pub struct Stock {
    pub venues: Vec<Venue>,
    pub accounts: Vec<Account>,
}

/// What one party asks for: neighbours in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    pub event: Box<str>,
    pub seats: Vec<String>,
}

impl Houses {
    /// At least `seats` seats in a few large events.
    pub fn spread(seats: u32) -> Self {
        let of_section = SECTION_ROWS * u32::from(ROW_SEATS);
        Self::many(EVENTS, seats.div_ceil(EVENTS).clamp(of_section, EVENT_SEATS_MAX))
    }

    /// So many events of at least `event_seats` seats each.
    pub fn many(events: u32, event_seats: u32) -> Self {
        let all_rows = event_seats.div_ceil(ROW_SEATS.into()).max(1);
        let (sections, rows) = (all_rows.div_ceil(SECTION_ROWS), all_rows.min(SECTION_ROWS));
        Self { events, sections, rows, row_seats: ROW_SEATS }
    }

    /// Events of exactly `event_seats` seats: as many as have at least `seats` together, and one
    /// for each shard at least.
    pub fn of_size(event_seats: u32, seats: u32) -> anyhow::Result<Self> {
        let row_seats = EXACT_ROW_SEATS;
        let rows = event_seats / u32::from(row_seats);
        ensure!(
            0 < rows && rows * u32::from(row_seats) == event_seats,
            "seats of an event are a multiple of {row_seats}"
        );
        ensure!(event_seats <= EVENT_SEATS_MAX, "an event has at most {EVENT_SEATS_MAX} seats");
        let fits = |of_section: &u32| rows.is_multiple_of(*of_section);
        let rows_each = (1..=SECTION_ROWS).rev().find(fits).expect("one divides every number");
        let events = seats.div_ceil(event_seats).max(u8::from(Shards::default()).into());
        Ok(Self { events, sections: rows / rows_each, rows: rows_each, row_seats })
    }

    fn make(&self, waiting_room: bool) -> Make {
        Make {
            sections: self.sections,
            rows: self.rows,
            seats: self.row_seats,
            waiting_room,
            hold_ttl_seconds: HOLD_TTL_SECONDS,
            account_places_max: u16::MAX,
        }
    }
}

/// Makes an event with a waiting room that lets nobody in, and names it.
pub async fn closed_room(door: &Door) -> anyhow::Result<String> {
    let room = Room { mode: Some("hold".to_owned()), ..Room::default() };
    let make = Houses::spread(0).make(true);
    let event = Event { make: Some(make), copies: 0, room: Some(room) };
    let name = format!("{}R", stem()?);
    prepare(&scenario(name.clone(), event, 0), door, false).await.context("make a room")?;
    Ok(name)
}

impl Stock {
    /// Puts the seats of new events on sale. Numbered as they are, they lie on all shards alike.
    pub async fn make(
        door: &Door,
        bench_door: bool,
        houses: Houses,
        accounts: u32,
    ) -> anyhow::Result<Self> {
        let name = stem()?;
        let event = Event { make: Some(houses.make(false)), copies: houses.events, room: None };
        let world = prepare(&scenario(name, event, accounts), door, bench_door).await?;
        Ok(Self { venues: world.venues, accounts: world.accounts })
    }

    /// What the buyer with this number asks for, of so many: rows of its own, split among parties
    /// by these weights. Where a row ends the party is smaller.
    pub fn parties(&self, number: u32, of: u32, weights: &[f64]) -> Vec<Party> {
        let mut dice = Dice::new(7, number.into());
        let mut parties = Vec::new();
        let events = u32::try_from(self.venues.len()).expect("a few events");
        for turn in 0..events {
            // Neighbours begin in different events.
            let at = (number + turn) % events;
            let venue = &self.venues[usize::try_from(at).expect("32 bits fit")];
            let rows = venue.plan.row_count();
            // Which of the rows are its own differs by event, so that they are as many for all.
            for row in
                ((number + at * of / events) % of..rows).step_by(usize::try_from(of).expect("fits"))
            {
                let row = venue.plan.row(row);
                let (mut next, end) = (row.first_number, row.first_number + row.seats);
                while next < end {
                    let size = dice.choose(weights.iter().copied()) + 1;
                    let size = u32::try_from(size).expect("a small party").min(end - next);
                    let seat = |seat: u32| format!("{}-{}-{seat}", row.section, row.label);
                    let seats = (next..next + size).map(seat).collect();
                    parties.push(Party { event: venue.event.clone(), seats });
                    next += size;
                }
            }
        }
        parties
    }
}

/// Begins the names of what is made now: what the system has already is not in the way.
fn stem() -> anyhow::Result<String> {
    Ok(format!("M{}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis()))
}

fn scenario(name: String, event: Event, accounts: u32) -> Scenario {
    Scenario {
        about: String::new(),
        seed: 1,
        seconds_max: 0,
        door: DoorSpec::default(),
        accounts,
        events: [(name.clone(), event)].into(),
        people: BTreeMap::new(),
        operator: Vec::new(),
        expect: Expect::default(),
        name,
    }
}

#[cfg(test)]
mod tests {
    use super::{Houses, Shards, Stock};
    use crate::engine::Venue;
    use crate::fan::{Plan, Row};
    use schema::EventId;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    #[test]
    fn every_seat_is_asked_for_once() {
        let row = |row: u32| Row {
            section: "S1".into(),
            label: row.to_string().into(),
            first_idx: row * 7,
            first_number: 1,
            seats: 7,
        };
        let plan = Arc::new(Plan::new((0..10).map(row).collect()));
        let venue =
            |event: &str| Venue { event: event.into(), plan: Arc::clone(&plan), has_room: false };
        let venues = vec![venue("A"), venue("B"), venue("C")];
        let stock = Stock { venues, accounts: Vec::new() };
        let mut seen = BTreeSet::new();
        for number in 0..8 {
            for party in stock.parties(number, 8, &[1.0, 1.0, 1.0]) {
                assert!((1..=3).contains(&party.seats.len()));
                for seat in party.seats {
                    assert!(seen.insert((party.event.clone(), seat.clone())), "{seat} twice");
                }
            }
        }
        assert_eq!(seen.len(), 210);
    }

    fn event_seats(houses: Houses) -> u32 {
        houses.sections * houses.rows * u32::from(houses.row_seats)
    }

    #[test]
    fn houses_have_exactly_the_size_that_is_asked_for_and_are_enough() {
        for size in [300, 2_400, 20_700, 80_000] {
            let houses = Houses::of_size(size, 320_000).unwrap();
            assert_eq!(event_seats(houses), size, "{houses:?}");
            assert!(320_000 <= houses.events * size && (houses.events - 1) * size < 320_000);
        }
        assert_eq!(Houses::of_size(80_000, 1).unwrap().events, 4, "each shard has one");
        assert!(Houses::of_size(310, 1).is_err() && Houses::of_size(0, 1).is_err());
        assert!(Houses::of_size(200_020, 1).is_err());
        let many = Houses::many(64, 100);
        assert_eq!((many.events, event_seats(many)), (64, 120));
        assert!(1_001 <= event_seats(Houses::many(1, 1_001)));
        let spread = Houses::spread(320_000);
        assert!(320_000 <= spread.events * event_seats(spread));
    }

    #[test]
    fn numbered_events_lie_on_all_shards_alike() {
        for name in ["M1764208155000", "M1764208155001", "M9"] {
            for events in [4, 16, 134, 1_067_u32] {
                let mut counts = [0; 4];
                for number in 1..=events {
                    let event: EventId = format!("{name}-{number}").parse().unwrap();
                    counts[usize::from(Shards::default().of(&event).0)] += 1;
                }
                let share = events.div_ceil(u8::from(Shards::default()).into());
                assert!(counts.iter().all(|count| share.abs_diff(*count) <= 1), "{counts:?}");
            }
        }
    }
}
