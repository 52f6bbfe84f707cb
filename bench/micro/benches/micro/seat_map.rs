//! The seat map: claim, release, two threads at the same seats and at seats of their own, and a
//! look at all seats.

use crate::venue::{ARENA, CLUB, STADIUM, scattered_couples};
use allocator_core::{SeatMap, SeatState};
use criterion::{BenchmarkId, Criterion, Throughput};
use schema::SeatIdx;
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

const SLOT: u32 = 7;

/// How long claims and releases took.
#[derive(Default)]
struct Spent {
    claims: Duration,
    releases: Duration,
}

pub fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("seat_map");
    for venue in [CLUB, ARENA, STADIUM] {
        let map = venue.seat_map();
        let couples = scattered_couples(map.seat_count());
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new("claim 2", venue.name), |bench| {
            bench.iter_custom(|turns| buy_and_return(&map, &couples, turns).claims);
        });
        group.bench_function(BenchmarkId::new("release 2", venue.name), |bench| {
            bench.iter_custom(|turns| buy_and_return(&map, &couples, turns).releases);
        });
        group.throughput(Throughput::Elements(u64::from(map.seat_count())));
        group.bench_function(BenchmarkId::new("read all", venue.name), |bench| {
            bench.iter(|| free_seats(black_box(&map)));
        });
    }
    let map = ARENA.seat_map();
    group.throughput(Throughput::Elements(2));
    for (seats, second) in [("the same", 100), ("their own", 10_000)] {
        let name = format!("claim and release 4, 2 threads at {seats}");
        group.bench_function(name, |bench| {
            bench.iter_custom(|turns| contend(&map, [100, second], turns));
        });
    }
    group.finish();
}

/// Claims that many couples, all seats of the map one after the other, and frees them when all are
/// gone.
fn buy_and_return(map: &SeatMap, couples: &[[SeatIdx; 2]], turns: u64) -> Spent {
    let mut spent = Spent::default();
    let mut left = turns;
    while 0 < left {
        let round = usize::try_from(left).map_or(couples.len(), |left| left.min(couples.len()));
        let begun = Instant::now();
        for couple in &couples[..round] {
            let claimed = map.claim(couple, SeatState::Held, SLOT);
            claimed.expect("nobody else claims, and each couple once");
        }
        let claimed = Instant::now();
        for couple in &couples[..round] {
            release(map, couple);
        }
        spent.claims += claimed - begun;
        spent.releases += claimed.elapsed();
        left -= u64::try_from(round).expect("usize has at most 64 bits");
    }
    spent
}

/// Two threads want four seats each all the time, from these on; each tries that often.
fn contend(map: &SeatMap, first_seats: [u32; 2], turns: u64) -> Duration {
    let ready = Barrier::new(3);
    let compete = &|first: u32| {
        let seats = [0, 1, 2, 3].map(|step| SeatIdx(first + step));
        ready.wait();
        for _ in 0..turns {
            // A refusal costs too, and is the answer that half of them get at the same seats.
            if black_box(map.claim(&seats, SeatState::Held, SLOT)).is_ok() {
                release(map, &seats);
            }
        }
    };
    thread::scope(|scope| {
        let rivals = first_seats.map(|first| scope.spawn(move || compete(first)));
        ready.wait();
        let begun = Instant::now();
        for rival in rivals {
            rival.join().expect("a rival only claims and releases");
        }
        begun.elapsed()
    })
}

fn release(map: &SeatMap, seats: &[SeatIdx]) {
    for &seat in seats {
        let freed = map.transition(seat, map.read(seat), SeatState::Free);
        freed.expect("a hold's seats are changed by its owner only");
    }
}

fn free_seats(map: &SeatMap) -> usize {
    let is_free = |seat: &u32| map.read(SeatIdx(*seat)).state == SeatState::Free;
    (0..map.seat_count()).filter(is_free).count()
}
