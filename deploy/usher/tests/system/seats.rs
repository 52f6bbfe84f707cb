//! What `GET seats` shows.

use crate::client::Client;
use crate::fan::text;
use serde_json::Value;
use std::collections::BTreeMap;

/// A seat map, in the order of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct SeatMap {
    pub version: u64,
    /// Rows of (seat, status).
    pub rows: Vec<Vec<(String, String)>>,
    /// The section of each row.
    pub sections: Vec<String>,
    /// Free places by area.
    pub areas: BTreeMap<String, u64>,
}

impl SeatMap {
    pub async fn of(client: &Client, event: &str) -> Self {
        let body = client.get(&format!("/api/events/{event}/seats")).await;
        Self::read(&body)
    }

    pub fn read(body: &Value) -> Self {
        let list = |value: &Value| value.as_array().expect("a list").clone();
        let sections = list(&body["sections"]);
        let rows = sections.iter().flat_map(|section| list(&section["rows"]));
        let named = sections.iter().flat_map(|section| {
            list(&section["rows"]).into_iter().map(move |_| text(&section["section"]))
        });
        let seat = |seat: Value| (text(&seat["seatId"]), text(&seat["status"]));
        let rows = rows.map(|row| list(&row["seats"]).into_iter().map(seat).collect());
        let area = |area: &Value| (text(&area["areaId"]), area["free"].as_u64().expect("a count"));
        Self {
            version: body["version"].as_u64().expect("a number"),
            rows: rows.collect(),
            sections: named.collect(),
            areas: list(&body["areas"]).iter().map(area).collect(),
        }
    }

    pub fn seats(&self) -> impl Iterator<Item = &(String, String)> {
        self.rows.iter().flatten()
    }

    /// How many seats have each status.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (_, status) in self.seats() {
            *counts.entry(status.clone()).or_default() += 1;
        }
        counts
    }

    pub fn count(&self, status: &str) -> usize {
        self.counts().get(status).copied().unwrap_or_default()
    }

    pub fn status(&self, seat: &str) -> &str {
        let found = self.seats().find(|(id, _)| id == seat);
        &found.unwrap_or_else(|| panic!("no seat {seat}")).1
    }

    /// The first free neighbours.
    pub fn free_run(&self, count: usize) -> Vec<String> {
        let runs = self.rows.iter().flat_map(|row| row.windows(count));
        let mut free = runs.filter(|run| run.iter().all(|(_, status)| status == "free"));
        let run = free.next().expect("so many neighbours are free");
        run.iter().map(|(seat, _)| seat.clone()).collect()
    }

    /// What remains equal while nothing happens; refused commands may raise the version.
    pub fn without_version(self) -> Self {
        Self { version: 0, ..self }
    }
}
