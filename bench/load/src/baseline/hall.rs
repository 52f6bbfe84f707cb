//! An event's seats as the baselines keep them in memory: names, levels and prices.

use super::contract::{EventInput, Price};
use anyhow::{Context as _, ensure};
use std::collections::HashMap;

/// One event. Seats are numbered from 0 in the order of the plan.
#[derive(Debug)]
pub struct Hall {
    /// Short for the event's id, in tables.
    pub number: i32,
    pub event: String,
    pub currency: String,
    pub hold_ttl_ms: i64,
    pub seat_count: i32,
    levels: Vec<i64>,
    rows: Vec<Row>,
    /// Section, then row.
    found: HashMap<String, HashMap<String, usize>>,
}

#[derive(Debug)]
struct Row {
    section: String,
    label: String,
    first: i32,
    first_number: i32,
    seats: i32,
    level: u8,
}

/// A seat with its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat<'a> {
    pub section: &'a str,
    pub row: &'a str,
    pub number: i32,
    pub level: u8,
    pub price: i64,
}

const TEN_MINUTES_S: i64 = 600;

impl Hall {
    pub fn new(number: i32, input: EventInput) -> anyhow::Result<Self> {
        let first_level = input.price_levels.first().context("an event without price levels")?;
        let mut hall = Self {
            number,
            event: input.event_id,
            currency: first_level.price.currency.clone(),
            hold_ttl_ms: input.hold_ttl_seconds.unwrap_or(TEN_MINUTES_S) * 1_000,
            seat_count: 0,
            levels: input.price_levels.iter().map(|level| level.price.amount).collect(),
            rows: Vec::new(),
            found: HashMap::new(),
        };
        for section in input.plan.sections {
            let mut labels = HashMap::new();
            for row in section.rows {
                ensure!(usize::from(row.price_level) < hall.levels.len(), "an unknown level");
                labels.insert(row.row.clone(), hall.rows.len());
                hall.rows.push(Row {
                    section: section.section.clone(),
                    label: row.row,
                    first: hall.seat_count,
                    first_number: row.first_seat,
                    seats: row.seats.into(),
                    level: row.price_level,
                });
                hall.seat_count += i32::from(row.seats);
            }
            hall.found.insert(section.section, labels);
        }
        Ok(hall)
    }

    /// The seat of an id such as `S1-2-3`.
    pub fn find(&self, seat_id: &str) -> Option<i32> {
        let (row, number) = seat_id.rsplit_once('-')?;
        let (section, label) = row.rsplit_once('-')?;
        let row = &self.rows[*self.found.get(section)?.get(label)?];
        let offset = number.parse::<i32>().ok()? - row.first_number;
        (0..row.seats).contains(&offset).then(|| row.first + offset)
    }

    pub fn seat(&self, idx: i32) -> Seat<'_> {
        assert!((0..self.seat_count).contains(&idx), "seats of tables are those of the plan");
        let row = &self.rows[self.rows.partition_point(|row| row.first <= idx) - 1];
        Seat {
            section: &row.section,
            row: &row.label,
            number: row.first_number + idx - row.first,
            level: row.level,
            price: self.levels[usize::from(row.level)],
        }
    }

    pub fn total(&self, seats: &[i32]) -> Price {
        let amount = seats.iter().map(|seat| self.seat(*seat).price).sum();
        Price { amount, currency: self.currency.clone() }
    }
}

impl Seat<'_> {
    pub fn id(&self) -> String {
        format!("{}-{}-{}", self.section, self.row, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::Hall;
    use serde_json::json;

    #[test]
    fn seats_are_found_by_name_and_named_by_number() {
        let row = |row: &str, level: u8| json!({"row": row, "seats": 3, "priceLevel": level});
        let level = |amount: i64| json!({"price": {"amount": amount, "currency": "EUR"}});
        let input = json!({
            "eventId": "E", "priceLevels": [level(500), level(300)],
            "plan": {"sections": [{"section": "A", "rows": [row("1", 0), row("2", 1)]}]},
        });
        let hall = Hall::new(1, serde_json::from_value(input).unwrap()).unwrap();
        assert_eq!(hall.seat_count, 6);
        let found = ["A-1-1", "A-2-1", "A-2-3", "A-2-4", "A-3-1", "B-1-1", "A"];
        let found = found.map(|seat| hall.find(seat));
        assert_eq!(found, [Some(0), Some(3), Some(5), None, None, None, None]);
        assert_eq!(hall.seat(5).id(), "A-2-3");
        assert_eq!((hall.seat(2).price, hall.total(&[2, 3]).amount), (500, 800));
    }
}
