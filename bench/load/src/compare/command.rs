//! `usher-bench compare`: all pairs, the table, and the files.

use super::pairs::{Pair, median};
use super::sides::{Rival, Turned, Usher};
use super::work::Terms;
use crate::cli::{self, Ratio};
use crate::machine;
use crate::measure::{Measured, heads};
use crate::record::Latency;
use crate::results::{Figure, Results};
use crate::sample::{Sampler, Watched};
use crate::scenario::{self, Kind, Scenario};
use crate::system::{Launch, System};
use anyhow::Context as _;
use clap::ValueEnum as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Most connections, as the goals have it.
const CONNECTIONS_MAX: u32 = 256;

/// How many pairs, how long a turn is, how many poll, and the rest before and after a turn in which
/// what was left behind is done.
struct Size {
    pairs: u32,
    turn_ms: u32,
    places: u32,
    rest: Duration,
}

/// Five pairs let the median ignore two bad ones; a turn of 4 s has some of everything that happens
/// once a second.
const WHOLE: Size = Size { pairs: 5, turn_ms: 4_000, places: 60_000, rest: Duration::from_secs(1) };

/// All six comparisons in less than a minute.
const QUICK: Size =
    Size { pairs: 2, turn_ms: 1_000, places: 20_000, rest: Duration::from_millis(200) };

/// What came of all turns.
#[derive(Default)]
struct Sums {
    /// By figure: the rates of Usher's turns, and all that was heard in them.
    figures: BTreeMap<&'static str, (Vec<f64>, Latency)>,
    ratios: BTreeMap<String, f64>,
    table: Vec<String>,
    pairs: BTreeMap<String, Value>,
}

pub async fn compare(options: &cli::Compare) -> anyhow::Result<()> {
    let (scenario, _) = scenario::find(&options.scenario, false)?;
    let size = if options.quick { QUICK } else { WHOLE };
    let terms = terms(&scenario, &size);
    let out = options.out.clone();
    let name = format!("compare-{}", scenario.name);
    let out = out.unwrap_or_else(|| PathBuf::from("bench-results").join(name));
    fs::create_dir_all(&out).with_context(|| format!("make {}", out.display()))?;
    let out = fs::canonicalize(&out)?;
    say(&format!(
        "{}: {} connections, parties of {:.2}, {} pairs of turns of {} ms; closed loop",
        scenario.name,
        terms.connections,
        terms.party_mean(),
        size.pairs,
        size.turn_ms
    ))?;
    let system = System::start(Launch::new(&out)?).await.context("start usher")?;
    let watched = Watched { data: Some(system.data.clone()), ..Watched::default() };
    let sampler = Sampler::start(watched, Instant::now())?;
    let sums = turns(options, &size, &terms, &system, &out).await;
    let seen = sampler.stop().await?;
    system.stop().await?;
    let sums = sums?;
    let mut figures = seen.figures();
    figures.extend(sums.figures());
    let results = Results {
        scenario: scenario.name.clone(),
        commit: machine::commit(),
        machine: machine::machine(),
        figures,
        ratios: sums.ratios.clone(),
        ..Results::default()
    };
    results.write(&out)?;
    write(
        &out.join("compare.json"),
        &json!({
            "load": "closed loop", "connections": terms.connections, "parties": terms.parties,
            "turnMs": size.turn_ms, "pairs": sums.pairs,
        }),
    )?;
    say("")?;
    for line in &sums.table {
        say(line)?;
    }
    say(&format!("closed loop: each connection asks again when it was answered\n{}", out.display()))
}

/// What a scenario says about how people buy.
fn terms(scenario: &Scenario, size: &Size) -> Terms {
    let buyers = scenario.people.values();
    let buyers = buyers.filter(|people| matches!(people.kind, Kind::Fan | Kind::Shopper));
    let most = buyers.max_by_key(|people| people.count);
    let parties = most.map_or_else(|| vec![1.0], |people| people.habits.parties.clone());
    Terms {
        connections: scenario.door.connections.clamp(1, CONNECTIONS_MAX),
        parties,
        turn_ms: size.turn_ms,
        places: size.places,
        rest: size.rest,
    }
}

async fn turns(
    options: &cli::Compare,
    size: &Size,
    terms: &Terms,
    system: &System,
    out: &Path,
) -> anyhow::Result<Sums> {
    let chosen = options.chosen();
    let mut sums = Sums::default();
    let mut usher = Usher::new(system)?;
    say(&heads("turn"))?;
    if chosen.iter().any(|ratio| ratio.polls()) {
        let measured = usher.join(terms).await?;
        say(&measured.line("usher: join"))?;
        sums.heard("join_per_second", &measured);
    }
    let mut standing: Option<(&str, Rival)> = None;
    for ratio in chosen {
        let (name, other) = (ratio.name(), ratio.other());
        let mut rival = match standing.take() {
            Some((before, rival)) if before == other => rival,
            before => {
                // It is ended before another is started.
                drop(before);
                let rival = Rival::start(ratio, &mut usher, terms, out).await;
                rival.with_context(|| format!("start {other}"))?
            }
        };
        let mut pairs = Vec::new();
        for number in 1..=size.pairs {
            let first = usher.turn(ratio, terms).await;
            let first = first.with_context(|| format!("usher's turn of {name}"))?;
            keep(out, &format!("{name}-{number}-a-usher"), "usher", &first)?;
            tokio::time::sleep(terms.rest).await;
            let second = rival.turn(ratio, &mut usher, terms).await;
            let second = second.with_context(|| format!("the other's turn of {name}"))?;
            keep(out, &format!("{name}-{number}-b-{other}"), other, &second)?;
            tokio::time::sleep(terms.rest).await;
            pairs.push(Pair { usher: first.per_second, other: second.per_second });
            sums.heard(ratio.figure(), &first.measured);
        }
        sums.paired(ratio, &pairs);
        standing = Some((other, rival));
    }
    Ok(sums)
}

impl Sums {
    fn heard(&mut self, figure: &'static str, measured: &Measured) {
        let (rates, latency) = self.figures.entry(figure).or_default();
        rates.push(measured.per_second);
        latency.merge(&measured.latency);
    }

    fn paired(&mut self, ratio: Ratio, pairs: &[Pair]) {
        let name = ratio.name();
        let middle = median(pairs.iter().map(|pair| pair.ratio()));
        let usher = median(pairs.iter().map(|pair| pair.usher));
        let other = median(pairs.iter().map(|pair| pair.other));
        self.ratios.insert(name.clone(), (middle * 1_000.0).round() / 1_000.0);
        let against = ratio.other();
        self.table.push(format!(
            "{name:<26}{middle:>8.2}   usher {usher:>8.0}/s   {against} {other:>8.0}/s"
        ));
        self.pairs.insert(name, json!({"median": middle, "pairs": pairs}));
    }

    fn figures(&self) -> BTreeMap<String, Figure> {
        let figure = |(name, (rates, latency)): (&&str, &(Vec<f64>, Latency))| {
            let heard = Measured { latency: latency.clone(), ..Measured::default() };
            let rate = median(rates.iter().copied());
            ((*name).to_owned(), heard.figure((rate * 10.0).round() / 10.0))
        };
        self.figures.iter().map(figure).collect()
    }
}

impl cli::Compare {
    fn chosen(&self) -> Vec<Ratio> {
        if !self.only.is_empty() {
            return self.only.clone();
        }
        let all = Ratio::value_variants().iter().copied();
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
        "note": turned.note,
    });
    write(&out.join(format!("{file}.json")), &raw)
}

fn write(path: &Path, value: &Value) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}
