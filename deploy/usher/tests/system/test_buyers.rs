//! The crowd at the small theatre.

use crate::auditor::{assert_sold, sold_in_postgres};
use crate::client::{Answer, Client};
use crate::crowd::{Crowd, sell_out};
use crate::fan::{Fan, text};
use crate::promises::assert_repeats;
use crate::seats::SeatMap;
use crate::system::System;
use crate::up::{Reach, Up};
use crate::wait::until_equal;
use schema::{OutcomeBody, Refusal, SeatIdx};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub const THEATRE_SEATS: usize = 300;

/// How many keys are asked again for each kind of answer.
const REPEATED_OF_A_KIND: usize = 20;

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
    for reserved in &crowd.answers {
        let (command, answer) = (reserved.command(), &reserved.answer);
        let decided = story.decided.get(&command);
        let decided = decided.unwrap_or_else(|| panic!("{answer:?} is not in the journal"));
        assert_eq!(shown(answer), journaled(decided, &map), "{command}: {answer:?}");
    }
    assert_eq!(sold_in_postgres(reach, "EVT002", &map).await.len(), THEATRE_SEATS);
    until_equal("the event to show no free seat", 0, async || {
        reach.client.get("/api/events/EVT002").await["seatsFree"].as_u64().unwrap()
    })
    .await;
    search_for_what_is_left_does_not_find(&reach.client, "EVT002").await;
    repeated_keys_hear_the_whole_answer(&crowd).await;
    assert_one_more_is_refused(&reach.client, &crowd).await;
}

/// IDX-1.
async fn search_for_what_is_left_does_not_find(client: &Client, event: &str) {
    let search = "/api/search?q=glass%20lighthouse";
    let finds = async |path: &str| client.get(path).await["hits"].to_string().contains(event);
    until_equal("search for free seats to leave the event out", false, async || {
        finds(&format!("{search}&available=true")).await
    })
    .await;
    assert!(finds(search).await, "the event is there, only its seats are not");
}

/// CMD-1, for some of each kind of answer.
async fn repeated_keys_hear_the_whole_answer(crowd: &Crowd) {
    let mut repeated: BTreeMap<String, usize> = BTreeMap::new();
    for reserved in &crowd.answers {
        let first = &reserved.answer;
        let kind = if first.status == 201 { "HELD".to_owned() } else { first.code() };
        let count = repeated.entry(kind).or_default();
        if *count < REPEATED_OF_A_KIND {
            *count += 1;
            assert_repeats(&reserved.repeated().await, first);
        }
    }
    assert!(repeated.contains_key("HELD") && repeated.contains_key("SOLD_OUT"), "{repeated:?}");
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
