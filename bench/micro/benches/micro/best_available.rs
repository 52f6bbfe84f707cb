//! Best available: parties of one to ten in an arena that is empty, half full and nearly full.

use crate::venue::ARENA;
use allocator_core::{SeatMap, SeatState, claim_best};
use criterion::{BenchmarkId, Criterion};
use schema::{BestAvailable, SeatIdx};
use std::hint::black_box;

const SLOT: u32 = 7;

/// Sizes of parties that fill the arena, about as often as they come to a real sale.
const PARTIES: [u8; 20] = [2, 4, 2, 1, 2, 3, 2, 4, 2, 1, 2, 4, 2, 3, 2, 1, 2, 4, 5, 6];

/// One party in so many gives its seats back in the nearly full arena: couples and singles all over
/// the house.
const RETURNS_ONE_IN: usize = 50;

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
    let want =
        BestAvailable { quantity: party, section: None, price_level: None, accessible: false };
    claim_best(map, want, SeatState::Held, SLOT).map(|choice| choice.seats)
}

fn release(map: &SeatMap, seats: &[SeatIdx]) {
    for &seat in seats {
        let freed = map.transition(seat, map.read(seat), SeatState::Free);
        freed.expect("a hold's seats are changed by its owner only");
    }
}
