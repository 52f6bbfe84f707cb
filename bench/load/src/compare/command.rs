//! `usher-bench compare`: all pairs, the table, and the files.

use super::commits::committed;
use super::fault::{fault, fault_of_idle, fault_of_polls, faults_beside};
use super::meter::Meter;
use super::outcome::{Outcome, Seen, folder, say, watched, write};
use super::pairs::Pair;
use super::sides::{Rival, Turned, Usher};
use super::sums::Sums;
use super::work::Terms;
use crate::cli::{self, Ratio};
use crate::measure::heads;
use crate::promises::judge_numbers;
use crate::scenario::{self, Kind, Scenario};
use crate::system::System;
use anyhow::Context as _;
use clap::ValueEnum as _;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

/// Most connections, as the goals have it.
const CONNECTIONS_MAX: u32 = 256;

/// Those that the goals for the latencies of joins and payments have.
const CONNECTIONS_OF_GOAL: u32 = 64;

/// How many pairs, how long a turn is, how many poll, and the rest before and after a turn in which
/// what was left behind is done.
struct Size {
    pairs: u32,
    turn_ms: u32,
    /// Of the turns that each side takes first and that do not count.
    warm_up_ms: u32,
    places: u32,
    rest: Duration,
}

/// Five pairs let the median ignore two slow ones; a turn of 4 s has some of everything that
/// happens once a second.
const WHOLE: Size = Size {
    pairs: 5,
    turn_ms: 4_000,
    warm_up_ms: 1_000,
    places: 60_000,
    rest: Duration::from_secs(1),
};

/// All six comparisons in less than a minute. A short warm-up will do: it ends with the last answer
/// to what was asked in it, so that a side that stands still at first is waited for.
const QUICK: Size = Size {
    pairs: 2,
    turn_ms: 1_000,
    warm_up_ms: 300,
    places: 20_000,
    rest: Duration::from_millis(200),
};

/// Seats that all want if a contended comparison is chosen for a scenario that says nothing of it.
const AMONG: u32 = 100;

/// `usher-bench compare`. Fails if a promise was broken, or if a turn does not count.
pub async fn compare(options: &cli::Compare) -> anyhow::Result<ExitCode> {
    let (scenario, text) = scenario::find(&options.scenario, false)?;
    let size = if options.quick { QUICK } else { WHOLE };
    let mut terms = terms(&scenario, &size);
    terms.connections = options.connections.unwrap_or(terms.connections);
    let chosen = options.chosen(&scenario);
    let out = folder(options.out.as_deref(), &format!("compare-{}", scenario.name))?;
    let says = format!(
        "{}: {} connections, parties of {:.2}, {} pairs of turns of {} ms; closed loop: each \
         connection asks again when it was answered",
        scenario.name,
        terms.connections,
        terms.party_mean(),
        size.pairs,
        size.turn_ms
    );
    say(&says)?;
    let turns = async |system: &System, others: &Mutex<BTreeMap<String, u32>>| {
        turns(&chosen, &size, &terms, system, others, &out).await
    };
    let Seen { made: sums, samples, mut checks } = watched(&out, turns).await?;
    checks.findings.extend(judge_numbers(&sums.numbers));
    write(
        &out.join("compare.json"),
        &json!({
            "load": "closed loop", "connections": terms.connections, "parties": terms.parties,
            "turnMs": size.turn_ms, "pairs": sums.pairs,
            "usherCoresWhileOthersWereAskedMax": sums.idle_cores_max,
        }),
    )?;
    let idle = format!(
        "while others were asked Usher took at most {:.1} % of a core",
        sums.idle_cores_max * 100.0
    );
    let table = [sums.table.clone(), sums.besides()].concat().join("\n");
    say(&format!("\n{table}\n{idle}"))?;
    let outcome = Outcome {
        name: scenario.name.clone(),
        text: format!("{says}\n\n{table}\n\n{idle}\n\n{text}"),
        figures: sums.figures(),
        ratios: sums.ratios.clone(),
        tally: sums.tally(),
        samples,
        checks,
        wishes: Vec::new(),
        faults: sums.faults,
    };
    outcome.finish(&out)
}

