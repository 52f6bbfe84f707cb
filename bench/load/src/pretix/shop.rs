//! A pretix, seen through its REST API: an event's free seats, and how to ask.

use super::trace::{Place, Row};
use crate::cli;
use crate::wire::{Connection, Door, Question};
use anyhow::{Context as _, bail, ensure};
use hyper::Uri;
use serde::Deserialize;
use serde_json::Value;

/// Seats of a page; pretix gives no more.
const PAGE_SEATS: u32 = 50;

/// Tickets without a seat come in rows of so many, so that they are split like seats.
const ROW_PLACES: u32 = 20;

/// An event of an organizer.
pub struct Shop {
    pub door: Door,
    /// `/api/v1/organizers/O/events/E`.
    path: String,
    authorization: String,
}

#[derive(Deserialize)]
struct Page {
    next: Option<String>,
    results: Vec<Seat>,
}

#[derive(Deserialize)]
struct Seat {
    zone_name: String,
    row_name: String,
    #[serde(rename = "seat_guid")]
    guid: String,
    /// The item that is sold with this seat.
    product: Option<u64>,
    blocked: bool,
    orderposition: Value,
    cartposition: Value,
    voucher: Value,
}

impl Shop {
    pub fn new(options: &cli::Pretix) -> anyhow::Result<Self> {
        let door = Door::new(&options.url)?;
        let path = format!("/api/v1/organizers/{}/events/{}", options.organizer, options.event);
        path.parse::<Uri>().context("read the names of organizer and event")?;
        let authorization = format!("Token {}", options.token);
        Ok(Self { door, path, authorization })
    }

    pub fn orders(&self, order: &Value) -> Question {
        let question = Question::post(format!("{}/orders/", self.path), order);
        question.header("authorization", self.authorization.clone())
    }

    /// Free neighbours, of this item if one is named; about `seats_max` of them. An event without
    /// seats sells tickets of the item.
    pub async fn rows(&self, item: Option<u64>, seats_max: u32) -> anyhow::Result<Vec<Row>> {
        let mut connection = Connection::new(&self.door, 0);
        let (mut rows, mut last) = (Vec::<Row>::new(), None);
        let (mut seen, mut free) = (0_u32, 0_u32);
        for page in 1.. {
            let path = format!("{}/seats/?page_size={PAGE_SEATS}&page={page}", self.path);
            let question = Question::get(path).header("authorization", self.authorization.clone());
            let answer = connection.expect(question, 200).await.context("read the seats")?;
            let page: Page = serde_json::from_value(answer).context("read a page of seats")?;
            for seat in page.results {
                seen += 1;
                let name = (seat.zone_name.clone(), seat.row_name.clone(), seat.product);
                let Some(place) = seat.place(item) else {
                    last = None;
                    continue;
                };
                free += 1;
                match rows.last_mut().filter(|_| last.as_ref() == Some(&name)) {
                    Some(row) => row.push(place),
                    None => rows.push(vec![place]),
                }
                last = Some(name);
            }
            if page.next.is_none() || seats_max <= free {
                break;
            }
        }
        if 0 < seen {
            ensure!(0 < free, "none of {seen} seats is free");
            return Ok(rows);
        }
        let Some(item) = item else { bail!("the event has no seats: name an --item to sell") };
        let row = || (0..ROW_PLACES).map(|_| Place { item, seat: None }).collect();
        Ok((0..seats_max.div_ceil(ROW_PLACES)).map(|_| row()).collect())
    }
}

impl Seat {
    /// What a fan may ask for; `None` if somebody has it.
    fn place(self, item: Option<u64>) -> Option<Place> {
        let has_owner = [&self.orderposition, &self.cartposition, &self.voucher];
        let is_free = !self.blocked && has_owner.into_iter().all(Value::is_null);
        let sold_with = self.product.filter(|product| item.is_none_or(|item| item == *product))?;
        is_free.then_some(Place { item: sold_with, seat: Some(self.guid) })
    }
}
