//! ORD-1: what was answered as confirmed is there afterwards, with the same places.

use super::holds::Booking;
use super::owners::counted;
use crate::engine::Account;
use crate::record::Place;
use crate::wire::{Answer, Connection, Door, Question};
use serde::Deserialize;
use std::time::Duration;
use tokio::task::JoinSet;

/// Connections that look: enough that the system answers while we read. More would ask no faster.
const CONNECTIONS: usize = 32;

/// How often a question without an answer is put again, and the pause before.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// What was found.
#[derive(Debug, Default)]
pub struct Looked {
    pub found: u64,
    /// Not there, or other than confirmed.
    pub faults: Vec<String>,
    /// The system did not answer.
    pub unanswered: Vec<String>,
}

/// A booking with what its account shows to see it.
#[derive(Debug, Clone)]
struct Wanted {
    booking: Booking,
    authorization: Box<str>,
}

#[derive(Deserialize)]
struct Shown {
    status: Box<str>,
    #[serde(default)]
    tickets: Vec<Ticket>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ticket {
    seat_id: Option<Box<str>>,
    area_id: Option<Box<str>>,
}

/// Asks for every one of `bookings`. Those of partners have no account of the run and are passed
/// over.
pub async fn look(door: &Door, accounts: &[Account], bookings: &[&Booking]) -> Looked {
    let wanted = bookings.iter().filter_map(|booking| {
        let account = accounts.get(usize::try_from(booking.account).ok()?)?;
        let authorization = account.authorization.clone();
        Some(Wanted { booking: (*booking).clone(), authorization })
    });
    let wanted: Vec<Wanted> = wanted.collect();
    let mut looking = JoinSet::new();
    for number in 0..CONNECTIONS {
        let own: Vec<_> = wanted.iter().skip(number).step_by(CONNECTIONS).cloned().collect();
        let connection = Connection::new(door, number);
        looking.spawn(look_at(connection, own));
    }
    let mut all = Looked::default();
    while let Some(looked) = looking.join_next().await {
        let looked = looked.expect("looking does not panic");
        all.found += looked.found;
        all.faults.extend(looked.faults);
        all.unanswered.extend(looked.unanswered);
    }
    all
}

async fn look_at(mut connection: Connection, wanted: Vec<Wanted>) -> Looked {
    let mut looked = Looked::default();
    for Wanted { booking, authorization } in wanted {
        let question = Question::get(format!("/api/bookings/{}", booking.id));
        let question = question.header("authorization", authorization.into_string());
        match patiently(&mut connection, &question).await {
            Err(why) => looked.unanswered.push(format!("{}: {why}", booking.id)),
            Ok(answer) => match fault(&booking, &answer) {
                None => looked.found += 1,
                Some(fault) => looked.faults.push(fault),
            },
        }
    }
    looked
}

/// Asks until there is an answer that is no request to come later.
pub async fn patiently(connection: &mut Connection, question: &Question) -> Result<Answer, String> {
    let mut why = String::new();
    for _ in 0..TRIES {
        match connection.ask(question.clone()).await {
            Ok(answer) if answer.status < 500 && answer.status != 429 => return Ok(answer),
            Ok(answer) => why = format!("{} {}", answer.status, answer.text()),
            Err(error) => why = format!("{error:#}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(why)
}

fn fault(booking: &Booking, answer: &Answer) -> Option<String> {
    let id = &booking.id;
    let shown: Option<Shown> = serde_json::from_slice(&answer.body).ok();
    let Some(shown) = shown.filter(|_| answer.status == 200) else {
        return Some(format!("{id} was confirmed, and now {} {}", answer.status, answer.text()));
    };
    if &*shown.status != "CONFIRMED" {
        return Some(format!("{id} was confirmed, and now is {}", shown.status));
    }
    let place = |ticket: Ticket| match (ticket.seat_id, ticket.area_id) {
        (Some(seat), _) => Some(Place::Seat(seat)),
        (None, area) => Some(Place::Area { area: area?, quantity: 1 }),
    };
    let places: Vec<Place> = shown.tickets.into_iter().filter_map(place).collect();
    let same = counted(&places) == counted(&booking.places);
    (!same).then(|| format!("{id} was confirmed with other places than it now has"))
}
