//! The seat map of an event, as it is after the run.

use serde::Deserialize;
use std::collections::HashMap;

/// One event's places.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct SeatMap {
    #[serde(default)]
    pub sections: Vec<Section>,
    #[serde(default)]
    pub areas: Vec<Area>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Section {
    pub rows: Vec<Row>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    pub seats: Vec<Seat>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Seat {
    #[serde(rename = "seatId")]
    pub id: Box<str>,
    pub status: Status,
    #[serde(default)]
    pub accessible: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Free,
    Held,
    Sold,
    Blocked,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Area {
    #[serde(rename = "areaId")]
    pub id: Box<str>,
    pub capacity: u32,
    pub free: u32,
}

impl SeatMap {
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.sections.iter().flat_map(|section| &section.rows)
    }

    pub fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.rows().flat_map(|row| &row.seats)
    }

    pub fn statuses(&self) -> HashMap<&str, Status> {
        self.seats().map(|seat| (&*seat.id, seat.status)).collect()
    }

    /// Seats and standing places.
    pub fn place_count(&self) -> u32 {
        let seats = u32::try_from(self.seats().count()).expect("a plan has at most 200,000 seats");
        seats + self.areas.iter().map(|area| area.capacity).sum::<u32>()
    }
}