/// What a scenario says about how people buy.
fn terms(scenario: &Scenario, size: &Size) -> Terms {
    let buyers = scenario.people.values();
    let buyers = buyers.filter(|people| matches!(people.kind, Kind::Fan | Kind::Shopper));
    let most = buyers.max_by_key(|people| people.count);
    let parties = most.map_or_else(|| vec![1.0], |people| people.habits.parties.clone());
    let among = among(scenario);
    Terms {
        connections: scenario.door.connections.clamp(1, CONNECTIONS_MAX),
        parties,
        turn_ms: size.turn_ms,
        places: size.places,
        among: if among == 0 { AMONG } else { among },
        rest: size.rest,
    }
}

/// How both sides are asked before it counts: a baseline whose database was just made, and a side
/// that has not done this yet, write and look up things that they never do again.
///
/// Nothing is measured, so nothing rests.
fn warm_up(terms: &Terms, size: &Size) -> Terms {
    Terms { turn_ms: size.warm_up_ms, rest: Duration::ZERO, ..terms.clone() }
}

/// How many seats are wanted by all; 0 where people want different ones.
fn among(scenario: &Scenario) -> u32 {
    scenario.people.values().map(|people| people.habits.among).max().unwrap_or(0)
}

async fn turns(
    chosen: &[Ratio],
    size: &Size,
    terms: &Terms,
    system: &System,
    others: &Mutex<BTreeMap<String, u32>>,
    out: &Path,
) -> anyhow::Result<Sums> {
    let mut sums = Sums::default();
    let mut usher = Usher::new(system)?;
    say(&heads("turn"))?;
    if chosen.iter().any(|ratio| ratio.polls()) {
        let measured = usher.join(terms).await?;
        say(&measured.line("usher: join"))?;
        sums.counts("usher: join", fault(&measured));
        if !chosen.contains(&Ratio::JoinVsBarePost) {
            sums.heard("join_per_second", &measured);
        }
    }
    let mut standing: Option<(Ratio, Rival)> = None;
    for ratio in chosen.iter().copied() {
        let other = ratio.other();
        let mut rival = match standing.take() {
            Some((before, rival)) if rival.serves(before, ratio) => rival,
            before => {
                // It is ended before another is started.
                drop(before);
                let rival = Rival::start(ratio, &mut usher, terms, out).await;
                let rival = rival.with_context(|| format!("start {other}"))?;
                let mut others = others.lock().expect("nobody panics with the names in hand");
                others.extend(rival.process_id().map(|id| (other.to_owned(), id)));
                rival
            }
        };
        let (mut pairs, mut all_count) = (Vec::new(), true);
        let warm_up = warm_up(terms, size);
        let turn = PairOfTurns { ratio, number: 0, terms: &warm_up, out, data: &system.data };
        turn.ask(&mut usher, &mut rival).await?;
        for number in 1..=size.pairs {
            let turn = PairOfTurns { number, terms, ..turn };
            let (pair, both_count) = turn.take(&mut usher, &mut rival, &mut sums).await?;
            pairs.push(pair);
            all_count &= both_count;
        }
        all_count &= are_steady(ratio, &pairs, &mut sums);
        all_count &= sums.counts(&ratio.name(), fault_of_idle(&pairs));
        if all_count {
            sums.paired(ratio, &pairs);
        } else {
            sums.spoiled(ratio, &pairs);
        }
        besides(ratio, size, terms, &mut usher, &mut sums, out).await?;
        standing = Some((ratio, rival));
    }
    sums.numbers = usher.numbers().to_vec();
    Ok(sums)
}

