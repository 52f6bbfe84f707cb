//! Workers that ask again as soon as they were answered, until the time is over.

use super::measured::Measured;
use crate::record::Latency;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The first part of the time, whose answers do not count: connections open, caches fill.
const WARM_UP_PART: u32 = 8;

/// Longest warm-up: of what ends before its time, something shall be left.
const WARM_UP_MAX: Duration = Duration::from_millis(500);

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

/// What one worker heard.
#[derive(Default)]
struct Part {
    latency: Latency,
    other: BTreeMap<String, u64>,
    good_all: u64,
    last: Option<Instant>,
}

/// Lets all workers ask for `time`, and gives them back with what was measured.
///
/// The rate is that of what was asked after the warm-up, over the time from there to the last
/// answer: so it is right too if everything was asked before the time was over.
pub async fn run<W: Worker>(workers: Vec<W>, time: Duration) -> anyhow::Result<(Vec<W>, Measured)> {
    let begun = Instant::now();
    let counts_from = begun + (time / WARM_UP_PART).min(WARM_UP_MAX);
    let until = begun + time;
    let mut tasks = JoinSet::new();
    for worker in workers {
        tasks.spawn(work(worker, counts_from, until));
    }
    let mut all = Part::default();
    let mut back = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let (worker, part) = done??;
        all.merge(part);
        back.push(worker);
    }
    let lasted = all.last.map_or(Duration::ZERO, |last| last.duration_since(counts_from));
    let measured = Measured::new(all.latency, lasted, all.good_all, all.other);
    Ok((back, measured))
}

async fn work<W: Worker>(
    mut worker: W,
    counts_from: Instant,
    until: Instant,
) -> anyhow::Result<(W, Part)> {
    let mut part = Part::default();
    loop {
        let asked = Instant::now();
        if until <= asked {
            return Ok((worker, part));
        }
        let turn = worker.turn().await?;
        let answered = Instant::now();
        match turn {
            Turn::Answered(Ok(())) => {
                part.good_all += 1;
                if counts_from <= asked {
                    part.latency.add(answered - asked);
                    part.last = Some(answered);
                }
            }
            Turn::Answered(Err(label)) => *part.other.entry(label).or_default() += 1,
            Turn::Done => return Ok((worker, part)),
        }
    }
}

impl Part {
    fn merge(&mut self, part: Self) {
        self.latency.merge(&part.latency);
        self.good_all += part.good_all;
        self.last = self.last.max(part.last);
        for (label, count) in part.other {
            *self.other.entry(label).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Turn, Worker, run};

    /// Answers at once, the tenth time otherwise, and then no more.
    struct Ten(u32);

    impl Worker for Ten {
        async fn turn(&mut self) -> anyhow::Result<Turn> {
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.0 += 1;
            Ok(match self.0 {
                0..10 => Turn::Answered(Ok(())),
                10 => Turn::Answered(Err("409 SEAT_TAKEN".to_owned())),
                _ => Turn::Done,
            })
        }
    }

    #[tokio::test]
    async fn workers_end_when_they_have_nothing_left_to_ask() {
        let workers = vec![Ten(0), Ten(0)];
        let (back, measured) = run(workers, Duration::from_millis(16)).await.unwrap();
        assert_eq!(back.len(), 2);
        assert!(measured.good <= measured.good_all && measured.good_all <= 18, "{measured:?}");
        let (_, measured) = run(vec![Ten(9)], Duration::from_mins(1)).await.unwrap();
        assert_eq!(measured.other["409 SEAT_TAKEN"], 1);
        assert!(measured.per_second.abs() < f64::EPSILON);
    }
}
