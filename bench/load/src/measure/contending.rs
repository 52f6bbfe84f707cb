//! Buyers who all want the same few seats: one wins each, the others are told.
//!
//! One sale follows the other, so that there is something to win all the time.

use super::closed_loop::{Turn, Worker};
use super::stock::Stock;
use super::wording::{label, named, post, resolve};
use crate::fan::Plan;
use crate::wire::{Door, Socket};
use anyhow::{Context as _, ensure};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Questions for each of the seats before everybody turns to the next sale. Nearly every answer is
/// a refusal, as where 60,000 people want 100 seats; with many more, winning would not show.
const QUESTIONS_OF_SEAT: usize = 25;

/// One who wants the same seats as all the others.
pub struct Contending {
    door: Door,
    socket: Socket,
    authorization: Box<str>,
    name: String,
    sales: Arc<Sales>,
    /// Event and seat.
    pub won: Vec<(Box<str>, String)>,
}

/// The same for all: which seats are wanted, and what has been asked for.
struct Sales {
    events: Vec<Box<str>>,
    /// In each of the events.
    seats: Vec<String>,
    asked: AtomicUsize,
}

impl Contending {
    /// One for each connection; they want the first `among` seats of each event.
    pub async fn all(
        door: &Door,
        stock: &Stock,
        connections: u32,
        among: u32,
    ) -> anyhow::Result<Vec<Self>> {
        ensure!(!stock.accounts.is_empty(), "there are no accounts to buy with");
        let venue = stock.venues.first().context("nothing is on sale")?;
        let sales = Arc::new(Sales {
            events: stock.venues.iter().map(|venue| venue.event.clone()).collect(),
            seats: first_seats(&venue.plan, usize::try_from(among)?),
            asked: AtomicUsize::new(0),
        });
        ensure!(sales.seats.len() == usize::try_from(among)?, "an event has fewer seats");
        let target = resolve(door).await?;
        let run = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
        let contending = |number: u32| {
            let idx = usize::try_from(number).expect("32 bits fit");
            Self {
                door: door.clone(),
                socket: Socket::new(door, target, idx),
                authorization: stock.accounts[idx % stock.accounts.len()].authorization.clone(),
                name: format!("{run}-{number}"),
                sales: Arc::clone(&sales),
                won: Vec::new(),
            }
        };
        Ok((0..connections).map(contending).collect())
    }

    /// Whether there is something left to want.
    pub fn has_more(&self) -> bool {
        // Relaxed: only a count, looked at when nobody asks any more.
        self.sales.wanted(self.sales.asked.load(Ordering::Relaxed)).is_some()
    }
}

impl Worker for Contending {
    async fn turn(&mut self) -> anyhow::Result<Turn> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Reserved {
            seats: Vec<ReservedSeat>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct ReservedSeat {
            seat_id: String,
        }
        // Relaxed: only a count; nothing is ordered by it.
        let asked = self.sales.asked.fetch_add(1, Ordering::Relaxed);
        let Some((event, seat)) = self.sales.wanted(asked) else { return Ok(Turn::Done) };
        let headers = format!(
            "authorization: {}\r\nidempotency-key: {}-{asked}\r\n",
            self.authorization, self.name
        );
        let body = named(event, std::slice::from_ref(seat));
        let question = post(&self.door, "/api/bookings/reserve", &headers, &body);
        let reply = self.socket.ask(&question).await?;
        if reply.status != 201 {
            let label = label(reply);
            return Ok(Turn::Answered(if label == "409 SEAT_TAKEN" { Ok(()) } else { Err(label) }));
        }
        let reserved: Reserved =
            serde_json::from_slice(reply.body).context("read a reservation")?;
        self.won.extend(reserved.seats.into_iter().map(|seat| (event.into(), seat.seat_id)));
        Ok(Turn::Answered(Ok(())))
    }
}

impl Sales {
    /// What is wanted by the question with this number; none after the last sale.
    ///
    /// Those who ask one after the other want the same seat, so that it is asked for at once.
    fn wanted(&self, asked: usize) -> Option<(&str, &String)> {
        let of_sale = QUESTIONS_OF_SEAT * self.seats.len();
        let event: &str = self.events.get(asked / of_sale)?;
        Some((event, &self.seats[asked % of_sale / QUESTIONS_OF_SEAT]))
    }
}

fn first_seats(plan: &Plan, count: usize) -> Vec<String> {
    let rows = (0..plan.row_count()).map(|row| plan.row(row));
    let seats = rows.flat_map(|row| {
        let numbers = row.first_number..row.first_number + row.seats;
        numbers.map(move |number| format!("{}-{}-{number}", row.section, row.label))
    });
    seats.take(count).collect()
}

