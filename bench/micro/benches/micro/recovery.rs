//! How long a shard takes to come back: its checkpoint, and the outcomes of the journal behind it.

use crate::fans::{Catalogued, Desk, catalogue, couples_of_all, list, of_hold};
use crate::venue::{CLUB, HALL, Venue};
use crate::{is_measuring, say};
use allocator_core::{Limits, Shard, Snapshot};
use criterion::Criterion;
use schema::{AccountId, EventId, HoldId, Outcome, UnixMillis, Want};
use std::time::{Duration, Instant};

/// A checkpoint, and what came after it.
struct Past {
    catalogue: Vec<Catalogued>,
    snapshot: Snapshot,
    tail: Vec<(UnixMillis, Outcome)>,
}

/// The times of one recovery.
#[derive(Clone, Copy)]
struct Took {
    restore: Duration,
    tail: Duration,
}

pub fn benches(criterion: &mut Criterion) {
    let (venue, events, outcomes) =
        if is_measuring() { (HALL, 100, 200_000) } else { (CLUB, 2, 100) };
    let mut past = None;
    let mut took = Vec::new();
    let mut group = criterion.benchmark_group("recovery");
    group.sample_size(10);
    group.bench_function("1 M seats over 100 events, 200000 outcomes of tail", |bench| {
        let past = past.get_or_insert_with(|| Past::new(venue, events, outcomes));
        bench.iter_custom(|turns| {
            let first = took.len();
            took.extend((0..turns).map(|_| past.recover()));
            took[first..].iter().map(|took| took.restore + took.tail).sum()
        });
    });
    group.finish();
    took.sort_unstable_by_key(|took| took.restore + took.tail);
    if let (Some(median), Some(past)) = (took.get(took.len() / 2), past) {
        let holds: usize = past.snapshot.events.iter().map(|event| event.holds.len()).sum();
        say(&format!(
            "recovery: {} ms to restore {holds} holds of {} events, {} ms for {} outcomes of tail",
            median.restore.as_millis(),
            past.snapshot.events.len(),
            median.tail.as_millis(),
            past.tail.len()
        ));
    }
}

impl Past {
    /// Half of all seats are held by couples when the checkpoint is made. Then one half of the tail
    /// are holds of the other seats, and one half are releases of the holds before.
    fn new(venue: Venue, events: u32, outcomes: usize) -> Self {
        let catalogue = catalogue(venue, events);
        let mut desk = Desk::new(&catalogue);
        let mut wanted = couples_of_all(venue, events);
        let later = wanted.split_off(wanted.len() / 2);
        let mut held: Vec<(EventId, HoldId, AccountId)> = Vec::new();
        for (event, seats) in wanted {
            held.push(hold(&mut desk, event, seats).1);
        }
        let snapshot = desk.shard.snapshot();
        let mut tail = Vec::with_capacity(outcomes);
        for ((event, seats), (of, id, account)) in later.into_iter().zip(held).take(outcomes / 2) {
            tail.push((hold(&mut desk, event, seats).0, desk.now()));
            let release = desk.release(&of, id, account);
            tail.push((desk.decide(desk.now(), &release), desk.now()));
        }
        let tail: Vec<_> = tail.into_iter().map(|(outcome, time)| (time, outcome)).collect();
        assert!(tail.len() == outcomes);
        Self { catalogue, snapshot, tail }
    }

    fn recover(&self) -> Took {
        let snapshot = self.snapshot.clone();
        let begun = Instant::now();
        let mut shard = Shard::restore(Limits::default(), snapshot);
        list(&mut shard, &self.catalogue);
        let (restore, begun) = (begun.elapsed(), Instant::now());
        for (time, outcome) in &self.tail {
            shard.apply(*time, outcome);
        }
        Took { restore, tail: begun.elapsed() }
    }
}

fn hold(desk: &mut Desk, event: EventId, want: Want) -> (Outcome, (EventId, HoldId, AccountId)) {
    let command = desk.hold(&event, want);
    let outcome = desk.decide(desk.now(), &command);
    let (hold, account) = of_hold(&outcome);
    (outcome, (event, hold, account))
}
