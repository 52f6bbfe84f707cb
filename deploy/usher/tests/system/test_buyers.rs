//! The crowd at the small theatre.

use crate::auditor::{assert_sold, sold_in_postgres};
use crate::client::{Answer, Client};
use crate::crowd::{Crowd, sell_out};
use crate::fan::{Fan, text};
use crate::seats::SeatMap;
use crate::system::System;
use crate::up::{Reach, Up};
use crate::wait::until_equal;
use schema::{OutcomeBody, Refusal, SeatIdx};
use serde_json::Value;
use std::collections::BTreeSet;

pub const THEATRE_SEATS: usize = 300;

/// Lets a crowd of `buyers` sell the theatre out, and asserts that everything agrees.
pub async fn the_theatre_sells_out_and_everything_agrees(reach: &Reach, buyers: usize) {
    let crowd = sell_out(&reach.client, "EVT002", buyers).await;
    let sold: usize = crowd.bookings.iter().map(|booking| booking.places.len()).sum();
    eprintln!("{buyers} buyers: {} bookings, refused {:?}", crowd.bookings.len(), crowd.refused);
    assert_eq!(sold, THEATRE_SEATS);
    let map = SeatMap::of(&reach.client, "EVT002").await;
    assert_eq!(map.count("sold"), THEATRE_SEATS, "{:?}", map.counts());
    let story = assert_sold(reach, "EVT002", &crowd.bookings).await;
    assert_eq!(story.owners.len(), THEATRE_SEATS);
    assert!(crowd.bookings.len() < crowd.answers.len(), "some were refused");
    for (command, answer) in &crowd.answers {
        let decided = story.decided.get(command);
        let decided = decided.unwrap_or_else(|| panic!("{answer:?} is not in the journal"));
        assert_eq!(shown(answer), journaled(decided, &map), "{command}: {answer:?}");
    }
    assert_eq!(sold_in_postgres(reach, "EVT002", &map).await.len(), THEATRE_SEATS);
    until_equal("the event to show no free seat", 0, async || {
        reach.client.get("/api/events/EVT002").await["seatsFree"].as_u64().unwrap()
    })
    .await;
    assert_one_more_is_refused(&reach.client, &crowd).await;
}

/// What an answer claims: the hold or the code, and the seats it names.
fn shown(answer: &Answer) -> (String, BTreeSet<String>) {
    let body = answer.json();
    let ids = |list: &Value, id: fn(&Value) -> &Value| {
        list.as_array().map(|seats| seats.iter().map(|seat| text(id(seat))).collect())
    };
    if answer.status == 201 {
        let seats = ids(&body["seats"], |seat| &seat["seatId"]);
        return (text(&body["reservationId"]), seats.expect("seats are held"));
    }
    (answer.code(), ids(&body["seatIds"], |seat| seat).unwrap_or_default())
}

/// What the journal says of the same command.
fn journaled(decided: &OutcomeBody, map: &SeatMap) -> (String, BTreeSet<String>) {
    let names: Vec<&String> = map.seats().map(|(seat, _)| seat).collect();
    let name = |seat: SeatIdx| names[usize::try_from(seat.0).unwrap()].clone();
    match decided {
        OutcomeBody::SeatsHeld(held) => {
            (held.hold.to_string(), held.seats.iter().map(|seat| name(seat.seat)).collect())
        }
        OutcomeBody::Refused(refusal) => {
            let seats = match refusal {
                Refusal::SeatTaken { seats } => seats.iter().copied().map(name).collect(),
                _ => BTreeSet::new(),
            };
            (refusal.code().code.to_owned(), seats)
        }
        other => panic!("a reserve ended as {other:?}"),
    }
}

async fn assert_one_more_is_refused(client: &Client, crowd: &Crowd) {
    let fan = Fan::new(client, "too-late").await;
    let seat = crowd.bookings[0].places[0].clone();
    let taken = fan.reserve(&crate::fan::named("EVT002", &[seat])).await;
    assert_eq!((taken.status, taken.code().as_str()), (409, "SEAT_TAKEN"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_buyers_at_once_get_each_of_300_seats_once() {
    let up = Up::start().await;
    the_theatre_sells_out_and_everything_agrees(&up.reach(), 2_000).await;
}
