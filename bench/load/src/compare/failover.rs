//! `usher-bench failover`: how long a shard's buyers wait when its owner is killed, and what they
//! notice when it moves by plan.
//!
//! A system of our own has a second allocator beside it, which comes, ends when it is asked to,
//! comes again and is killed, in each round. Buyers ask the system's gateway all the time.

use super::lanes::{Heard, Hold, Lanes};
use super::outcome::{Outcome, Seen, folder, say, watched, write};
use crate::cli;
use crate::measure::{Houses, Stock};
use crate::promises::Checks;
use crate::record::{Latency, Tally};
use crate::results::{Figure, Finding, Kept, Met, Wish};
use crate::sample::Samples;
use crate::system::{Neighbour, System};
use anyhow::ensure;
use schema::Shards;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Seats of each shard's event: enough for an hour of its buyers.
const EVENT_SEATS: u32 = 160_000;

const ACCOUNTS: u32 = 16;

/// How long a move of shards may take: a start of a process, and the time in which it settles.
const MOVE_MAX: Duration = Duration::from_mins(1);

const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// Before a step, and after it, so that what it causes is seen in its own window.
const CALM: Duration = Duration::from_secs(1);

/// What is wished for: from the kill to the first answer of each of its shards.
const FAILOVER_MAX: Duration = Duration::from_secs(2);

/// What the rounds have shown.
#[derive(Debug, Default)]
struct Shown {
    /// From each kill to the first answer to what was asked after it, by shard.
    failovers: Latency,
    /// The longest time without an answer of any shard, of each planned move.
    gaps: Latency,
    /// What buyers heard other than answers while shards moved by plan.
    failures: Vec<String>,
    /// The same around kills, which is allowed.
    told_around_kills: usize,
    /// What was answered otherwise when it was asked again, and seats that two were given.
    different: Vec<String>,
    twice: Vec<String>,
    repeated: usize,
    held: usize,
    rounds: Vec<serde_json::Value>,
}

/// `usher-bench failover`. Fails if an answer was not kept, or if a planned move was noticed.
pub async fn failover(options: &cli::Failover) -> anyhow::Result<ExitCode> {
    let out = folder(options.out.as_deref(), "failover")?;
    let rounds = options.rounds.max(1);
    let Seen { made, samples, checks } =
        watched(&out, async |system, _| play(system, rounds, &out).await).await?;
    write(&out.join("failover.json"), &json!({"rounds": made.rounds}))?;
    made.outcome(rounds, samples, checks).finish(&out)
}

async fn play(system: &System, rounds: u32, out: &Path) -> anyhow::Result<Shown> {
    let houses = Houses::of_size(EVENT_SEATS, EVENT_SEATS)?;
    let stock = Stock::make(&system.door, system.bench_door, houses, ACCOUNTS).await?;
    let mut lanes = Lanes::start(&system.door, stock)?;
    let mut shown = Shown::default();
    let mut around_kills = Vec::new();
    for round in 1..=rounds {
        let (neighbour, comes) = come(system, out, &mut lanes, &mut shown).await?;
        let left = Instant::now();
        neighbour.end().await?;
        sleep(2 * CALM).await;
        let leaves = shown.moved(&lanes.since(left));
        let (mut neighbour, again) = come(system, out, &mut lanes, &mut shown).await?;
        let shards = neighbour.owned().await?;
        let killed = Instant::now();
        neighbour.kill()?;
        let served = serves(&mut lanes, &shards, killed).await?;
        let took: Vec<Duration> = served.iter().map(|at| *at - killed).collect();
        for took in &took {
            shown.failovers.add(*took);
        }
        sleep(CALM).await;
        let heard = lanes.since(killed - CALM);
        shown.told_around_kills += heard.iter().filter(|heard| heard.hold.is_none()).count();
        around_kills.extend(heard.into_iter().filter_map(|heard| heard.hold));
        let ms = |took: &Duration| took.as_secs_f64() * 1e3;
        let took: Vec<f64> = took.iter().map(ms).collect();
        say(&format!(
            "round {round}: longest gap {:.0} ms when it came, {:.0} ms when it left, {:.0} ms \
             when it came again; shards {shards:?} served {took:.0?} ms after kill -9",
            ms(&comes),
            ms(&leaves),
            ms(&again),
        ))?;
        shown.rounds.push(json!({
            "comesGapMs": ms(&comes), "leavesGapMs": ms(&leaves), "comesAgainGapMs": ms(&again),
            "killedShards": shards, "servedAfterMs": took,
        }));
    }
    let heard = lanes.end().await?;
    shown.look_for_seats_given_twice(&heard);
    shown.repeated = around_kills.len();
    shown.different = lanes.repeat(&around_kills).await?;
    Ok(shown)
}

