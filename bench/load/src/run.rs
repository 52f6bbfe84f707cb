//! `usher-bench run`: plays a scenario, checks what was promised, and writes what came of it.

mod expect;
mod figures;

use crate::cli;
use crate::engine::{self, Board, Play, Played, World};
use crate::machine;
use crate::prepare::prepare;
use crate::promises::{self, Checked, Forged};
use crate::report::{self, Progress, Report, Standing};
use crate::results::{Finding, Kept, Results};
use crate::sample::{Live, Sampler, Samples, Watched};
use crate::scenario::{self, Kind, Scenario};
use crate::system::{Launch, System, interrupted};
use crate::wire::Door;
use anyhow::{Context as _, bail};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

/// How often the line on the terminal is written.
const SHOW: Duration = Duration::from_secs(1);

/// Where and what a run looks at.
struct Target {
    door: Door,
    data: Option<PathBuf>,
    metrics: Option<String>,
    bench_door: bool,
    /// How long it took to be ready, if it was started for the run.
    ready_after: Option<Duration>,
    /// Our own; ended with the run.
    system: Option<System>,
}

/// What was seen of a run.
struct Seen {
    played: Played,
    samples: Samples,
    findings: Vec<Finding>,
}

/// `usher-bench list`.
pub fn list() -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    for listed in scenario::list()? {
        writeln!(out, "{:<12} {}", listed.name, listed.about)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `usher-bench run`. Fails if a promise was broken.
pub async fn run(options: &cli::Run) -> anyhow::Result<ExitCode> {
    let (scenario, text) = scenario::find(&options.scenario, options.quick)?;
    let folder = options.out.clone();
    let folder = folder.unwrap_or_else(|| PathBuf::from("bench-results").join(&scenario.name));
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let mut target = Target::find(options, &folder).await?;
    target.door.sources = scenario.door.sources;
    target.door.reuse_max = scenario.door.reuse_max;
    let seen = play(Arc::new(scenario.clone()), &target).await;
    if let Some(system) = target.system.take() {
        system.stop().await?;
    }
    let Seen { played, samples, findings } = seen?;
    let mut results = Results {
        scenario: scenario.name.clone(),
        commit: machine::commit(),
        machine: machine::machine(),
        figures: figures::figures(&played, &samples, target.ready_after),
        ..Results::default()
    };
    results.promises =
        findings.iter().map(|finding| (finding.promise.to_owned(), finding.kept)).collect();
    let expected = expect::expected(&scenario, &played);
    say(&results, &findings, &expected)?;
    let findings = [findings, expected].concat();
    let tally = &played.tally;
    let report = Report {
        scenario_text: &text,
        results: &results,
        tally,
        samples: &samples,
        findings: &findings,
    };
    report::write(&folder, &report)?;
    let broken = results.broken().next().is_some();
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Target {
    async fn find(options: &cli::Run, folder: &std::path::Path) -> anyhow::Result<Self> {
        if let Some(target) = &options.target {
            let door = Door::new(target)?;
            let (data, bench_door) = (options.data.clone(), options.bench_door);
            return Ok(Self {
                door,
                data,
                metrics: None,
                bench_door,
                ready_after: None,
                system: None,
            });
        }
        let system = System::start(Launch::new(folder)?).await.context("start a system")?;
        Ok(Self {
            door: system.door.clone(),
            data: Some(system.data.clone()),
            metrics: Some(system.metrics.clone()),
            bench_door: system.bench_door,
            ready_after: Some(system.ready_after),
            system: Some(system),
        })
    }
}

async fn play(scenario: Arc<Scenario>, target: &Target) -> anyhow::Result<Seen> {
    let world = Arc::new(prepare(&scenario, &target.door, target.bench_door).await?);
    let began = Instant::now();
    let watched = Watched {
        data: target.data.clone(),
        metrics: target.metrics.clone(),
        live: Some(live(&target.door, &world)),
        ..Watched::default()
    };
    let sampler = Sampler::start(watched, began)?;
    let board = Arc::new(Board::new(engine::lanes(&scenario)));
    let door = target.door.clone();
    let patience = engine::LAST_ANSWERS;
    let play = Play { scenario, door, world: Arc::clone(&world), board, began, patience };
    let played = watch(&play, &sampler).await;
    let seen = sampler.stop().await?;
    let played = played?;
    let checked = Checked {
        door: &target.door,
        data: target.data.as_deref(),
        accounts: &play.world.accounts,
        alone: target.system.is_some(),
        inside: &seen.inside,
        forged: forged(&play.scenario, &played),
    };
    let findings = promises::check(&played.tally, &checked).await;
    Ok(Seen { played, samples: seen, findings })
}

/// The events whose rooms and seats are followed: those with a room first.
fn live(door: &Door, world: &World) -> Live {
    let mut venues = world.venues.iter().collect::<Vec<_>>();
    venues.sort_by_key(|venue| !venue.has_room);
    let events = venues.iter().map(|venue| venue.event.to_string()).collect();
    let operator = world.operator.trim_start_matches("Bearer ").to_owned();
    Live { door: door.clone(), events, operator }
}

/// Plays, and shows meanwhile how far it is.
async fn watch(play: &Play, sampler: &Sampler) -> anyhow::Result<Played> {
    let mut progress = Progress::new();
    let mut ticks = interval(SHOW);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let playing = engine::run(play);
    tokio::pin!(playing);
    let played = loop {
        // All are cancel-safe: the play is pinned outside.
        tokio::select! {
            played = &mut playing => break played,
            asked = interrupted() => {
                asked?;
                bail!("interrupted");
            }
            _ = ticks.tick() => {
                let inside = sampler.latest();
                let counts = play.board.total();
                progress.show(&Standing {
                    at: play.began.elapsed(),
                    in_line: inside.queued,
                    admitted: inside.called,
                    reserved: counts.reserved,
                    sold: counts.sold,
                    errors: counts.errors,
                    p99: counts.p99,
                });
            }
        }
    };
    progress.done();
    played
}

/// What replayers tried, if there were any.
fn forged(scenario: &Scenario, played: &Played) -> Option<Forged> {
    let replayers = scenario.people.iter().filter(|(_, people)| people.kind == Kind::Replayer);
    let asked = replayers.map(|(name, _)| played.groups.get(name).map_or(0, |group| group.asked));
    let tries = asked.sum();
    (0 < tries).then_some(Forged { tries, let_in: played.counts.trespasses })
}

fn say(results: &Results, findings: &[Finding], expected: &[Finding]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for (name, figure) in &results.figures {
        let share = |name: &str, value: Option<f64>| {
            value.map_or_else(String::new, |value| format!("  {name} {value:.1} ms"))
        };
        let (p50, p99) = (share("p50", figure.p50), share("p99", figure.p99));
        writeln!(out, "{name:<32} {:>12.1} {}{p50}{p99}", figure.value, figure.unit)?;
    }
    for finding in findings {
        let kept = if finding.kept == Kept::Held { "held" } else { "BROKEN" };
        writeln!(out, "{:<8} {kept:<8} {}", finding.promise, finding.says)?;
    }
    for finding in expected {
        let met = if finding.kept == Kept::Held { "met" } else { "MISSED" };
        writeln!(out, "target   {met:<8} {}", finding.says)?;
    }
    Ok(())
}
