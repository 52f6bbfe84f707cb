//! The engine against a small server in this process.

use super::{Account, Board, LAST_ANSWERS, Play, Played, Venue, World, lanes, run};
use crate::fan::{Plan, Row};
use crate::record::{Deal, Deed, Verdict};
use crate::results::Met;
use crate::run::{Came, expected};
use crate::scenario::{self, Scenario};
use crate::wire::Door;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// How long the server of a test stands still, and when.
#[derive(Clone, Copy)]
struct Stall {
    from: Duration,
    to: Duration,
}

fn answer(method: &str, path: &str, number: u64) -> (u16, String) {
    let place = r#""sellOutLikelihood":null,"position":null,"estimatedWaitSeconds":null"#;
    let body = match (method, path.rsplit('/').next().unwrap_or_default()) {
        ("POST", "join") => {
            return (
                201,
                format!(
                    r#"{{"token":"t{number}","state":"queued","number":{number},
                        "pollAfterMs":200}}"#
                ),
            );
        }
        (_, "me") => format!(r#"{{"state":"ready","number":1,"pollAfterMs":200,{place}}}"#),
        ("POST", "claim") => r#"{"pass":"p"}"#.to_owned(),
        ("POST", "reserve") => {
            let seat = format!(r#"{{"seatId":"A-1-{number}"}}"#);
            return (
                201,
                format!(
                    r#"{{"reservationId":"r{number}","expiresInMs":60000,"seats":[{seat}],
                        "areas":[]}}"#
                ),
            );
        }
        ("POST", "confirm") => format!(
            r#"{{"bookingId":"b{number}","reservationId":"r{number}","status":"CONFIRMED",
                "tickets":[{{"seatId":"A-1-{number}"}}]}}"#
        ),
        _ => "{}".to_owned(),
    };
    (200, body)
}

/// Serves until it is dropped; returns its address.
async fn serve(tasks: &mut JoinSet<()>, began: Instant, stall: Option<Stall>) -> Door {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = Door::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        let numbers = Arc::new(std::sync::atomic::AtomicU64::new(1));
        while let Ok((stream, _)) = listener.accept().await {
            let numbers = Arc::clone(&numbers);
            let service = service_fn(move |request: Request<Incoming>| {
                let number = numbers.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let (status, body) =
                    answer(request.method().as_str(), request.uri().path(), number);
                async move {
                    let now = began.elapsed();
                    if let Some(stall) = stall.filter(|stall| (stall.from..stall.to).contains(&now))
                    {
                        tokio::time::sleep(stall.to.saturating_sub(now)).await;
                    }
                    let mut response = Response::new(Full::new(Bytes::from(body)));
                    *response.status_mut() = status.try_into().unwrap();
                    Ok::<_, std::convert::Infallible>(response)
                }
            });
            connections.spawn(async move {
                let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                drop(served.await);
            });
        }
    });
    door
}

fn world() -> World {
    let row =
        Row { section: "A".into(), label: "1".into(), first_idx: 0, first_number: 1, seats: 40 };
    let plan = Arc::new(Plan::new(vec![row]));
    let account = Account { authorization: "Bearer fan".into() };
    World {
        accounts: vec![account],
        venues: vec![Venue { event: "EVT001".into(), plan, has_room: true }],
        named: [("EVT001".to_owned(), 0..1)].into(),
        ..World::default()
    }
}

fn fans(count: u32, seconds: f64, connections: u32) -> Scenario {
    let (mut scenario, _) = scenario::find("flash-sale", true).unwrap();
    scenario.people.retain(|name, _| name == "fans");
    scenario.operator.clear();
    scenario.door.connections = connections;
    scenario.seconds_max = 20;
    let fans = scenario.people.get_mut("fans").unwrap();
    fans.count = count;
    fans.arrivals =
        scenario::Arrivals { shape: scenario::Shape::Steady, seconds, rate: None, after_s: 0.0 };
    fans.habits = scenario::Habits {
        named: 0.0,
        look_ms: scenario::Range(0, 20),
        think_ms: scenario::Range(0, 20),
        asks_me: 1.0,
        ..scenario::Habits::default()
    };
    scenario
}

async fn played(scenario: Scenario, stall: Option<Stall>) -> Played {
    played_with(scenario, stall, LAST_ANSWERS).await
}

