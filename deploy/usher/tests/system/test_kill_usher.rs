//! kill -9 of the process with every stage.

use crate::auditor::{assert_sold, sold_in_postgres};
use crate::catalogue::list_with_short_holds;
use crate::client::Call;
use crate::crowd::accounts;
use crate::fan::{Booking, Fan, best, confirm, reserve, text};
use crate::market::{Asked, Market, WhenLost};
use crate::seats::SeatMap;
use crate::up::Up;
use crate::wait::until_equal;
use schema::DurationMs;
use std::collections::BTreeSet;
use std::time::Instant;

/// Long enough to be held over the restart, short enough to be waited for.
const HOLD_TTL: DurationMs = DurationMs::from_secs(20);

const EVENT: &str = "NIGHT01";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_usher_loses_no_booking_and_repeats_its_answers() {
    let mut up = Up::start().await;
    let reach = up.reach();
    list_with_short_holds(&reach, "EVT002", EVENT, HOLD_TTL).await;
    let fans = accounts(&reach.client, 24, "night").await;
    let market = Market::open(&fans, EVENT, WhenLost::GoHome, true);
    market.sells(40).await;
    let servers = up.servers();
    up.kill();
    let killed = Instant::now();
    up.start_again().await;
    eprintln!("kill -9 usher in mid-sale: serving again after {:?}", killed.elapsed());
    for (name, server) in &servers {
        assert!(!server.lives(), "{name} {} outlived usher", server.pid);
    }
    let record = market.close().await;
    confirmed_bookings_are_there(&record).await;
    let more = repeats_get_the_first_answer(&record).await;
    unpaid_holds_become_free(&reach.client, &record).await;
    the_rest_is_sold_and_everything_agrees(&up, record, more).await;
}

async fn confirmed_bookings_are_there(record: &[Asked]) {
    let confirmed = record.iter().filter_map(|asked| Some((asked, asked.booking.as_ref()?)));
    let mut count = 0;
    for (asked, booking) in confirmed {
        let shown = asked.fan.booking(&booking.id).await;
        assert_eq!(Booking::read(&shown), *booking, "ORD-1");
        let again = asked.fan.confirm(&booking.reservation, "tok_ok").await.expect(200);
        assert_eq!(Booking::read(&again), *booking, "a repeated confirm");
        count += 1;
    }
    assert!(40 <= count);
}

/// Returns the bookings whose answers the kill has swallowed.
async fn repeats_get_the_first_answer(record: &[Asked]) -> Vec<Booking> {
    let mut more = Vec::new();
    let (mut known, mut unknown) = (0, 0);
    for asked in record {
        let call = reserve(&best(EVENT, 1), &asked.key);
        let answer = asked.fan.ask(call.clone()).await;
        match &asked.reservation {
            Some(reservation) => {
                known += 1;
                assert_eq!(answer.header("idempotency-replayed"), "true", "{answer:?}");
                assert_eq!(text(&answer.clone().expect(201)["reservationId"]), *reservation);
            }
            None => unknown += 1,
        }
        let again = asked.fan.ask(call).await;
        assert_eq!(again.header("idempotency-replayed"), "true", "CMD-1: {again:?}");
        assert_eq!((again.status, again.code()), (answer.status, answer.code()), "CMD-1");
        let reservation = |answer: crate::client::Answer| answer.json()["reservationId"].clone();
        assert_eq!(reservation(again), reservation(answer), "CMD-1");
        if asked.paying && asked.booking.is_none() {
            let reservation = asked.reservation.as_ref().expect("only a hold is paid");
            more.extend(settle(&asked.fan, reservation).await);
        }
    }
    eprintln!("repeated {known} answered and {unknown} unanswered reserves; {} paid", more.len());
    more
}

