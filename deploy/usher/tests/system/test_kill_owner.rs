//! An owner that dies by SIGKILL at any of its calls that write or answer, while a fan buys one
//! seat after the other: each is sold once, and everything agrees.

use crate::auditor::{assert_clean, assert_sold};
use crate::catalogue::list;
use crate::fan::{Booking, Fan, best, confirm, fresh_key, reserve, text};
use crate::names::assert_all_are_known;
use crate::sale::are_stored;
use crate::seats::SeatMap;
use crate::split::Split;
use crate::system::System;
use crate::up::Reach;
use crate::wait::pause;
use chassis::{Death, TestServers, Which};
use rustix::process::Signal;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// A copy of the theatre: it has seats alone, and enough of them for as long as this takes.
const EVENT: &str = "OWNED";

/// For each of the first batches after a start, which are: what moves deadlines after the outage,
/// holds a seat, begins its payment, sells it. Which of these one pass meets depends on the timing:
/// the first two may be one batch, and then the third one sells.
const APPENDED: &str = "append a batch";
const APPENDS: [u32; 4] = [1, 2, 3, 4];
const WHILE_BUYING: [&str; 3] =
    ["append an empty batch", "answer commands", "purge answered commands"];

/// Calls to which time brings an owner.
const IN_TIME: [&str; 6] = [
    "take a stream",
    "store a checkpoint",
    "commit a checkpoint",
    "archive answers",
    "commit archived answers",
    "trim a journal",
];
const RELEASED: &str = "release a stream";

/// Calls at which no owner is killed, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("look up an archived answer", "reads"),
    ("answer from the archive", "an answer that is lost is asked for again, as any other"),
];

/// How long a fan does nothing between two purchases: long enough for an owner with nothing to do
/// to tell the journal the time.
const BREATH: Duration = Duration::from_millis(300);

#[test]
fn an_owner_is_killed_at_every_call_that_writes_or_answers() {
    let sources = ["allocator/src", "deploy/chassis/src/fenced.rs", "deploy/chassis/src/fenced"];
    let killed: [&[&str]; 3] = [&WHILE_BUYING, &IN_TIME, &[APPENDED, RELEASED]];
    assert_all_are_known(&sources, &killed, ELSEWHERE);
}

/// Lists the event, and lets a fan hold one of its seats.
async fn open(reach: &Reach) -> (Fan, String) {
    list(reach, "EVT002", EVENT, |listing| listing.account_places_max = 10_000).await;
    let fan = Fan::new(&reach.client, "patient").await;
    let held = fan.reserve(&best(EVENT, 1)).await.expect(201);
    (fan, text(&held["reservationId"]))
}

async fn pay(fan: &Fan, reservation: &str) -> Booking {
    let call = confirm(reservation, "tok_ok").header("idempotency-key", &fresh_key());
    Booking::read(&fan.ask_until_final(call).await.expect(200))
}

/// Buys a seat, under the same keys until there is an answer.
async fn buy(fan: &Fan) -> Booking {
    let held = fan.ask(reserve(&best(EVENT, 1), &fresh_key())).await.expect(201);
    pay(fan, &text(&held["reservationId"])).await
}

/// Kills the owner at each of these calls, one after the other, while a fan buys; returns what was
/// bought.
async fn buy_while_killed(split: &mut Split, fan: &Fan, deaths: Vec<Death>) -> Vec<Booking> {
    let mut bookings = Vec::new();
    for death in deaths {
        let begun = Instant::now();
        split.doom("allocator", death);
        let serves = Cell::new(false);
        let dies = async {
            split.dies("allocator").await;
            split.start_alone("allocator").await;
            serves.set(true);
        };
        let buys = async {
            let mut bought = Vec::new();
            while !serves.get() {
                bought.push(buy(fan).await);
                pause(BREATH).await;
            }
            bought
        };
        let ((), bought) = tokio::join!(dies, buys);
        let (name, pass, took) = (death.name(), death.passes, begun.elapsed());
        eprintln!("kill -9 of the owner, {name} ({pass}): it served again after {took:?}");
        bookings.extend(bought);
    }
    bookings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_is_sold_once_whatever_its_owner_dies_over() {
    let mut split = Split::start().await;
    let reach = split.reach();
    let (fan, reservation) = open(&reach).await;
    let appends = APPENDS.into_iter().flat_map(|passes| {
        Death::all(&[APPENDED]).into_iter().map(move |death| Death { passes, ..death })
    });
    let deaths = appends.chain(Death::all(&WHILE_BUYING)).collect();
    let mut bookings = buy_while_killed(&mut split, &fan, deaths).await;
    bookings.push(pay(&fan, &reservation).await);
    assert_eq!(SeatMap::of(&reach.client, EVENT).await.count("held"), 0, "no hold of nobody's");
    assert_sold(&reach, EVENT, &bookings).await;
    assert_clean(&reach, &["--all"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_is_sold_once_whatever_dies_over_what_is_kept_of_it() {
    let servers = TestServers::start().await;
    let nats = servers.url(Which::Nats).to_owned();
    let quick = [
        ("USHER__ALLOCATOR__CHECKPOINT_EVERY_MS", "200"),
        ("USHER__ALLOCATOR__JOURNAL_KEEP_MS", "1000"),
    ];
    let mut split = Split::start_on(servers, &nats, &quick).await;
    let reach = split.reach();
    let (fan, reservation) = open(&reach).await;
    let mut bookings = buy_while_killed(&mut split, &fan, Death::all(&IN_TIME)).await;
    for death in Death::all(&[RELEASED]) {
        split.doom("allocator", death);
        split.stage("allocator").printed("usher runs ").await;
        split.stage("allocator").signal(Signal::TERM);
        split.dies("allocator").await;
        split.start_alone("allocator").await;
        bookings.push(buy(&fan).await);
    }
    bookings.push(pay(&fan, &reservation).await);
    assert_eq!(SeatMap::of(&reach.client, EVENT).await.count("held"), 0, "no hold of nobody's");
    are_stored(&reach, EVENT, &bookings).await;
    assert_clean(&reach, &["--all"]).await;
}
