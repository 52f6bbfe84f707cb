//! Best available: parties of one to ten in an arena that is empty, half full and nearly full; and
//! how long the slowest parties of four wait while the arena fills.

use crate::venue::ARENA;
use crate::{is_measuring, say};
use allocator_core::{SeatMap, SeatState, claim_best};
use criterion::{BenchmarkId, Criterion};
use schema::{BestAvailable, SeatIdx};
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

const SLOT: u32 = 7;

/// Sizes of parties that fill the arena, about as often as they come to a real sale.
const PARTIES: [u8; 20] = [2, 4, 2, 1, 2, 3, 2, 4, 2, 1, 2, 4, 2, 3, 2, 1, 2, 4, 5, 6];

/// One party in so many gives its seats back in the nearly full arena: couples and singles all over
/// the house.
const RETURNS_ONE_IN: usize = 50;

/// Houses in which the slowest parties are looked for, each with other holes: more of them would
/// not fit into a cache together, as the events of one process do not.
const HOUSES: u32 = 16;

/// One party in so many lets its hold lapse, when so many other holds have lapsed after it.
const LAPSES_ONE_IN: u32 = 6;
const LAPSES_LATER: usize = 50;

/// Most times that are kept of a house's fullness.
const TIMES_MAX: usize = 1 << 20;

pub fn benches(criterion: &mut Criterion) {
    let empty = ARENA.seat_map();
    let half_full = ARENA.seat_map();
    fill(&half_full, half_full.seat_count() / 2);
    let nearly_full = ARENA.seat_map();
    let parties = fill(&nearly_full, nearly_full.seat_count());
    parties.iter().step_by(RETURNS_ONE_IN).for_each(|seats| release(&nearly_full, seats));

    let mut group = criterion.benchmark_group("best_available");
    for (state, map) in [("empty", empty), ("half full", half_full), ("nearly full", nearly_full)] {
        for party in 1..=10 {
            group.bench_function(BenchmarkId::new(state, party), |bench| {
                bench.iter(|| come_and_go(black_box(&map), party));
            });
        }
    }
    group.finish();
    while_it_fills(criterion);
}

fn while_it_fills(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("best_available/4");
    for percent in [0, 50, 80, 95] {
        let mut houses = Vec::new();
        let mut times = Vec::new();
        group.bench_function(format!("{percent} % sold"), |bench| {
            let count = if is_measuring() { HOUSES } else { 1 };
            if houses.is_empty() {
                houses.extend((0..count).map(|number| house(number, percent)));
            }
            bench.iter_custom(|turns| time_each(&houses, turns, &mut times));
        });
        times.sort_unstable();
        let quantile = |share: usize| times[(times.len() - 1) * share / 1_000];
        if is_measuring() && !times.is_empty() {
            say(&format!(
                "best available for 4, {percent} % sold: p50 {:?}, p99 {:?}, p99.9 {:?}, {} times",
                quantile(500),
                quantile(990),
                quantile(999),
                times.len()
            ));
        }
    }
    group.finish();
}

/// Parties of four come into one house after the other, and leave.
fn time_each(houses: &[SeatMap], turns: u64, times: &mut Vec<Duration>) -> Duration {
    let mut spent = Duration::ZERO;
    for (map, slot) in houses.iter().cycle().zip(0..turns) {
        let slot = u32::try_from(slot).expect("fewer turns than slots");
        let begun = Instant::now();
        let seats = claim_as(map, 4, slot);
        let took = begun.elapsed();
        spent += took;
        if times.len() < TIMES_MAX {
            times.push(took);
        }
        release(map, &black_box(seats).expect("a twentieth of the arena is free"));
    }
    spent
}

/// An arena of which so much is sold, with the holes that lapsed holds have left.
fn house(number: u32, percent: u32) -> SeatMap {
    let map = ARENA.seat_map();
    let sold_max = map.seat_count() * percent / 100;
    let mut lapsing = VecDeque::new();
    let mut sold = 0;
    // Each house's parties come in another order.
    for slot in number * 7.. {
        let party = PARTIES[usize::try_from(slot).expect("an index") % PARTIES.len()];
        if sold_max < sold + u32::from(party) {
            break;
        }
        let seats = claim_as(&map, party, slot).expect("a twentieth of the arena is free");
        sold += u32::from(party);
        if slot % LAPSES_ONE_IN == 0 {
            lapsing.push_back(seats);
        }
        if LAPSES_LATER < lapsing.len() {
            let seats = lapsing.pop_front().expect("it is not empty");
            sold -= u32::try_from(seats.len()).expect("a party is small");
            release(&map, &seats);
        }
    }
    map
}

/// Seats one party after the other, the best seats first, until so many seats are taken or the next
/// party finds none.
fn fill(map: &SeatMap, seats_max: u32) -> Vec<Vec<SeatIdx>> {
    let mut parties = Vec::new();
    let mut left = seats_max;
    for &party in PARTIES.iter().cycle() {
        let seats = if u32::from(party) <= left { claim(map, party) } else { None };
        let Some(seats) = seats else { break };
        left -= u32::from(party);
        parties.push(seats);
    }
    assert!(!parties.is_empty());
    parties
}

/// A party is seated, or hears that there is no room, and leaves.
fn come_and_go(map: &SeatMap, party: u8) {
    if let Some(seats) = claim(map, party) {
        release(map, &seats);
    }
}

fn claim(map: &SeatMap, party: u8) -> Option<Vec<SeatIdx>> {
    claim_as(map, party, SLOT)
}

fn claim_as(map: &SeatMap, party: u8, slot: u32) -> Option<Vec<SeatIdx>> {
    let want =
        BestAvailable { quantity: party, section: None, price_level: None, accessible: false };
    claim_best(map, want, SeatState::Held, slot).map(|choice| choice.seats)
}

fn release(map: &SeatMap, seats: &[SeatIdx]) {
    for &seat in seats {
        let freed = map.transition(seat, map.read(seat), SeatState::Free);
        freed.expect("a hold's seats are changed by its owner only");
    }
}
