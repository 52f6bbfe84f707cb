//! Buyers: each reserves one seat after the other, then pays for them.

use crate::closed_loop::{Turn, Worker};
use crate::wire::{Answer, Connection, Door, Question};
use crate::crowd::text;
use anyhow::ensure;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

/// Seats that a buyer takes of an event before going on to the next: what an account may own of a
/// demo event.
const EVENT_SEATS_MAX: usize = 40;

/// Events asked for at once when the list is read.
const PAGE: usize = 100;

/// Events without a room, with many seats.
pub async fn events(door: &Door) -> anyhow::Result<Vec<String>> {
    let mut connection = Connection::new(door, 0);
    let mut found = Vec::new();
    for page in 0.. {
        let path = format!("/api/events?page={page}&size={PAGE}");
        let body = connection.expect(Question::get(path), 200).await?;
        let Some(events) = body["events"].as_array().filter(|events| !events.is_empty()) else {
            break;
        };
        let large = |event: &&Value| {
            event["waitingRoom"] == false
                && event["status"] == "ON_SALE"
                && event["seatsTotal"].as_u64().is_some_and(|seats| 10_000 <= seats)
        };
        for event in events.iter().filter(large) {
            found.push(text(event, "eventId")?);
        }
    }
    ensure!(!found.is_empty(), "no large event without a waiting room is on sale");
    Ok(found)
}

/// One buyer with an account and a connection of its own.
pub struct Buyer {
    connection: Connection,
    authorization: String,
    events: Arc<Vec<String>>,
    /// Where in `events` this buyer began: far from the others.
    offset: usize,
    /// Of this run, so that a second run's keys are new.
    run: String,
    reserved: usize,
    unpaid: VecDeque<String>,
}

impl Buyer {
    pub fn new(
        door: &Door,
        token: &str,
        events: &Arc<Vec<String>>,
        offset: usize,
    ) -> anyhow::Result<Self> {
        let started = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        Ok(Self {
            connection: Connection::new(door, offset),
            authorization: format!("Bearer {token}"),
            events: Arc::clone(events),
            offset,
            run: format!("{}-{offset}", started.as_micros()),
            reserved: 0,
            unpaid: VecDeque::new(),
        })
    }

    async fn ask(&mut self, question: Question) -> anyhow::Result<Answer> {
        let question = question.header("authorization", self.authorization.clone());
        self.connection.ask(question).await
    }
}

/// A buyer who reserves the best seat, event by event.
pub struct Reserving(pub Buyer);

impl Worker for Reserving {
    async fn turn(&mut self) -> anyhow::Result<Turn> {
        let buyer = &mut self.0;
        let event = (buyer.offset + buyer.reserved / EVENT_SEATS_MAX) % buyer.events.len();
        let body = json!({"eventId": buyer.events[event], "bestAvailable": {"quantity": 1}});
        let key = format!("{}-{}", buyer.run, buyer.reserved);
        buyer.reserved += 1;
        let question = Question::post("/api/bookings/reserve", &body);
        let answer = buyer.ask(question.header("idempotency-key", key)).await?;
        if answer.status != 201 {
            return Ok(Turn::Answered(Err(label(&answer))));
        }
        buyer.unpaid.push_back(text(&answer.json()?, "reservationId")?);
        Ok(Turn::Answered(Ok(())))
    }
}

/// The same buyer, paying.
pub struct Confirming(pub Buyer);

impl Worker for Confirming {
    async fn turn(&mut self) -> anyhow::Result<Turn> {
        let buyer = &mut self.0;
        let Some(reservation) = buyer.unpaid.pop_front() else { return Ok(Turn::Done) };
        let body = json!({"reservationId": reservation, "paymentMethod": "CREDIT_CARD"});
        let answer = buyer.ask(Question::post("/api/bookings/confirm", &body)).await?;
        let good = answer.status == 200;
        Ok(Turn::Answered(if good { Ok(()) } else { Err(label(&answer)) }))
    }
}

/// What to count an answer under that was not the one wished for.
pub fn label(answer: &Answer) -> String {
    let code = answer.json().ok().and_then(|body| Some(body["code"].as_str()?.to_owned()));
    format!("{} {}", answer.status, code.unwrap_or_default()).trim_end().to_owned()
}
