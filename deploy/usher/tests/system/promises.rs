//! What was promised to buyers, looked at after a kill.

use crate::auditor::{assert_sold, sold_in_postgres};
use crate::client::{Answer, Call, Client};
use crate::fan::{Booking, Fan, best, confirm, fresh_key, reserve, text};
use crate::market::Asked;
use crate::room::Place;
use crate::seats::SeatMap;
use crate::up::Reach;
use crate::wait::{until, until_equal};
use std::collections::BTreeSet;
use std::time::Instant;

/// Asserts that every confirmed booking is shown and confirmed again as it was.
pub async fn confirmed_bookings_are_there(record: &[Asked]) -> usize {
    let confirmed = record.iter().filter_map(|asked| Some((asked, asked.booking.as_ref()?)));
    let mut count = 0;
    for (asked, booking) in confirmed {
        let shown = asked.fan.booking(&booking.id).await;
        assert_eq!(Booking::read(&shown), *booking, "ORD-1");
        let again = asked.fan.confirm(&booking.reservation, "tok_ok").await.expect(200);
        assert_eq!(Booking::read(&again), *booking, "a repeated confirm");
        count += 1;
    }
    count
}

/// Repeats every reserve with its key; returns the bookings whose answers the kill has swallowed.
pub async fn repeats_get_the_first_answer(event: &str, record: &[Asked]) -> Vec<Booking> {
    let mut more = Vec::new();
    let (mut known, mut unknown) = (0, 0);
    for asked in record {
        let call = reserve(&best(event, 1), &asked.key);
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
        let reservation = |answer: Answer| answer.json()["reservationId"].clone();
        assert_eq!(reservation(again), reservation(answer), "CMD-1");
    }
    for asked in record.iter().filter(|asked| asked.paying && asked.booking.is_none()) {
        let reservation = asked.reservation.as_ref().expect("only a hold is paid");
        more.extend(settle(&asked.fan, reservation).await);
    }
    eprintln!("repeated {known} answered and {unknown} unanswered reserves; {} paid", more.len());
    more
}

/// Asks once more for a payment whose outcome the fan has not heard.
pub async fn settle(fan: &Fan, reservation: &str) -> Option<Booking> {
    let answer = fan.confirm(reservation, "tok_ok").await;
    match answer.status {
        200 => Some(Booking::read(&answer.json())),
        410 => None,
        _ => panic!("{answer:?}"),
    }
}

/// Waits until no seat is held, and asserts that the fans hear the truth about their holds.
pub async fn unpaid_holds_become_free(client: &Client, event: &str, record: &[Asked]) {
    let unpaid = record.iter().filter(|asked| !asked.paying && asked.reservation.is_some());
    let unpaid: Vec<&Asked> = unpaid.collect();
    assert!(!unpaid.is_empty());
    until_equal("all unpaid holds to end", 0, async || {
        SeatMap::of(client, event).await.count("held")
    })
    .await;
    for asked in unpaid {
        let reservation = asked.reservation.as_ref().expect("filtered just above");
        assert_eq!(asked.fan.reservation_status(reservation).await, "EXPIRED");
        let late = asked.fan.ask(confirm(reservation, "tok_ok")).await;
        assert_eq!((late.status, late.code().as_str()), (410, "RESERVATION_EXPIRED"));
    }
}

/// Sells what is left, and asserts that these and the known bookings are all that there are.
pub async fn the_rest_is_sold_and_everything_agrees(
    reach: &Reach,
    event: &str,
    fan: &Fan,
    mut bookings: Vec<Booking>,
) {
    // No more than two: that is as far as the journal's reader checks refusals.
    for quantity in [2, 1] {
        loop {
            let answer = fan.reserve(&best(event, quantity)).await;
            if answer.status != 201 {
                let sold_out = ["SOLD_OUT", "NOT_ENOUGH_SEATS"].contains(&answer.code().as_str());
                assert!(sold_out, "{answer:?}");
                break;
            }
            let reservation = text(&answer.json()["reservationId"]);
            bookings.push(Booking::read(&fan.confirm(&reservation, "tok_ok").await.expect(200)));
        }
    }
    let map = SeatMap::of(&reach.client, event).await;
    assert_eq!(map.count("sold"), map.seats().count(), "{:?}", map.counts());
    let known: BTreeSet<&String> = bookings.iter().map(|booking| &booking.id).collect();
    let sold = sold_in_postgres(reach, event, &map).await;
    let unknown: BTreeSet<&String> = sold.values().filter(|order| !known.contains(order)).collect();
    assert!(unknown.is_empty(), "orders nobody asked for: {unknown:?}");
    assert_sold(reach, event, &bookings).await;
}

/// Buys a seat as soon as it is possible again, and says how long that took.
pub async fn a_seat_is_bought(fan: &Fan, event: &str, what: &str, killed: Instant) -> Booking {
    let call = fan.signed(reserve(&best(event, 1), &fresh_key()));
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
    eprintln!("kill -9 {what}: reserved after {reserved:?}, confirmed after {confirmed:?}");
    Booking::read(&paid)
}

/// Goes through the room as soon as it is possible again, and says how long that took.
pub async fn the_room_lets_in(client: &Client, event: &str, what: &str, killed: Instant) {
    let (_, pass) = Place::pass(client, event).await;
    eprintln!("kill -9 {what}: joined, called and claimed after {:?}", killed.elapsed());
    assert!(!pass.is_empty());
}

/// Looks for an event until search shows it, and says how long that took.
pub async fn search_finds(client: &Client, event: &str, what: &str, killed: Instant) {
    until("search to find the event", async || {
        let answer = client.send(Call::get("/api/search?q=glass%20lighthouse")).await.ok()?;
        let found = answer.status == 200 && answer.json()["hits"].to_string().contains(event);
        found.then_some(())
    })
    .await;
    eprintln!("kill -9 {what}: found by search after {:?}", killed.elapsed());
}