/// Fails if a seat was won twice; returns how many were won.
pub fn won_once(contenders: &[Contending]) -> anyhow::Result<usize> {
    let mut won = BTreeSet::new();
    for (event, seat) in contenders.iter().flat_map(|contender| &contender.won) {
        ensure!(won.insert((event, seat)), "{seat} of {event} was reserved twice");
    }
    Ok(won.len())
}

#[cfg(test)]
mod tests {
    use super::{Contending, QUESTIONS_OF_SEAT, Sales, won_once};
    use crate::engine::{Account, Venue};
    use crate::fan::{Plan, Row};
    use crate::measure::{Stock, run};
    use crate::wire::Door;
    use axum::Json;
    use axum::Router;
    use axum::http::StatusCode;
    use axum::response::{IntoResponse as _, Response};
    use serde_json::{Value, json};
    use std::collections::BTreeSet;
    use std::sync::atomic::AtomicUsize;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;
    use tokio::task::JoinSet;

    const SEATS: u32 = 5;

    /// A shop that sells each seat once; or, if it is naive, also to everybody else.
    fn shop(is_naive: bool) -> Router {
        let sold = Arc::new(Mutex::new(BTreeSet::new()));
        Router::new().fallback(move |Json(body): Json<Value>| {
            let seat = body["seats"][0]["seatId"].clone();
            let key = (body["eventId"].to_string(), seat.to_string());
            let is_free = sold.lock().unwrap().insert(key);
            async move { if is_free || is_naive { held(&seat) } else { taken() } }
        })
    }

    fn held(seat: &Value) -> Response {
        let body = json!({"reservationId": "r", "seats": [{"seatId": seat}]});
        (StatusCode::CREATED, Json(body)).into_response()
    }

    fn taken() -> Response {
        (StatusCode::CONFLICT, Json(json!({"code": "SEAT_TAKEN"}))).into_response()
    }

    async fn contended(is_naive: bool) -> (Vec<Contending>, u64) {
        let (listener, port) = crate::baseline::listen(0).unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(crate::baseline::serve(listener, shop(is_naive)));
        let door = Door::new(&format!("http://127.0.0.1:{port}")).unwrap();
        let row = Row {
            section: "S1".into(),
            label: "1".into(),
            first_idx: 0,
            first_number: 1,
            seats: SEATS + 3,
        };
        let plan = Arc::new(Plan::new(vec![row]));
        let venue =
            |event: &str| Venue { event: event.into(), plan: Arc::clone(&plan), has_room: false };
        let accounts = vec![Account { authorization: "Bearer x".into() }];
        let stock = Stock { venues: vec![venue("A"), venue("B")], accounts };
        let contending = Contending::all(&door, &stock, 3, SEATS).await.unwrap();
        let (contenders, measured) = run(contending, Duration::from_mins(1)).await.unwrap();
        assert!(measured.other.is_empty(), "{measured:?}");
        (contenders, measured.good_all)
    }

    #[tokio::test]
    async fn every_seat_of_every_sale_is_won_once_and_refusals_count_as_answers() {
        let (contenders, answers) = contended(false).await;
        assert_eq!(won_once(&contenders).unwrap(), 10);
        assert_eq!(answers, u64::try_from(10 * QUESTIONS_OF_SEAT).unwrap());
    }

    #[tokio::test]
    async fn a_seat_that_two_have_won_is_noticed() {
        let (contenders, _) = contended(true).await;
        let fault = won_once(&contenders).unwrap_err().to_string();
        assert!(fault.contains("was reserved twice"), "{fault}");
    }

    #[test]
    fn all_ask_for_a_seat_before_the_next_is_wanted() {
        let sales = Sales {
            events: vec!["A".into(), "B".into()],
            seats: vec!["1".to_owned(), "2".to_owned()],
            asked: AtomicUsize::new(0),
        };
        let wanted = |asked| sales.wanted(asked).map(|(event, seat)| (event, seat.as_str()));
        assert_eq!(wanted(QUESTIONS_OF_SEAT - 1), Some(("A", "1")));
        assert_eq!(wanted(QUESTIONS_OF_SEAT), Some(("A", "2")));
        assert_eq!(wanted(2 * QUESTIONS_OF_SEAT), Some(("B", "1")));
        assert_eq!(wanted(4 * QUESTIONS_OF_SEAT), None);
    }
}
