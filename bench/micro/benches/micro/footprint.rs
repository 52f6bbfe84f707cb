//! What a seat costs in memory: many events in one process, each with a plan of its own, and their
//! shard twice, as owner and as replica.

use crate::fans::{Desk, catalogue, event, list};
use crate::venue::{CLUB, STADIUM_60, Venue};
use crate::{is_measuring, say};
use allocator_core::{Limits, Shard};
use criterion::Criterion;
use schema::{SeatIdx, Want};
use std::time::{Duration, Instant};

/// Words of 8 bytes in a page of memory.
const SEATS_OF_PAGE: usize = 512;

pub fn benches(criterion: &mut Criterion) {
    let (venue, events) = if is_measuring() { (STADIUM_60, 100) } else { (CLUB, 2) };
    let mut bytes_max = 0;
    let mut group = criterion.benchmark_group("footprint");
    group.sample_size(10);
    group.bench_function("list 100 events of 60000 seats and hold 2 of each 512", |bench| {
        bench.iter_custom(|turns| {
            let mut spent = Duration::ZERO;
            for _ in 0..turns {
                let (bytes, took) = load_and_serve(venue, events);
                bytes_max = bytes_max.max(bytes);
                spent += took;
            }
            spent
        });
    });
    group.finish();
    if 0 < bytes_max {
        let seats = u64::from(events) * u64::from(venue.seat_count());
        let hundredths = bytes_max * 100 / seats;
        say(&format!(
            "footprint: {bytes_max} bytes for {seats} seats of {events} events, owner and replica, \
             plans and tables included: {}.{:02} bytes a seat",
            hundredths / 100,
            hundredths % 100
        ));
    }
}

/// The memory that the process has more at the end, and the time that it took. What the allocator
/// has kept from an earlier round is not counted again, so the first round has the most.
fn load_and_serve(venue: Venue, events: u32) -> (u64, Duration) {
    let before = resident_bytes();
    let begun = Instant::now();
    let catalogue = catalogue(venue, events);
    let mut desk = Desk::new(&catalogue);
    for number in 0..events {
        // Each page of the seats is there only when something of it was written.
        for first in (0..venue.seat_count()).step_by(SEATS_OF_PAGE) {
            let seats = vec![SeatIdx(first), SeatIdx(first + 1)];
            let command = desk.hold(&event(number), Want::Seats(seats));
            desk.decide(desk.now(), &command);
        }
    }
    let mut replica = Shard::restore(Limits::default(), desk.shard.snapshot());
    list(&mut replica, &catalogue);
    let took = begun.elapsed();
    let bytes = resident_bytes().saturating_sub(before);
    drop((desk, replica, catalogue));
    (bytes, took)
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("it runs on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).expect("Linux tells it");
    kib.trim().parse::<u64>().expect("a number") * 1_024
}
