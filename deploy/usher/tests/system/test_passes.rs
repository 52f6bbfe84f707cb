//! An admission is good for one basket, however many are asked for with it at once.

use crate::auditor::assert_clean;
use crate::client::Client;
use crate::fan::{Booking, Fan, best, named, text};
use crate::room::Place;
use crate::seats::SeatMap;
use crate::split::Split;
use crate::system::System;
use futures_util::future::join_all;
use std::slice;

const EVENT: &str = "EVT001";

/// How often the pass is used at once, each time for another seat.
const USES: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_that_is_used_100_times_at_once_at_two_gateways_holds_one_basket() {
    let mut split = Split::start().await;
    let other = split.open_gateway("ingress-2").await;
    let reach = split.reach();
    let client = &reach.client;
    let fan = Fan::new(client, "eager").await;
    let elsewhere = Fan { client: other.clone(), ..fan.clone() };
    let (_, pass) = Place::pass(client, EVENT).await;
    let map = SeatMap::of(client, EVENT).await;
    let seats: Vec<&String> = map.seats().map(|(seat, _)| seat).take(USES).collect();
    assert_eq!((seats.len(), map.count("held")), (USES, 0));

    let gateways = [&fan, &elsewhere].into_iter().cycle();
    let asked = seats.iter().zip(gateways).map(|(seat, fan)| {
        let (want, pass) = (named(EVENT, slice::from_ref(*seat)), &pass);
        async move { fan.reserve_with(&want, pass).await }
    });
    let answers = join_all(asked).await.into_iter();
    let (held, refused): (Vec<_>, Vec<_>) = answers.partition(|answer| answer.status == 201);
    assert_eq!((held.len(), refused.len()), (1, USES - 1), "{held:?}");
    for answer in &refused {
        assert_eq!((answer.status, answer.code().as_str()), (403, "PASS_IN_USE"), "{answer:?}");
    }
    let held = held[0].json();
    let seat = text(&held["seats"][0]["seatId"]);
    for gateway in [client, &other] {
        only_this_is_held(gateway, &seat).await;
    }
    let paid = elsewhere.confirm(&text(&held["reservationId"]), "tok_ok").await.expect(200);
    assert_eq!(Booking::read(&paid).places, [seat]);
    let spent = elsewhere.reserve_with(&best(EVENT, 1), &pass).await;
    assert_eq!((spent.status, spent.code().as_str()), (403, "PASS_SPENT"));
    assert_clean(&reach, &["--all"]).await;
}

async fn only_this_is_held(client: &Client, seat: &str) {
    let map = SeatMap::of(client, EVENT).await;
    let held: Vec<&String> =
        map.seats().filter(|(_, status)| status == "held").map(|(seat, _)| seat).collect();
    assert_eq!(held, [seat]);
}