/// Lets the neighbour come and get its share; returns the longest gap that this made.
async fn come(
    system: &System,
    out: &Path,
    lanes: &mut Lanes,
    shown: &mut Shown,
) -> anyhow::Result<(Neighbour, Duration)> {
    sleep(CALM).await;
    let begun = Instant::now();
    let mut neighbour = Neighbour::start(system, out)?;
    while neighbour.owned().await?.len() < Shards::default().count() / 2 {
        lanes.still_buy()?;
        ensure!(begun.elapsed() < MOVE_MAX, "the neighbour got no share");
        sleep(LOOK_PAUSE).await;
    }
    sleep(CALM).await;
    let gap = shown.moved(&lanes.since(begun));
    Ok((neighbour, gap))
}

/// Waits until each of `shards` has answered something that was asked after `killed`.
async fn serves(
    lanes: &mut Lanes,
    shards: &BTreeSet<u8>,
    killed: Instant,
) -> anyhow::Result<Vec<Instant>> {
    loop {
        if let Some(served) = lanes.served(shards, killed) {
            return Ok(served);
        }
        lanes.still_buy()?;
        ensure!(killed.elapsed() < MOVE_MAX, "nobody has taken over");
        sleep(LOOK_PAUSE).await;
    }
}

impl Shown {
    /// Takes a planned move into account; returns the longest time in which a shard answered
    /// nobody.
    fn moved(&mut self, heard: &[Heard]) -> Duration {
        let failures = heard.iter().filter(|heard| heard.hold.is_none());
        self.failures.extend(failures.map(|heard| heard.failure.clone()));
        let gap = longest_gap(heard);
        self.gaps.add(gap);
        gap
    }

    /// Holds live longer than a run, so no seat is free again.
    fn look_for_seats_given_twice(&mut self, heard: &[Heard]) {
        let mut owners: BTreeMap<(&str, &str), &Hold> = BTreeMap::new();
        for hold in heard.iter().filter_map(|heard| heard.hold.as_ref()) {
            self.held += 1;
            for seat in &hold.seats {
                if let Some(before) = owners.insert((&hold.event, seat), hold)
                    && before.key != hold.key
                {
                    self.twice.push(format!("{seat} of {}", hold.event));
                }
            }
        }
    }

    fn outcome(self, rounds: u32, samples: Samples, mut checks: Checks) -> Outcome {
        let kept = |broken: &[String]| if broken.is_empty() { Kept::Held } else { Kept::Broken };
        let same = Finding {
            promise: "CMD-1",
            kept: kept(&self.different),
            says: format!(
                "{} of {} answers around kills were others when asked again {}",
                self.different.len(),
                self.repeated,
                first(&self.different),
            ),
        };
        let once = Finding {
            promise: "SEAT-1",
            kept: kept(&self.twice),
            says: format!(
                "{} seats of {} holds given twice {}",
                self.twice.len(),
                self.held,
                first(&self.twice)
            ),
        };
        add(&mut checks, same);
        add(&mut checks, once);
        let longest = self.failovers.max();
        let met = if longest < FAILOVER_MAX { Met::Met } else { Met::Missed };
        let says = format!("served within {longest:?} of kill -9, {FAILOVER_MAX:?} wished for");
        let faults = self.failures.iter().map(|failure| format!("in a planned move: {failure}"));
        Outcome {
            name: "failover".to_owned(),
            text: format!("{rounds} rounds: an allocator comes, ends, comes again, is killed"),
            figures: self.figures(),
            ratios: BTreeMap::new(),
            tally: Tally::default(),
            samples,
            wishes: vec![Wish { name: "failover_max".to_owned(), met, says }],
            faults: faults.take(FAULTS_SHOWN).collect(),
            checks,
        }
    }

