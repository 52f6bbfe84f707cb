//! Buyers: they reserve one party's seats after the other, pay for them, or both.

use super::closed_loop::{Turn, Worker};
use super::stock::{Party, Stock};
use super::wording::{label, named, post, resolve};
use crate::wire::{Door, Socket};
use anyhow::{Context as _, ensure};
use serde::Deserialize;
use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

/// One buyer with a connection, and seats that nobody else wants.
pub struct Buyer {
    door: Door,
    socket: Socket,
    authorization: Box<str>,
    /// Names the buyer in keys; of this run, so that another run's keys are new.
    name: String,
    /// What is left to be reserved, the next one last.
    parties: Vec<Party>,
    /// How many were reserved.
    reserved: usize,
    unpaid: VecDeque<String>,
    /// Asks for the best seats, as many as the party has, rather than for these.
    best: bool,
}

/// How buyers ask.
#[derive(Debug, Clone, Copy)]
pub struct Habits<'a> {
    pub connections: u32,
    /// Weights of parties of one, two and so on.
    pub parties: &'a [f64],
    pub best: bool,
}

impl Buyer {
    /// One for each connection.
    pub async fn all(door: &Door, stock: &Stock, habits: Habits<'_>) -> anyhow::Result<Vec<Self>> {
        ensure!(!stock.accounts.is_empty(), "there are no accounts to buy with");
        let target = resolve(door).await?;
        let run = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
        let buyer = |number: u32| {
            let idx = usize::try_from(number).expect("32 bits fit");
            let account = &stock.accounts[idx % stock.accounts.len()];
            let mut parties = stock.parties(number, habits.connections, habits.parties);
            parties.reverse();
            Self {
                door: door.clone(),
                socket: Socket::new(door, target, idx),
                authorization: account.authorization.clone(),
                name: format!("{run}-{number}"),
                parties,
                reserved: 0,
                unpaid: VecDeque::new(),
                best: habits.best,
            }
        };
        Ok((0..habits.connections).map(buyer).collect())
    }

    /// Seats for which nothing has been asked yet.
    pub fn seats_left(&self) -> usize {
        self.parties.iter().map(|party| party.seats.len()).sum()
    }

    /// Reservations that were made to be paid and are not.
    pub fn unpaid(&self) -> usize {
        self.unpaid.len()
    }

    async fn reserve(&mut self) -> anyhow::Result<Turn> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Reserved {
            reservation_id: String,
        }
        let Some(party) = self.parties.pop() else { return Ok(Turn::Done) };
        let headers = format!(
            "authorization: {}\r\nidempotency-key: {}-{}\r\n",
            self.authorization,
            self.name,
            self.parties.len()
        );
        let body = if self.best { best(&party) } else { named(&party.event, &party.seats) };
        let question = post(&self.door, "/api/bookings/reserve", &headers, &body);
        let reply = self.socket.ask(&question).await?;
        if reply.status != 201 {
            return Ok(Turn::Answered(Err(label(reply))));
        }
        let reserved: Reserved =
            serde_json::from_slice(reply.body).context("read a reservation")?;
        self.unpaid.push_back(reserved.reservation_id);
        self.reserved += 1;
        Ok(Turn::Answered(Ok(())))
    }

    async fn confirm(&mut self) -> anyhow::Result<Turn> {
        let Some(reservation) = self.unpaid.pop_front() else { return Ok(Turn::Done) };
        let headers =
            format!("authorization: {}\r\nidempotency-key: {reservation}\r\n", self.authorization);
        let body =
            format!("{{\"reservationId\":\"{reservation}\",\"paymentMethod\":\"CREDIT_CARD\"}}");
        let question = post(&self.door, "/api/bookings/confirm", &headers, &body);
        let reply = self.socket.ask(&question).await?;
        let good = reply.status == 200;
        Ok(Turn::Answered(if good { Ok(()) } else { Err(label(reply)) }))
    }
}

/// A buyer who reserves.
pub struct Reserving(pub Buyer);

impl Worker for Reserving {
    async fn turn(&mut self) -> anyhow::Result<Turn> {
        self.0.reserve().await
    }
}

/// A buyer who reserves until it has this many reservations to pay for.
pub struct Stocking(pub Buyer, pub usize);

impl Worker for Stocking {
    async fn turn(&mut self) -> anyhow::Result<Turn> {
        if self.0.unpaid.len() < self.1 { self.0.reserve().await } else { Ok(Turn::Done) }
    }
}

/// A buyer who pays for what was reserved.
pub struct Confirming(pub Buyer);

impl Worker for Confirming {
    async fn turn(&mut self) -> anyhow::Result<Turn> {
        self.0.confirm().await
    }
}

/// A buyer who pays at once; the time is that of both.
pub struct Booking(pub Buyer);

impl Worker for Booking {
    async fn turn(&mut self) -> anyhow::Result<Turn> {
        match self.0.reserve().await? {
            Turn::Answered(Ok(())) => self.0.confirm().await,
            other => Ok(other),
        }
    }
}

fn best(party: &Party) -> String {
    let (event, quantity) = (&party.event, party.seats.len());
    format!("{{\"eventId\":\"{event}\",\"bestAvailable\":{{\"quantity\":{quantity}}}}}")
}

#[cfg(test)]
mod tests {
    use super::{Party, best, named};

    #[test]
    fn bodies_are_those_of_the_contract() {
        let party = Party { event: "E".into(), seats: vec!["A-1-2".into(), "A-1-3".into()] };
        let wanted = r#"{"eventId":"E","seats":[{"seatId":"A-1-2"},{"seatId":"A-1-3"}]}"#;
        assert_eq!(named(&party.event, &party.seats), wanted);
        assert_eq!(best(&party), r#"{"eventId":"E","bestAvailable":{"quantity":2}}"#);
    }
}
