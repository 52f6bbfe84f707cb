//! Seats for buyers who shall not meet: each seat is asked for once.

use crate::dice::Dice;
use crate::engine::{Account, Venue};
use crate::prepare::prepare;
use crate::scenario::{DoorSpec, Event, Expect, Make, Scenario};
use crate::wire::Door;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Events that the seats are spread over, so that every shard has some.
const EVENTS: u32 = 16;

/// Seats of a row, and rows of a section.
const ROW_SEATS: u8 = 40;
const SECTION_ROWS: u32 = 25;

/// How many seats an event has at most: the sections that this makes are below every limit.
const EVENT_SEATS_MAX: u32 = 200_000;

/// Holds outlive every measurement.
const HOLD_TTL_SECONDS: u32 = 7_200;

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

impl Stock {
    /// Puts at least `seats` seats of new events on sale.
    pub async fn make(
        door: &Door,
        bench_door: bool,
        seats: u32,
        accounts: u32,
    ) -> anyhow::Result<Self> {
        let of_section = SECTION_ROWS * u32::from(ROW_SEATS);
        let of_event = seats.div_ceil(EVENTS).clamp(of_section, EVENT_SEATS_MAX);
        let make = Make {
            sections: of_event.div_ceil(of_section),
            rows: SECTION_ROWS,
            seats: ROW_SEATS,
            waiting_room: false,
            hold_ttl_seconds: HOLD_TTL_SECONDS,
            account_places_max: u16::MAX,
        };
        // Events of an earlier measurement of the same system are not in the way.
        let name = format!("M{}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis());
        let event = Event { make: Some(make), copies: EVENTS, room: None };
        let scenario = Scenario {
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
        };
        let world = prepare(&scenario, door, bench_door).await?;
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

#[cfg(test)]
mod tests {
    use super::Stock;
    use crate::engine::Venue;
    use crate::fan::{Plan, Row};
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
}