/// Turns of Usher alone, for what a goal says besides the ratio.
async fn besides(
    ratio: Ratio,
    size: &Size,
    terms: &Terms,
    usher: &mut Usher,
    sums: &mut Sums,
    out: &Path,
) -> anyhow::Result<()> {
    let Some(figure) = ratio.figure_of_goal() else { return Ok(()) };
    let of_goal = Terms { connections: CONNECTIONS_OF_GOAL, ..terms.clone() };
    for number in 1..=size.pairs {
        let turned = usher.turn(ratio, &of_goal).await.context("usher's turn at 64")?;
        let file = file(ratio, number, "a-usher-at-64");
        keep(out, &file, "usher", &turned)?;
        sums.counts(&file, fault(&turned.measured));
        sums.heard(figure, &turned.measured);
        tokio::time::sleep(terms.rest).await;
    }
    if ratio == Ratio::ConfirmVsConventional {
        let turned = committed(usher, terms).await.context("commits of a turn")?;
        let file = format!("{}-commits-a-usher", ratio.name());
        keep(out, &file, "usher", &turned)?;
        sums.counts(&file, fault(&turned.measured));
        sums.count(&turned.counted);
    }
    Ok(())
}

/// Whether the turns of each side are like each other; notes those that are not.
fn are_steady(ratio: Ratio, pairs: &[Pair], sums: &mut Sums) -> bool {
    let usher: Vec<f64> = pairs.iter().map(|pair| pair.usher).collect();
    let other: Vec<f64> = pairs.iter().map(|pair| pair.other).collect();
    let [first, second] = sides(ratio);
    let mut all_count = true;
    for (side, rates) in [(first, usher), (second, other)] {
        for (number, fault) in (1..).zip(faults_beside(&rates)) {
            all_count &= sums.counts(&file(ratio, number, &side), fault);
        }
    }
    all_count
}

/// The names of both in files.
fn sides(ratio: Ratio) -> [String; 2] {
    ["a-usher".to_owned(), format!("b-{}", ratio.other())]
}

fn file(ratio: Ratio, number: u32, side: &str) -> String {
    format!("{}-{number}-{side}", ratio.name())
}

/// One turn of Usher and one of what stands against it.
struct PairOfTurns<'a> {
    ratio: Ratio,
    /// 0 for those that do not count.
    number: u32,
    terms: &'a Terms,
    out: &'a Path,
    /// Of the system, to see its processes.
    data: &'a Path,
}

impl PairOfTurns<'_> {
    /// Takes both, and says whether they count.
    async fn take(
        &self,
        usher: &mut Usher,
        rival: &mut Rival,
        sums: &mut Sums,
    ) -> anyhow::Result<(Pair, bool)> {
        let [first, second] = self.ask(usher, rival).await?;
        sums.heard(self.ratio.figure(), &first.measured);
        sums.count(&first.counted);
        let usher_cores = sums.idled(&second);
        let fault = if self.ratio.polls() { fault_of_polls } else { fault };
        let [first_file, second_file] = self.files();
        let first_counts = sums.counts(&first_file, fault(&first.measured));
        let second_counts = sums.counts(&second_file, fault(&second.measured));
        let pair = Pair { usher: first.per_second, other: second.per_second, usher_cores };
        Ok((pair, first_counts && second_counts))
    }

    /// Asks both, one after the other, and keeps what came.
    async fn ask(&self, usher: &mut Usher, rival: &mut Rival) -> anyhow::Result<[Turned; 2]> {
        let (name, [first_file, second_file]) = (self.ratio.name(), self.files());
        let meter = Meter::start(self.data);
        let first = usher.turn(self.ratio, self.terms).await;
        let mut first = first.with_context(|| format!("usher's turn of {name}"))?;
        (first.lasted, first.usher_cpu) = meter.read();
        keep(self.out, &first_file, "usher", &first)?;
        tokio::time::sleep(self.terms.rest).await;
        let meter = Meter::start(self.data);
        let second = rival.turn(self.ratio, usher, self.terms).await;
        let mut second = second.with_context(|| format!("the other's turn of {name}"))?;
        (second.lasted, second.usher_cpu) = meter.read();
        keep(self.out, &second_file, self.ratio.other(), &second)?;
        tokio::time::sleep(self.terms.rest).await;
        Ok([first, second])
    }

    fn files(&self) -> [String; 2] {
        sides(self.ratio).map(|side| file(self.ratio, self.number, &side))
    }
}

