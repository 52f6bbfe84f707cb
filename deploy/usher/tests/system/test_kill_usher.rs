//! kill -9 of processes with stages.

use crate::auditor::{assert_clean, assert_sold};
use crate::catalogue::list_with_short_holds;
use crate::client::Call;
use crate::crowd::accounts;
use crate::fan::{Booking, Fan};
use crate::market::{Asked, Market, WhenLost, bookings};
use crate::promises::{
    Outage, Refused, a_seat_is_bought, confirmed_bookings_are_there, repeats_get_the_first_answer,
    search_finds, settle, the_rest_is_sold_and_everything_agrees, the_room_lets_in,
    unpaid_holds_become_free,
};
use crate::room::Place;
use crate::system::System;
use crate::up::Up;
use schema::DurationMs;
use std::time::Instant;

/// Long enough to be held over the restart, short enough to be waited for.
const HOLD_TTL: DurationMs = DurationMs::from_secs(20);

/// Bookings before a kill.
const SOLD_BEFORE: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_usher_loses_no_booking_and_repeats_its_answers() {
    let mut up = Up::start().await;
    Box::pin(each_kill_loses_nothing(&mut up, &[&["usher"]])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kill_of_every_process_at_once_loses_no_booking() {
    let mut up = Up::start().await;
    Box::pin(the_kill_of_everything_loses_nothing(&mut up)).await;
}

/// A night's sale that a kill interrupted.
struct Night {
    event: String,
    record: Vec<Asked>,
    /// What was bought besides.
    more: Vec<Booking>,
}

/// Kills one group of processes after the other, each in a sale of its own.
pub async fn each_kill_loses_nothing(system: &mut impl System, groups: &[&[&str]]) {
    let client = system.reach().client;
    let fans = accounts(&client, 24, "night").await;
    let visitor = Fan::new(&client, "visitor").await;
    let (mut nights, mut outages) = (Vec::new(), Vec::new());
    for (number, group) in groups.iter().enumerate() {
        let (night, outage) = night(system, group, format!("NIGHT{number}"), &fans, &visitor).await;
        nights.push(night);
        outages.push(outage);
    }
    let reach = system.reach();
    for Night { event, record, mut more } in nights {
        unpaid_holds_become_free(&reach, &event, &record, &outages).await;
        more.extend(bookings(&record));
        the_rest_is_sold_and_everything_agrees(&reach, &event, &visitor, more).await;
    }
    assert_clean(&reach, &["--all"]).await;
}

/// Kills a group of processes in mid-sale, and looks at what must be right at once.
async fn night(
    system: &mut impl System,
    group: &[&str],
    event: String,
    fans: &[Fan],
    visitor: &Fan,
) -> (Night, Outage) {
    let reach = system.reach();
    let (client, what) = (&reach.client, group.join(", "));
    list_with_short_holds(&reach, "EVT002", &event, HOLD_TTL).await;
    let join = async || Place::join_under(client, "EVT001", &event).await;
    let waiting = join().await;
    let market = Market::open(fans, &event, WhenLost::GoHome, true);
    market.sells(SOLD_BEFORE).await;
    let refused = Refused::hear(visitor, &event).await;
    let (killed, from) = (Instant::now(), chassis::clock::now());
    let kill = async {
        system.kill(group).await;
        let length = killed.elapsed();
        eprintln!("kill -9 {what} in mid-sale: serving again after {length:?}");
        let millis = length.as_millis().try_into().expect("it was minutes at most");
        Outage { from, length: DurationMs(millis) }
    };
    // The kill comes first: nobody asks before it.
    let (outage, visited, (), ()) = tokio::join!(
        biased;
        kill,
        a_seat_is_bought(visitor, &event, &what, killed),
        the_room_lets_in(client, "EVT001", &what, killed),
        search_finds(client, &event, &what, killed),
    );
    // Nobody who had a place before has lost it, nor is given another one for the same key.
    assert_eq!(join().await.token, waiting.token);
    waiting.wait_until_called().await;
    client.ask_stubbornly(waiting.claim()).await.expect(200);
    let record = market.close().await;
    assert!(SOLD_BEFORE <= confirmed_bookings_are_there(&record).await);
    refused.is_repeated().await;
    let mut more = repeats_get_the_first_answer(&event, &record).await;
    more.push(visited);
    (Night { event, record, more }, outage)
}

/// Kills all there is in mid-sale.
pub async fn the_kill_of_everything_loses_nothing(system: &mut impl System) {
    let client = system.reach().client;
    let fans = accounts(&client, 12, "blackout").await;
    let market = Market::open(&fans, "EVT002", WhenLost::GoHome, false);
    market.sells(20).await;
    let refused = Refused::hear(&fans[0], "EVT002").await;
    let killed = Instant::now();
    system.kill_everything().await;
    eprintln!("kill -9 of everything: serving again after {:?}", killed.elapsed());
    let record = market.close().await;
    assert!(20 <= confirmed_bookings_are_there(&record).await);
    refused.is_repeated().await;
    let mut sold = bookings(&record);
    for asked in record.iter().filter(|asked| asked.paying && asked.booking.is_none()) {
        let reservation = asked.reservation.as_ref().expect("only a hold is paid");
        sold.extend(settle(&asked.fan, reservation).await);
    }
    let reach = system.reach();
    assert_sold(&reach, "EVT002", &sold).await;
    let ready = reach.client.ask_patiently(Call::get("/readyz")).await;
    assert_eq!(ready.status, 200, "{ready:?}");
    assert_clean(&reach, &["--all"]).await;
}
