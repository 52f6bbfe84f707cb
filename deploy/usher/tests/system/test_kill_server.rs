//! kill -9 of each server by itself, one after another, while seats are sold.

use crate::auditor::{assert_clean, sold_in_postgres};
use crate::catalogue::list;
use crate::crowd::accounts;
use crate::fan::Fan;
use crate::market::{Market, WhenLost, bookings};
use crate::promises::{a_seat_is_bought, the_room_lets_in};
use crate::room::Place;
use crate::seats::SeatMap;
use crate::system::System;
use crate::up::Up;
use chassis::Which;
use std::time::Instant;

const EVENT: &str = "ARENA";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_killed_server_comes_back_and_nothing_is_lost() {
    let up = Up::start().await;
    Box::pin(each_killed_server_loses_nothing(&up)).await;
}

/// Kills one server after the other.
pub async fn each_killed_server_loses_nothing(system: &impl System) {
    let reach = system.reach();
    let client = &reach.client;
    list(&reach, "EVT001", EVENT, |listing| listing.account_places_max = 10_000).await;
    let fans = accounts(client, 8, "arena").await;
    let visitor = Fan::new(client, "visitor").await;
    let market = Market::open(&fans, EVENT, WhenLost::AskAgain, false);
    let mut visited = Vec::new();
    for server in Which::ALL {
        market.sells(20).await;
        let name = server.name();
        let waiting = Place::join_under(client, "EVT001", name).await;
        let killed = Instant::now();
        // The kill comes first: nobody asks before it.
        let ((), bought, ()) = tokio::join!(
            biased;
            system.kill_server(server),
            a_seat_is_bought(&visitor, EVENT, name, killed),
            the_room_lets_in(client, "EVT001", name, killed),
        );
        visited.push(bought);
        // Nobody who had a place before has lost it, nor is given another one for the same key.
        let again = Place::join_under(client, "EVT001", name).await;
        assert_eq!(again.token, waiting.token);
        waiting.wait_until_called().await;
        client.ask_stubbornly(waiting.claim()).await.expect(200);
        market.sells(20).await;
    }
    let record = market.close().await;
    let mut sold = bookings(&record);
    sold.extend(visited);
    let map = SeatMap::of(client, EVENT).await;
    let stored = sold_in_postgres(&reach, EVENT, &map).await;
    for booking in &sold {
        for seat in &booking.places {
            assert_eq!(stored.get(seat), Some(&booking.id), "{seat}");
        }
    }
    let answered: usize = sold.iter().map(|booking| booking.places.len()).sum();
    assert_eq!(stored.len(), answered, "sold seats that nobody heard of");
    assert_eq!(map.count("sold"), answered);
    assert_clean(&reach, &["--all"]).await;
}