impl cli::Compare {
    fn chosen(&self, scenario: &Scenario) -> Vec<Ratio> {
        if !self.only.is_empty() {
            return self.only.clone();
        }
        let contended = among(scenario) != 0;
        let all = Ratio::value_variants().iter().copied();
        let all = all.filter(|ratio| contended || !ratio.is_contended());
        all.filter(|ratio| !self.quick || !ratio.is_extra()).collect()
    }
}

/// Shows a turn, and keeps its raw output.
fn keep(out: &Path, file: &str, who: &str, turned: &Turned) -> anyhow::Result<()> {
    let mut line = turned.measured.line(file);
    if !turned.note.is_null() {
        line.push_str(&turned.note.to_string());
    }
    say(&line)?;
    let raw = json!({
        "who": who, "perSecond": turned.per_second, "heard": turned.measured.json(),
        "note": turned.note, "lastedSeconds": turned.lasted.as_secs_f64(),
        "usherCpuSeconds": turned.usher_cpu,
    });
    write(&out.join(format!("{file}.json")), &raw)
}

#[cfg(test)]
mod tests {
    use super::{Pair, QUICK, Sums, WHOLE, are_steady, terms, warm_up};
    use crate::cli::{Compare, Ratio};
    use crate::scenario::{self, Scenario};

    fn known(name: &str) -> Scenario {
        scenario::find(name, false).unwrap().0
    }

    fn chosen(scenario: &Scenario, quick: bool) -> Vec<Ratio> {
        let options = Compare {
            scenario: scenario.name.clone(),
            only: Vec::new(),
            connections: None,
            out: None,
            quick,
        };
        options.chosen(scenario)
    }

    #[test]
    fn a_flash_sale_is_compared_over_256_connections() {
        let flash_sale = known("flash-sale");
        for size in [WHOLE, QUICK] {
            assert_eq!(terms(&flash_sale, &size).connections, 256);
        }
        assert!(chosen(&flash_sale, false).iter().all(|ratio| !ratio.is_contended()));
        assert_eq!(chosen(&flash_sale, true).len(), 6);
    }

    #[test]
    fn who_want_the_same_seats_are_compared_by_a_pair_of_their_own() {
        let hot_seat = known("hot-seat");
        assert_eq!(terms(&hot_seat, &WHOLE).among, 100);
        let contended = |quick| {
            let chosen = chosen(&hot_seat, quick).into_iter();
            chosen.filter(|ratio| ratio.is_contended()).count()
        };
        assert_eq!((contended(false), contended(true)), (2, 1));
    }

    #[test]
    fn what_does_not_count_is_shorter_and_asks_the_same() {
        let flash_sale = known("flash-sale");
        for size in [WHOLE, QUICK] {
            let (terms, warm_up) =
                (terms(&flash_sale, &size), warm_up(&terms(&flash_sale, &size), &size));
            assert!(0 < warm_up.turn_ms && warm_up.turn_ms < terms.turn_ms);
            assert_eq!((warm_up.connections, warm_up.parties), (terms.connections, terms.parties));
        }
    }

    #[test]
    fn a_turn_of_a_side_that_stood_still_spoils_its_comparison() {
        let mut sums = Sums::default();
        let pairs = [(5_198.0, 56.2), (5_040.0, 1_343.0)];
        let pairs = pairs.map(|(usher, other)| Pair { usher, other, usher_cores: 0.0 });
        assert!(!are_steady(Ratio::ReserveVsConventional, &pairs, &mut sums));
        let said = &sums.faults[0];
        assert!(said.starts_with("reserve_vs_conventional-1-b-conventional: 56/s"), "{said}");
        assert_eq!(sums.faults.len(), 2, "nobody knows which of two is the wrong one");
        let like = [pairs[1]; 2];
        assert!(are_steady(Ratio::ReserveVsConventional, &like, &mut sums));
    }
}
