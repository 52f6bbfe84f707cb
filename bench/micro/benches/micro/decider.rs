//! The decider's step: commands of fans with ids, passes and limits, each decided and remembered.

use crate::fans::{Desk, catalogue, event, of_hold};
use crate::is_measuring;
use crate::venue::{ARENA, scattered_couples};
use allocator_core::Limits;
use criterion::{Criterion, Throughput};
use schema::{BestAvailable, Command, EventId, Outcome, Want};
use std::hint::black_box;
use std::time::{Duration, Instant};

const PARTY: u8 = 4;

/// Commands come a few hundred at a time and are decided soon: more of them, made before the clock
/// starts, would measure how fast they are read from memory.
const BATCH: usize = 256;

/// How long the two halves of a sale took.
#[derive(Default)]
struct Spent {
    holds: Duration,
    releases: Duration,
}

pub fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decider");
    group.throughput(Throughput::Elements(1));
    let mut sale = None;
    let couples = scattered_couples(ARENA.seat_count());
    let by_name: Vec<Want> = couples.iter().map(|couple| Want::Seats(couple.to_vec())).collect();
    group.bench_function("hold 2 by name", |bench| {
        let sale = sale.get_or_insert_with(Sale::new);
        bench.iter_custom(|turns| sale.turns(turns, &by_name).holds);
    });
    group.bench_function("release 2", |bench| {
        let sale = sale.get_or_insert_with(Sale::new);
        bench.iter_custom(|turns| sale.turns(turns, &by_name).releases);
    });
    let best =
        BestAvailable { quantity: PARTY, section: None, price_level: None, accessible: false };
    // Up to nine tenths of the house.
    let parties = usize::try_from(ARENA.seat_count() / u32::from(PARTY)).expect("a small count");
    let at_their_best = vec![Want::BestAvailable(best); parties * 9 / 10];
    group.bench_function("hold the best 4", |bench| {
        let sale = sale.get_or_insert_with(Sale::new);
        bench.iter_custom(|turns| sale.turns(turns, &at_their_best).holds);
    });
    group.finish();
}

/// The arena, sold and given back again and again.
struct Sale {
    desk: Desk,
    event: EventId,
}

impl Sale {
    /// The memory of answers is full, as after a quarter of an hour of a sale.
    fn new() -> Self {
        let mut sale = Self { desk: Desk::new(&catalogue(ARENA, 1)), event: event(0) };
        if is_measuring() {
            let couples = scattered_couples(ARENA.seat_count());
            let wants: Vec<Want> = couples.iter().map(|two| Want::Seats(two.to_vec())).collect();
            sale.turns(u64::from(Limits::default().answers_max / 2), &wants);
        }
        sale
    }

    /// That many holds, and their releases whenever all places are gone.
    fn turns(&mut self, turns: u64, wants: &[Want]) -> Spent {
        let mut spent = Spent::default();
        let mut left = turns;
        while 0 < left {
            let round = usize::try_from(left).map_or(wants.len(), |left| left.min(wants.len()));
            let mut held = Vec::with_capacity(round);
            for wants in wants[..round].chunks(BATCH) {
                let ask = |want: &Want| self.desk.hold(&self.event, want.clone());
                let holds: Vec<Command> = wants.iter().map(ask).collect();
                spent.holds += self.decide(&holds, |outcome| held.push(of_hold(outcome)));
            }
            for held in held.chunks(BATCH) {
                let release = |&(hold, account)| self.desk.release(&self.event, hold, account);
                let releases: Vec<Command> = held.iter().map(release).collect();
                spent.releases += self.decide(&releases, |outcome| {
                    black_box(outcome);
                });
            }
            left -= u64::try_from(round).expect("usize has at most 64 bits");
        }
        spent
    }

    fn decide(&mut self, commands: &[Command], mut tell: impl FnMut(&Outcome)) -> Duration {
        let now = self.desk.now();
        let begun = Instant::now();
        for command in commands {
            tell(&self.desk.decide(now, command));
        }
        begun.elapsed()
    }
}
