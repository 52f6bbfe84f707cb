//! A small crowd buys of a fake seller, by the code that runs use: each of its faults is found, and
//! an honest one is believed.

use super::fake::{Fault, ROW, Seller, serve};
use super::script::deals;
use crate::engine::{self, Account, Board, Play, Venue, World};
use crate::fan::{Plan, Row};
use crate::promises::events::events;
use crate::promises::{Checked, Checks, Forged, check};
use crate::record::Dealt;
use crate::results::{Finding, Kept};
use crate::scenario::{self, Arrivals, Habits, Range, Scenario, Shape};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinSet;

fn world(rows: usize) -> World {
    let row = |row: usize| Row {
        section: "A".into(),
        label: (row + 1).to_string().into(),
        first_idx: u32::try_from(row * ROW).unwrap(),
        first_number: 1,
        seats: u32::try_from(ROW).unwrap(),
    };
    let plan = Arc::new(Plan::new((0..rows).map(row).collect()));
    let account = |number: u32| Account { authorization: format!("Bearer {number}").into() };
    World {
        accounts: (0..50).map(account).collect(),
        venues: vec![Venue { event: "EVT001".into(), plan, has_room: false }],
        named: [("EVT001".to_owned(), 0..1)].into(),
        ..World::default()
    }
}

fn fans(count: u32) -> Scenario {
    let (mut scenario, _) = scenario::find("flash-sale", true).unwrap();
    scenario.people.retain(|name, _| name == "fans");
    scenario.operator.clear();
    scenario.door.connections = 16;
    scenario.seconds_max = 20;
    let fans = scenario.people.get_mut("fans").unwrap();
    fans.count = count;
    fans.arrivals = Arrivals { shape: Shape::Steady, seconds: 1.0, rate: None, after_s: 0.0 };
    fans.habits = Habits {
        named: 0.5,
        abandon: 0.1,
        release: 0.1,
        cancel: 0.1,
        look_ms: Range(0, 50),
        think_ms: Range(0, 50),
        ..Habits::default()
    };
    scenario
}

/// What is found when `count` fans buy of a seller with `fault` in a hall of so many rows.
async fn found(fault: Fault, count: u32, rows: usize) -> Vec<Finding> {
    let mut tasks = JoinSet::new();
    let seller = Seller::new(fault, rows);
    let door = serve(&mut tasks, Arc::clone(&seller)).await;
    let scenario = Arc::new(fans(count));
    let board = Arc::new(Board::new(engine::lanes(&scenario)));
    let world = Arc::new(world(rows));
    let play = Play {
        scenario,
        door: door.clone(),
        world: Arc::clone(&world),
        board,
        began: Instant::now(),
        patience: engine::LAST_ANSWERS,
    };
    let played = engine::run(&play).await.unwrap();
    assert_eq!((played.counts.gone, played.counts.errors), (u64::from(count), 0));
    let checked = Checked {
        door: &door,
        data: None,
        accounts: &world.accounts,
        alone: true,
        inside: &BTreeMap::new(),
        forged: Some(Forged { tries: 5, let_in: 0 }),
    };
    let Checks { findings, unmade } = check(&played.tally, &checked).await;
    assert_eq!(unmade, Vec::<String>::new());
    assert_eq!(seller.lock().unwrap().has_erred, fault != Fault::None, "{findings:?}");
    findings
}

fn broken(findings: &[Finding]) -> Vec<&str> {
    let broken = findings.iter().filter(|finding| finding.kept == Kept::Broken);
    broken.map(|finding| finding.promise).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_honest_seller_is_believed() {
    // The small hall sells out: refusals of all kinds are true.
    for rows in [6, 60] {
        let findings = found(Fault::None, 200, rows).await;
        let kept = findings.iter().map(|finding| (finding.promise, finding.kept));
        let mut wanted =
            BTreeMap::from(["SEAT-1", "ORD-1", "ORD-3", "LINE-4"].map(|id| (id, Kept::Held)));
        if rows == 6 {
            wanted.insert("SEAT-4", Kept::Held);
        }
        let kept: BTreeMap<_, _> = kept
            .filter(|(id, kept)| rows == 6 || *id != "SEAT-4" || *kept == Kept::Broken)
            .collect();
        assert_eq!(kept, wanted, "{findings:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_that_is_sold_twice_is_found() {
    let findings = found(Fault::SellsTwice, 100, 60).await;
    assert!(broken(&findings).contains(&"SEAT-1"), "{findings:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirmed_booking_that_is_lost_is_found() {
    let findings = found(Fault::LosesBooking, 100, 60).await;
    assert_eq!(broken(&findings), ["ORD-1"], "{findings:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_false_refusal_is_found() {
    for fault in [Fault::RefusesNamedSeats, Fault::RefusesNeighbours] {
        let findings = found(fault, 100, 60).await;
        assert_eq!(broken(&findings), ["SEAT-4"], "{fault:?}: {findings:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sold_seat_that_shows_as_free_is_found() {
    let findings = found(Fault::ShowsSoldSeatAsFree, 100, 60).await;
    assert_eq!(broken(&findings), ["ORD-3"], "{findings:#?}");
}

#[tokio::test]
async fn every_event_is_judged_by_its_map_however_many_there_are() {
    let mut tasks = JoinSet::new();
    let door = serve(&mut tasks, Seller::new(Fault::None, 6)).await;
    let one = deals("1 0-1 reserve r1 A-1-1 life 60").remove(0);
    let of_event = |number: u32| Dealt { event: format!("E{number}").into(), ..one.clone() };
    let deals: Vec<Dealt> = (0..100).map(of_event).collect();
    let mut unread = Vec::new();
    let events = events(&door, &deals, &mut unread).await;
    assert_eq!((events.len(), unread), (100, vec![]));
    assert!(events.iter().all(|event| event.map.is_some()));
}