    fn figures(&self) -> BTreeMap<String, Figure> {
        let plain = |value: f64, unit: &str| Figure {
            value,
            unit: unit.to_owned(),
            p50: None,
            p99: None,
            p999: None,
        };
        let ms = |time: Duration| plain(time.as_secs_f64() * 1e3, "ms");
        let count =
            |count: usize| plain(f64::from(u32::try_from(count).unwrap_or(u32::MAX)), "answers");
        let figures = [
            ("failover_ms", ms(self.failovers.at(0.5))),
            ("failover_max_ms", ms(self.failovers.max())),
            ("failover_told_later", count(self.told_around_kills)),
            ("handover_gap_ms", ms(self.gaps.at(0.5))),
            ("handover_gap_max_ms", ms(self.gaps.max())),
            ("handover_failures", count(self.failures.len())),
        ];
        figures.map(|(name, figure)| (name.to_owned(), figure)).into()
    }
}

/// Adds what was found; the audit may have found something of the same promise.
fn add(checks: &mut Checks, more: Finding) {
    match checks.findings.iter_mut().find(|finding| finding.promise == more.promise) {
        Some(finding) => {
            if more.kept == Kept::Broken {
                finding.kept = Kept::Broken;
            }
            finding.says = format!("{}; {}", finding.says, more.says);
        }
        None => checks.findings.push(more),
    }
}

/// Failures that are shown one by one.
const FAULTS_SHOWN: usize = 8;

fn first(some: &[String]) -> &str {
    some.first().map_or("", String::as_str)
}

/// The longest time between two answers of a shard that followed each other.
fn longest_gap(heard: &[Heard]) -> Duration {
    let mut answers: BTreeMap<u8, Vec<Instant>> = BTreeMap::new();
    for heard in heard.iter().filter(|heard| heard.hold.is_some()) {
        answers.entry(heard.shard).or_default().push(heard.at);
    }
    let gaps = answers.into_values().filter_map(|mut answers| {
        answers.sort_unstable();
        answers.windows(2).map(|pair| pair[1] - pair[0]).max()
    });
    gaps.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Heard, Hold, Shown, longest_gap};
    use std::time::Duration;
    use tokio::time::Instant;

    fn heard(shard: u8, at: Instant, key: &str, seat: &str) -> Heard {
        let hold = Hold {
            event: format!("E{shard}").into(),
            key: key.to_owned(),
            account: 0,
            reservation: key.to_owned(),
            seats: vec![seat.to_owned()],
        };
        Heard { shard, sent: at, at, hold: Some(hold), failure: String::new() }
    }

    #[test]
    fn a_gap_is_one_shards_and_ends_with_an_answer() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut all = vec![
            heard(0, at(0), "a", "1"),
            heard(1, at(100), "b", "1"),
            heard(0, at(300), "c", "2"),
            heard(1, at(150), "d", "2"),
        ];
        assert_eq!(longest_gap(&all), Duration::from_millis(300));
        let failed = Heard { hold: None, failure: "503".to_owned(), ..all[0].clone() };
        all.push(Heard { at: at(10_000), ..failed });
        let mut shown = Shown::default();
        assert_eq!(shown.moved(&all), Duration::from_millis(300));
        assert_eq!(shown.failures, ["503"]);
    }

    #[test]
    fn a_seat_that_two_keys_were_given_is_found() {
        let now = Instant::now();
        let mut shown = Shown::default();
        let same = heard(0, now, "a", "1");
        shown.look_for_seats_given_twice(&[same.clone(), same, heard(1, now, "b", "1")]);
        assert!(shown.twice.is_empty());
        let all = [heard(0, now, "a", "1"), heard(0, now, "b", "1")];
        shown.look_for_seats_given_twice(&all);
        assert_eq!(shown.twice, ["1 of E0"]);
    }
}
