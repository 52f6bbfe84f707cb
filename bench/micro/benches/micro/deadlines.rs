//! How long it takes to end holds whose deadlines have come, by how many wait at once.

use crate::fans::{Desk, catalogue, event};
use crate::is_measuring;
use crate::venue::{CLUB, HALL, Venue};
use allocator_core::Limits;
use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput};
use schema::{SeatIdx, Want, limits};

/// As an owner's ticks are.
const TICK: usize = 128;

pub fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deadlines");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    let sizes: &[(Venue, u32)] =
        if is_measuring() { &[(HALL, 1), (HALL, 10), (HALL, 100)] } else { &[(CLUB, 1)] };
    for &(venue, events) in sizes {
        let holds = u64::from(venue.seat_count() * events);
        group.throughput(Throughput::Elements(holds));
        group.bench_function(BenchmarkId::new("end all of", holds), |bench| {
            bench.iter_batched(|| held(venue, events), end_all, BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// Every seat is held by itself.
fn held(venue: Venue, events: u32) -> Desk {
    let mut desk = Desk::new(&catalogue(venue, events));
    for seat in 0..venue.seat_count() {
        for number in 0..events {
            let command = desk.hold(&event(number), Want::Seats(vec![SeatIdx(seat)]));
            desk.decide(desk.now(), &command);
        }
    }
    desk
}

fn end_all(mut desk: Desk) -> Desk {
    let due = desk.now() + limits::HOLD_TTL + Limits::default().expiry_spread;
    while !desk.shard.tick(due, TICK).is_empty() {}
    desk
}
