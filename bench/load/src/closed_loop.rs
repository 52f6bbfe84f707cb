//! Workers that ask again as soon as they were answered, until the time is over.

use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What a worker made of one turn.
pub enum Turn {
    /// It was answered, with this label if not as wished.
    Answered(Result<(), String>),
    /// There is nothing left to ask.
    Done,
}

/// One who asks.
pub trait Worker: Send + 'static {
    fn turn(&mut self) -> impl Future<Output = anyhow::Result<Turn>> + Send;
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// Answers as wished.
    pub good: u64,
    pub per_second: u64,
    pub p50_us: u64,
    pub p99_us: u64,
    pub max_us: u64,
    /// Other answers, by status or code.
    pub other: BTreeMap<String, u64>,
}

#[derive(Default)]
struct Tally {
    latencies_us: Vec<u64>,
    other: BTreeMap<String, u64>,
}

/// Lets all workers ask for `time`, and gives them back with what was measured.
pub async fn run<W: Worker>(workers: Vec<W>, time: Duration) -> anyhow::Result<(Vec<W>, Measured)> {
    let begun = Instant::now();
    let until = begun + time;
    let mut tasks = JoinSet::new();
    for worker in workers {
        tasks.spawn(work(worker, until));
    }
    let mut all = Tally::default();
    let mut back = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let (worker, tally) = done??;
        all.latencies_us.extend(tally.latencies_us);
        for (label, count) in tally.other {
            *all.other.entry(label).or_default() += count;
        }
        back.push(worker);
    }
    Ok((back, all.measured(begun.elapsed())))
}

async fn work<W: Worker>(mut worker: W, until: Instant) -> anyhow::Result<(W, Tally)> {
    let mut tally = Tally::default();
    loop {
        let asked = Instant::now();
        if until <= asked {
            return Ok((worker, tally));
        }
        match worker.turn().await? {
            Turn::Answered(Ok(())) => tally.latencies_us.push(micros(asked.elapsed())),
            Turn::Answered(Err(label)) => *tally.other.entry(label).or_default() += 1,
            Turn::Done => return Ok((worker, tally)),
        }
    }
}

impl Tally {
    fn measured(mut self, time: Duration) -> Measured {
        self.latencies_us.sort_unstable();
        let good = u64::try_from(self.latencies_us.len()).expect("usize has at most 64 bits");
        let at = |per_cent: usize| {
            let last = self.latencies_us.len().saturating_sub(1);
            self.latencies_us.get(last * per_cent / 100).copied().unwrap_or_default()
        };
        let (p50_us, p99_us, max_us) = (at(50), at(99), at(100));
        let per_second = good * 1_000_000 / micros(time).max(1);
        Measured { good, per_second, p50_us, p99_us, max_us, other: self.other }
    }
}

pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).expect("no measurement lasts for centuries")
}

#[cfg(test)]
mod tests {
    use super::{Duration, Tally};

    #[test]
    fn percentiles_are_those_of_the_sorted_answers() {
        let latencies_us = (1..=100).rev().collect();
        let tally = Tally { latencies_us, ..Tally::default() };
        let measured = tally.measured(Duration::from_secs(2));
        assert_eq!((measured.p50_us, measured.p99_us, measured.max_us), (50, 99, 100));
        assert_eq!((measured.good, measured.per_second), (100, 50));
        let nothing = Tally::default().measured(Duration::from_secs(1));
        assert_eq!((nothing.good, nothing.max_us), (0, 0));
    }
}
