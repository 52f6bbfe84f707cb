//! The crowd at the small theatre.

use crate::auditor::{assert_sold, sold_in_postgres};
use crate::client::Client;
use crate::crowd::{Crowd, sell_out};
use crate::fan::Fan;
use crate::seats::SeatMap;
use crate::system::System;
use crate::up::{Reach, Up};
use crate::wait::until_equal;

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
    let refused: usize = crowd.refused.values().sum();
    assert!(refused <= story.refusals, "{refused} were refused, {} journaled", story.refusals);
    assert_eq!(sold_in_postgres(reach, "EVT002", &map).await.len(), THEATRE_SEATS);
    until_equal("the event to show no free seat", 0, async || {
        reach.client.get("/api/events/EVT002").await["seatsFree"].as_u64().unwrap()
    })
    .await;
    assert_one_more_is_refused(&reach.client, &crowd).await;
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
