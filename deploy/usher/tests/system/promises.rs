//! What was promised to buyers, looked at after a kill.

use crate::auditor::{assert_sold, sold_in_postgres};
use crate::client::{Answer, Call, Client};
use crate::fan::{Booking, Fan, best, confirm, fresh_key, named, reserve, text};
use crate::journal::{Bus, expiries};
use crate::market::Asked;
use crate::room::Place;
use crate::seats::SeatMap;
use crate::up::Reach;
use crate::wait::{until, until_equal};
use schema::{DurationMs, UnixMillis};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
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
        match &asked.answer {
            Some(first) => {
                known += 1;
                assert_repeats(&answer, first);
            }
            None => unknown += 1,
        }
        assert_repeats(&asked.fan.ask(call).await, &answer);
    }
    for asked in record.iter().filter(|asked| asked.paying && asked.booking.is_none()) {
        let reservation = asked.reservation.as_ref().expect("only a hold is paid");
        more.extend(settle(&asked.fan, reservation).await);
    }
    eprintln!("repeated {known} answered and {unknown} unanswered reserves; {} paid", more.len());
    more
}

/// CMD-1: the same answer, and it says that it is a repetition.
pub fn assert_repeats(again: &Answer, first: &Answer) {
    assert_eq!(again.header("idempotency-replayed"), "true", "CMD-1: {again:?}");
    assert_eq!((again.status, again.code()), (first.status, first.code()), "CMD-1");
    assert_eq!(again.lasting(), first.lasting(), "CMD-1");
}

/// A seat that was refused to somebody.
pub struct Refused {
    fan: Fan,
    call: Call,
    answer: Answer,
}

impl Refused {
    /// Asks for a seat that is sold.
    pub async fn hear(fan: &Fan, event: &str) -> Self {
        let map = SeatMap::of(&fan.client, event).await;
        let (seat, _) = map.seats().find(|(_, status)| status == "sold").expect("some are sold");
        let call = reserve(&named(event, std::slice::from_ref(seat)), &fresh_key());
        let answer = fan.ask(call.clone()).await;
        assert_eq!((answer.status, answer.code().as_str()), (409, "SEAT_TAKEN"), "{answer:?}");
        assert_eq!(answer.json()["seatIds"], json!([seat]));
        Self { fan: fan.clone(), call, answer }
    }

    pub async fn is_repeated(&self) {
        assert_repeats(&self.fan.ask(self.call.clone()).await, &self.answer);
    }
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

/// A time without service, as the test measured it.
#[derive(Debug, Clone, Copy)]
pub struct Outage {
    pub from: UnixMillis,
    pub length: DurationMs,
}

/// How late after its deadline a hold may end, besides the outages.
///
/// SEAT-3 gives a second, and the journal may have been silent for half of one when the kill came.
/// The rest is for two cores that run everything and this test.
const LATE_MAX: DurationMs = DurationMs(4_000);

/// Waits until no seat is held, and asserts that the holds ended in time and that the fans hear the
/// truth about them.
pub async fn unpaid_holds_become_free(
    reach: &Reach,
    event: &str,
    record: &[Asked],
    outages: &[Outage],
) {
    let client = &reach.client;
    let unpaid = record.iter().filter(|asked| !asked.paying && asked.reservation.is_some());
    let unpaid: Vec<&Asked> = unpaid.collect();
    assert!(!unpaid.is_empty());
    until_equal("all unpaid holds to end", 0, async || {
        SeatMap::of(client, event).await.count("held")
    })
    .await;
    let bus = Bus::connect(&reach.nats).await;
    let ended = expiries(&bus.journal(bus.shards.of(&event.parse().unwrap())).await);
    let ended: BTreeMap<String, UnixMillis> =
        ended.into_iter().map(|(hold, at)| (hold.to_string(), at)).collect();
    for asked in unpaid {
        let reservation = asked.reservation.as_ref().expect("filtered just above");
        let expires_at = asked.answer.as_ref().expect("it was held").json()["expiresAt"].clone();
        let expires_at = UnixMillis::parse_rfc3339(&text(&expires_at)).expect("RFC 3339");
        assert_in_time(ended[reservation], expires_at, outages);
        assert_eq!(asked.fan.reservation_status(reservation).await, "EXPIRED");
        let late = asked.fan.ask(confirm(reservation, "tok_ok")).await;
        assert_eq!((late.status, late.code().as_str()), (410, "RESERVATION_EXPIRED"));
    }
}

/// SEAT-3: each outage that a hold lives to see gives it as much more time, and nothing else does.
fn assert_in_time(ended: UnixMillis, expires_at: UnixMillis, outages: &[Outage]) {
    let lived = outages.iter().fold(expires_at, |until, outage| {
        if outage.from < until { until + outage.length } else { until }
    });
    let late = ended.since(lived);
    assert!(late <= LATE_MAX, "SEAT-3: {late:?} behind {lived}, after {outages:?}");
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
                let code = answer.code();
                let for_two = quantity == 2 && code == "NOT_ENOUGH_SEATS";
                assert!(answer.status == 409 && (code == "SOLD_OUT" || for_two), "{answer:?}");
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