/// Asks once more for a payment whose outcome the fan has not heard.
async fn settle(fan: &Fan, reservation: &str) -> Option<Booking> {
    let answer = fan.confirm(reservation, "tok_ok").await;
    match answer.status {
        200 => Some(Booking::read(&answer.json())),
        410 => None,
        _ => panic!("{answer:?}"),
    }
}

async fn unpaid_holds_become_free(client: &crate::client::Client, record: &[Asked]) {
    let unpaid = record.iter().filter(|asked| !asked.paying && asked.reservation.is_some());
    let unpaid: Vec<&Asked> = unpaid.collect();
    assert!(!unpaid.is_empty());
    until_equal("all unpaid holds to end", 0, async || {
        SeatMap::of(client, EVENT).await.count("held")
    })
    .await;
    for asked in unpaid {
        let reservation = asked.reservation.as_ref().expect("filtered just above");
        assert_eq!(asked.fan.reservation_status(reservation).await, "EXPIRED");
        let late = asked.fan.ask(confirm(reservation, "tok_ok")).await;
        assert_eq!((late.status, late.code().as_str()), (410, "RESERVATION_EXPIRED"));
    }
}

async fn the_rest_is_sold_and_everything_agrees(up: &Up, record: Vec<Asked>, more: Vec<Booking>) {
    let reach = up.reach();
    let mut bookings: Vec<Booking> = crate::market::bookings(&record);
    bookings.extend(more);
    let fan = Fan::new(&reach.client, "morning").await;
    loop {
        let answer = fan.reserve(&best(EVENT, 2)).await;
        let answer = if answer.code() == "NOT_ENOUGH_SEATS" {
            fan.reserve(&best(EVENT, 1)).await
        } else {
            answer
        };
        if answer.code() == "SOLD_OUT" {
            break;
        }
        let reservation = text(&answer.expect(201)["reservationId"]);
        bookings.push(Booking::read(&fan.confirm(&reservation, "tok_ok").await.expect(200)));
    }
    let map = SeatMap::of(&reach.client, EVENT).await;
    assert_eq!(map.count("sold"), map.seats().count(), "{:?}", map.counts());
    let known: BTreeSet<&String> = bookings.iter().map(|booking| &booking.id).collect();
    let sold = sold_in_postgres(&reach, EVENT, &map).await;
    let unknown: BTreeSet<&String> = sold.values().filter(|order| !known.contains(order)).collect();
    assert!(unknown.is_empty(), "orders nobody asked for: {unknown:?}");
    assert_sold(&reach, EVENT, &bookings).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kill_of_every_process_at_once_loses_no_booking() {
    let mut up = Up::start().await;
    let reach = up.reach();
    let fans = accounts(&reach.client, 12, "blackout").await;
    let market = Market::open(&fans, "EVT002", WhenLost::GoHome, false);
    market.sells(20).await;
    let servers = up.servers();
    for server in servers.values() {
        rustix::process::kill_process(
            crate::process::pid(server.pid),
            rustix::process::Signal::KILL,
        )
        .unwrap();
    }
    up.kill();
    let killed = Instant::now();
    up.start_again().await;
    eprintln!("kill -9 of everything: serving again after {:?}", killed.elapsed());
    let record = market.close().await;
    confirmed_before_are_shown(&record).await;
    let mut bookings = crate::market::bookings(&record);
    for asked in record.iter().filter(|asked| asked.paying && asked.booking.is_none()) {
        let reservation = asked.reservation.as_ref().expect("only a hold is paid");
        bookings.extend(settle(&asked.fan, reservation).await);
    }
    assert_sold(&up.reach(), "EVT002", &bookings).await;
    let ready = up.reach().client.ask_patiently(Call::get("/readyz")).await;
    assert_eq!(ready.status, 200, "{ready:?}");
}

async fn confirmed_before_are_shown(record: &[Asked]) {
    for asked in record {
        let Some(booking) = &asked.booking else { continue };
        assert_eq!(Booking::read(&asked.fan.booking(&booking.id).await), *booking, "ORD-1");
    }
}
