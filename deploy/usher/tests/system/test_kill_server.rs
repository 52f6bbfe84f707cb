//! kill -9 of each server by itself, one after another, while seats are sold.

use crate::auditor::{assert_clean, sold_in_postgres};
use crate::catalogue::list;
use crate::crowd::accounts;
use crate::fan::{Booking, Fan, best, confirm, fresh_key, reserve, text};
use crate::market::{Market, WhenLost, bookings};
use crate::process::pid;
use crate::room::Place;
use crate::seats::SeatMap;
use crate::up::Up;
use rustix::process::{Signal, kill_process};
use std::time::Instant;

const EVENT: &str = "ARENA";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_killed_server_comes_back_and_nothing_is_lost() {
    let up = Up::start().await;
    let reach = up.reach();
    list(&reach, "EVT001", EVENT, |listing| listing.account_places_max = 10_000).await;
    let fans = accounts(&reach.client, 8, "arena").await;
    let visitor = Fan::new(&reach.client, "visitor").await;
    let market = Market::open(&fans, EVENT, WhenLost::AskAgain, false);
    let mut visited = Vec::new();
    for name in ["nats", "redis", "postgres"] {
        market.sells(20).await;
        let waiting = Place::join(&reach.client, "EVT001").await;
        let old = up.servers().remove(name).expect("all three run");
        kill_process(pid(old.pid), Signal::KILL).unwrap();
        let killed = Instant::now();
        visited.push(whole_way(&visitor, name, killed).await);
        through_the_room(&visitor, name, killed).await;
        let new = up.replaced(name, &old).await;
        eprintln!("kill -9 {name} {}: {} runs in its place", old.pid, new.pid);
        // Nobody who had a place before has lost it.
        waiting.wait_until_called().await;
        reach.client.ask_stubbornly(waiting.claim()).await.expect(200);
        market.sells(20).await;
    }
    let record = market.close().await;
    let mut sold = bookings(&record);
    sold.extend(visited);
    let map = SeatMap::of(&reach.client, EVENT).await;
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

/// Buys a seat as soon as it is possible again, and says how long that took.
async fn whole_way(fan: &Fan, name: &str, killed: Instant) -> Booking {
    let key = fresh_key();
    let call = fan.signed(reserve(&best(EVENT, 1), &key));
    let held = fan.client.ask_stubbornly(call).await.expect(201);
    let reserved = killed.elapsed();
    let reservation = text(&held["reservationId"]);
    let paid = loop {
        let answer = fan.client.ask_stubbornly(fan.signed(confirm(&reservation, "tok_ok"))).await;
        if answer.status != 202 {
            break answer.expect(200);
        }
    };
    let confirmed = killed.elapsed();
    eprintln!("kill -9 {name}: reserved after {reserved:?}, confirmed after {confirmed:?}");
    Booking::read(&paid)
}

/// Goes through the room as soon as it is possible again, and says how long that took.
async fn through_the_room(fan: &Fan, name: &str, killed: Instant) {
    let (_, pass) = Place::pass(&fan.client, "EVT001").await;
    eprintln!("kill -9 {name}: joined, called and claimed after {:?}", killed.elapsed());
    assert!(!pass.is_empty());
}
