//! The events of a run: found, or made; and their rooms.

use crate::engine::Venue;
use crate::fan::{Plan, Row};
use crate::scenario::{Event, Make, Room};
use crate::wire::{Connection, Question};
use anyhow::{Context as _, ensure};
use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Events of one import: each is stored before the answer.
const IMPORT_MAX: usize = 100;

/// Price levels of an event that is made, in cents, from the front to the back.
const PRICES: [u32; 4] = [12_900, 9_900, 6_900, 4_900];

/// The venues of one of the scenario's events.
pub async fn venues(
    connection: &mut Connection,
    operator: &str,
    name: &str,
    event: &Event,
) -> anyhow::Result<Vec<Venue>> {
    let ids: Vec<String> = match event.copies {
        0 => vec![name.to_owned()],
        copies => (1..=copies).map(|copy| format!("{name}-{copy}")).collect(),
    };
    if let Some(make) = &event.make {
        let plan = plan_body(make);
        for some in ids.chunks(IMPORT_MAX) {
            let events: Vec<_> = some.iter().map(|id| event_body(id, make, &plan)).collect();
            let question = Question::post("/api/admin/events/import", &json!({"events": events}));
            connection.expect(question.header("authorization", operator.to_owned()), 200).await?;
        }
    }
    if let Some(room) = &event.room {
        steer(connection, operator, name, room).await?;
    }
    let plan = match &event.make {
        Some(make) => made_plan(make),
        None => found_plan(connection, name).await?,
    };
    let plan = Arc::new(plan);
    let mut venues = Vec::with_capacity(ids.len());
    for id in ids {
        let shown = connection.expect(Question::get(format!("/api/events/{id}")), 200).await?;
        let has_room = shown["waitingRoom"] == true;
        let (event, plan) = (id.into(), Arc::clone(&plan));
        venues.push(Venue { event, plan, has_room });
    }
    Ok(venues)
}

async fn steer(
    connection: &mut Connection,
    operator: &str,
    event: &str,
    room: &Room,
) -> anyhow::Result<()> {
    let path = format!("/api/admin/events/{event}/admission");
    let mut question = Question::post(path, &serde_json::to_value(room)?);
    question.method = Method::PATCH;
    let question = question.header("authorization", operator.to_owned());
    connection.expect(question.header("if-match", "*".to_owned()), 200).await?;
    Ok(())
}

fn plan_body(make: &Make) -> Value {
    let sections = (1..=make.sections).map(|section| {
        let level = u32::try_from(PRICES.len()).expect("a few") * (section - 1) / make.sections;
        let rows = (1..=make.rows)
            .map(|row| json!({"row": row.to_string(), "seats": make.seats, "priceLevel": level}));
        json!({"section": format!("S{section}"), "rows": rows.collect::<Vec<_>>()})
    });
    json!({"sections": sections.collect::<Vec<_>>()})
}

fn event_body(id: &str, make: &Make, plan: &Value) -> Value {
    let level = |price: &u32| {
        let amount = json!({"amount": price, "currency": "EUR"});
        json!({"name": format!("Level {price}"), "price": amount})
    };
    json!({
        "eventId": id, "name": format!("Bench {id}"), "venue": "Bench Hall", "city": "Bench",
        "category": "Bench", "startsAt": "2099-01-01T19:00:00Z",
        "priceLevels": PRICES.iter().map(level).collect::<Vec<_>>(), "plan": plan,
        "holdTtlSeconds": make.hold_ttl_seconds, "accountPlacesMax": make.account_places_max,
        "waitingRoom": make.waiting_room,
    })
}

fn made_plan(make: &Make) -> Plan {
    let mut rows = Vec::new();
    let mut first_idx = 0;
    for section in 1..=make.sections {
        for row in 1..=make.rows {
            let (section, label) = (format!("S{section}").into(), row.to_string().into());
            let seats = u32::from(make.seats);
            rows.push(Row { section, label, first_idx, first_number: 1, seats });
            first_idx += seats;
        }
    }
    Plan::new(rows)
}

#[derive(Deserialize)]
struct Map {
    sections: Vec<MapSection>,
    areas: Vec<MapArea>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MapArea {
    area_id: Box<str>,
}

#[derive(Deserialize)]
struct MapSection {
    section: Box<str>,
    rows: Vec<MapRow>,
}

#[derive(Deserialize)]
struct MapRow {
    row: Box<str>,
    seats: Vec<MapSeat>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MapSeat {
    seat_id: Box<str>,
}

async fn found_plan(connection: &mut Connection, event: &str) -> anyhow::Result<Plan> {
    let answer = connection.ask(Question::get(format!("/api/events/{event}/seats"))).await?;
    ensure!(answer.status == 200, "its seats: {} {}", answer.status, answer.text());
    let map: Map = serde_json::from_slice(&answer.body).context("read its seats")?;
    let mut rows = Vec::new();
    let mut first_idx = 0;
    for MapSection { section, rows: of_section } in map.sections {
        for MapRow { row, seats } in of_section {
            let Some(first) = seats.first() else { continue };
            let (_, number) = first.seat_id.rsplit_once('-').context("a seat without a number")?;
            let first_number = number.parse().context("read the number of a seat")?;
            let seats = u32::try_from(seats.len())?;
            rows.push(Row { section: section.clone(), label: row, first_idx, first_number, seats });
            first_idx += seats;
        }
    }
    let areas = map.areas.into_iter().map(|area| area.area_id).collect();
    Ok(Plan::new(rows).with_areas(areas))
}
