//! Workers that ask again as soon as they were answered, until the time is over.

use super::measured::{Measured, rate};
use crate::record::Latency;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

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

    /// Waits until it is time for the next turn: at once, unless somebody has a pace.
    fn pause(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// What one worker heard.
#[derive(Default)]
struct Part {
    latency: Latency,
    other: BTreeMap<String, u64>,
    good_all: u64,
    /// Of those, how many came between the warm-up and the end of the time, and the last one.
    good_in_time: u64,
    last: Option<Instant>,
}

/// Lets all workers ask for `time`, and gives them back with what was measured.
///
/// The rate is that of the answers that came between the warm-up and the end of the time, whenever
/// they were asked for: what is cut off at the end is made up for at the beginning, however slow
/// the answers are. If everything was asked before, the time ends with the last answer. Latencies
/// are of all that was asked after the warm-up.
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
    let end = all.last.map_or(counts_from, |last| last.clamp(counts_from, until));
    let per_second = rate(all.good_in_time, end - counts_from);
    let measured = Measured::new(all.latency, per_second, all.good_all, all.other);
    Ok((back, measured))
}

async fn work<W: Worker>(
    mut worker: W,
    counts_from: Instant,
    until: Instant,
) -> anyhow::Result<(W, Part)> {
    let mut part = Part::default();
    loop {
        worker.pause().await;
        let asked = Instant::now();
        if until <= asked {
            return Ok((worker, part));
        }
        let turn = worker.turn().await?;
        let answered = Instant::now();
        match turn {
            Turn::Answered(Ok(())) => {
                part.good_all += 1;
                part.good_in_time += u64::from((counts_from..=until).contains(&answered));
                part.last = Some(answered);
                if counts_from <= asked {
                    part.latency.add(answered - asked);
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
        self.good_in_time += part.good_in_time;
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

    /// Is answered after a time that never changes.
    struct Steady(Duration);

    impl Worker for Steady {
        async fn turn(&mut self) -> anyhow::Result<Turn> {
            tokio::time::sleep(self.0).await;
            Ok(Turn::Answered(Ok(())))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_side_loses_nothing_at_the_ends_of_a_turn() {
        let per_second = async |latency_ms| {
            let workers = vec![Steady(Duration::from_millis(latency_ms))];
            run(workers, Duration::from_secs(4)).await.unwrap().1.per_second
        };
        // Half a second is the warm-up's: of the 3.5 s every answer counts, also of the slow one.
        assert!((per_second(10).await - 100.0).abs() < 0.5);
        assert!((per_second(350).await - 1.0 / 0.35).abs() < 0.01);
    }

    /// Is answered at once, and asks ten times a second.
    struct Paced(tokio::time::Interval);

    impl Worker for Paced {
        async fn turn(&mut self) -> anyhow::Result<Turn> {
            Ok(Turn::Answered(Ok(())))
        }

        async fn pause(&mut self) {
            self.0.tick().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_a_pace_asks_no_faster_and_its_pauses_are_no_latency() {
        let paced = Paced(tokio::time::interval(Duration::from_millis(100)));
        let (_, measured) = run(vec![paced], Duration::from_secs(4)).await.unwrap();
        assert!((measured.per_second - 10.0).abs() < 0.5, "{measured:?}");
        assert!(measured.latency.max() < Duration::from_millis(1));
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