async fn played_with(scenario: Scenario, stall: Option<Stall>, patience: Duration) -> Played {
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    let door = serve(&mut tasks, began, stall).await;
    let board = Arc::new(Board::new(lanes(&scenario)));
    let (scenario, world) = (Arc::new(scenario), Arc::new(world()));
    run(&Play { scenario, door, world, board, began, patience }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fan_goes_the_whole_way_and_every_answer_is_counted() {
    let played = played(fans(200, 1.0, 8), None).await;
    for deed in [Deed::Join, Deed::Me, Deed::Claim, Deed::Event, Deed::Reserve, Deed::Confirm] {
        assert_eq!(played.tally.good.get(&deed), Some(&200), "{deed:?}");
    }
    let counts = played.counts;
    assert_eq!((counts.people, counts.gone, counts.joined), (200, 200, 200));
    assert_eq!((counts.errors, counts.asked, counts.overdue), (0, 1_200, 0));
    assert_eq!((counts.reserved, counts.sold), (200, 200));
    assert_eq!(played.tally.deals.len(), 400);
    assert_eq!(played.groups["fans"].asked, 1_200);
    assert_eq!(played.tally.bookings.count(), 200);
    let booked: u64 = played.tally.seconds.values().map(|second| second.booked).sum();
    assert_eq!(booked, 200);
    // From the intended reserve over 20 ms of thought, rounded to whole ones, to the confirmation.
    let most = |deed: Deed| played.tally.latency[&deed].max();
    let longest = most(Deed::Reserve) + Duration::from_millis(25) + most(Deed::Confirm);
    let booked = &played.tally.bookings;
    assert!(booked.max() <= longest, "{:?}, {longest:?}", booked.max());
    assert!(most(Deed::Confirm) < booked.max());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_shows_in_the_latencies_of_all_who_came_during_it() {
    let stall = Stall { from: Duration::from_millis(500), to: Duration::from_millis(1_500) };
    // Two connections: during the stall two questions are under way, and a hundred people come.
    let played = played(fans(200, 2.0, 2), Some(stall)).await;
    let joins = &played.tally.latency[&Deed::Join];
    assert_eq!(joins.count(), 200);
    // Who came is counted where they were meant to come, also during the stall.
    assert_eq!(played.tally.arrivals, [(0, 100), (1, 100)].into());
    // A closed loop would have seen two slow answers of two hundred; half of the people came then.
    let waited = joins.at(0.8);
    assert!(Duration::from_millis(300) <= waited, "four of five waited at most {waited:?}");
    assert!(Duration::from_millis(900) <= joins.max(), "{:?}", joins.max());
    let service = &played.tally.service[&Deed::Join];
    assert!(service.at(0.8) < Duration::from_millis(300), "{:?}", service.at(0.8));
}

/// Names of the targets that a scenario without wishes of its own misses by what was played.
fn missed(played: &Played) -> Vec<String> {
    let (mut scenario, _) = scenario::find("flash-sale", true).unwrap();
    scenario.expect = scenario::Expect::default();
    let figures = BTreeMap::new();
    let wishes = expected(&scenario, &Came { played, figures: &figures, sold_out: None });
    let missed = wishes.into_iter().filter(|wish| wish.met == Met::Missed);
    missed.map(|wish| wish.name).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_due_before_the_end_is_asked_after_it_with_the_time_that_was_meant() {
    let stall = Stall { from: Duration::from_millis(200), to: Duration::from_millis(1_500) };
    let mut scenario = fans(200, 0.9, 2);
    scenario.seconds_max = 1;
    let played = played(scenario, Some(stall)).await;
    let joins = &played.tally.latency[&Deed::Join];
    assert_eq!((joins.count(), played.counts.overdue), (200, 0));
    // Three of four came during the stall, which outlasted the run.
    let waited = joins.at(0.5);
    assert!(Duration::from_millis(600) <= waited, "half of the people waited at most {waited:?}");
    assert_eq!(missed(&played), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_without_an_answer_at_the_end_is_an_error_and_its_outcome_unknown() {
    let stall = Stall { from: Duration::from_millis(500), to: Duration::from_mins(1) };
    let mut scenario = fans(200, 0.9, 8);
    scenario.seconds_max = 1;
    let fans = scenario.people.get_mut("fans").unwrap();
    // Everybody is on the way from reserve to payment when it stalls.
    fans.habits.think_ms = scenario::Range(0, 200);
    let played = played_with(scenario, Some(stall), Duration::from_millis(10)).await;
    let is_cut = |code: &str| code == "0 cut off";
    let cut = played.tally.other.iter().filter(|((_, _, code), _)| is_cut(code));
    let cut: Vec<_> = cut.map(|((deed, verdict, _), count)| (*deed, *verdict, *count)).collect();
    assert_eq!(cut.iter().map(|(.., count)| count).sum::<u64>(), 8, "{cut:?}");
    assert!(cut.iter().all(|(_, verdict, _)| *verdict == Verdict::Error));
    assert_eq!(played.counts.errors, 8);
    let bought = cut.iter().filter(|(deed, ..)| matches!(deed, Deed::Reserve | Deed::Confirm));
    let bought: u64 = bought.map(|(.., count)| count).sum();
    let unknown = played.tally.deals.iter();
    let unknown = unknown.filter(|dealt| matches!(dealt.deal, Deal::Unknown { .. })).count();
    assert_eq!(u64::try_from(unknown).unwrap(), bought);
    assert!(0 < played.counts.overdue, "people came after all connections were busy");
    assert_eq!(missed(&played), ["overdue_max"]);
}
