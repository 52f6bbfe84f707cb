//! `usher-bench run`: plays a scenario, checks what was promised, and writes what came of it.

mod expect;
mod figures;
mod probe;
mod sold_out;

pub use expect::{Came, expected};

use crate::cli;
use crate::engine::{self, Board, Play, Played, World};
use crate::machine;
use crate::prepare::prepare;
use crate::promises::{self, Checked, Checks, Forged};
use crate::report::{self, Progress, Report, Standing};
use crate::results::{Finding, Kept, Met, Results, Wish};
use crate::sample::{Live, Sampler, Samples, Watched};
use crate::scenario::{self, Kind, Scenario};
use crate::system::{Launch, System, interrupted, running};
use crate::wire::Door;
use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::time::{MissedTickBehavior, interval};

/// How often the line on the terminal is written.
const SHOW: Duration = Duration::from_secs(1);

/// How long to wait for what the operator sees after the last answer: figures come once a second.
const LAST_FIGURES: Duration = Duration::from_secs(3);

/// Said of a target elsewhere: nobody expects an audit of files that cannot be seen from here.
const NOT_AUDITED: &str = "audit not made: no --data";

/// Where and what a run looks at.
struct Target {
    door: Door,
    data: Option<PathBuf>,
    metrics: Option<String>,
    bench_door: bool,
    /// Nobody else buys there.
    alone: bool,
    /// How long it took to be ready, if it was started for the run.
    ready_after: Option<Duration>,
    /// Our own; ended with the run.
    system: Option<System>,
}

/// What was seen of a run.
struct Seen {
    /// With the counts and times that were chosen for this machine.
    scenario: Arc<Scenario>,
    /// What the machine did in a second when it was probed, by the group that is scaled by it.
    probed: BTreeMap<String, f64>,
    played: Played,
    samples: Samples,
    checks: Checks,
}

/// `usher-bench list`.
pub fn list() -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    for listed in scenario::list()? {
        writeln!(out, "{:<12} {}", listed.name, listed.about)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `usher-bench run`. Fails if a promise was broken, or could not be checked.
pub async fn run(options: &cli::Run) -> anyhow::Result<ExitCode> {
    let (mut scenario, text) = scenario::find(&options.scenario, options.quick)?;
    scenario.name_events(&run_name()?);
    let folder = options.out.clone();
    let folder = folder.unwrap_or_else(|| PathBuf::from("bench-results").join(&scenario.name));
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let mut target = Target::find(options, &folder).await?;
    target.door.come_from(scenario.door.sources).await?;
    target.door.reuse_max = scenario.door.reuse_max;
    let seen = play(&scenario, &target).await;
    let ended = match target.system.take() {
        Some(system) => system.stop().await,
        None => Ok(()),
    };
    let seen = seen?;
    let left_out = target.data.is_none().then_some(NOT_AUDITED);
    write(&folder, &text, &seen, target.ready_after, left_out)?;
    // What came of the run is on disk by now, also if the system did not end well.
    ended.context("end the system")?;
    Ok(if seen.checks.are_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The milliseconds of the clock in eight letters: no two runs at one system begin in the same.
fn run_name() -> anyhow::Result<String> {
    const LETTERS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut rest = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let mut name = [0; 8];
    for letter in name.iter_mut().rev() {
        *letter = LETTERS[usize::try_from(rest % 36).expect("below 36")];
        rest /= 36;
    }
    Ok(name.map(char::from).iter().collect())
}

impl Target {
    async fn find(options: &cli::Run, folder: &std::path::Path) -> anyhow::Result<Self> {
        if let Some(target) = &options.target {
            let running = options.data.as_deref().map(running).transpose();
            let running = running.context("find the target by its data folder")?;
            return Ok(Self {
                door: Door::new(target)?,
                data: options.data.clone(),
                metrics: running.map(|running| running.metrics),
                bench_door: options.bench_door,
                alone: !options.shared,
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
            alone: true,
            ready_after: Some(system.ready_after),
            system: Some(system),
        })
    }
}

async fn play(scenario: &Scenario, target: &Target) -> anyhow::Result<Seen> {
    let (scenario, probed) = probe::fit(scenario, &target.door, target.bench_door).await?;
    let scenario = Arc::new(scenario);
    let world = Arc::new(prepare(&scenario, &target.door, target.bench_door).await?);
    let began = Instant::now();
    let watched = Watched {
        data: target.data.clone(),
        metrics: target.metrics.clone(),
        live: Some(live(&scenario, &target.door, &world)),
        ..Watched::default()
    };
    let sampler = Sampler::start(watched, began)?;
    let board = Arc::new(Board::new(engine::lanes(&scenario)));
    let door = target.door.clone();
    let patience = engine::LAST_ANSWERS;
    let play = Play { scenario, door, world: Arc::clone(&world), board, began, patience };
    let played = watch(&play, &sampler).await;
    if played.is_ok() {
        sampler.look_after(began.elapsed(), LAST_FIGURES).await;
    }
    let seen = sampler.stop().await?;
    let played = played?;
    let checked = Checked {
        door: &target.door,
        data: target.data.as_deref(),
        accounts: &play.world.accounts,
        alone: target.alone,
        inside: &seen.inside,
        forged: forged(&play.scenario, &played),
    };
    let checks = promises::check(&played.tally, &checked).await;
    Ok(Seen { scenario: play.scenario, probed, played, samples: seen, checks })
}

/// Writes and says what came of a run. A check that was `left_out` is listed, and is no failure.
fn write(
    folder: &Path,
    text: &str,
    seen: &Seen,
    ready_after: Option<Duration>,
    left_out: Option<&str>,
) -> anyhow::Result<()> {
    let Seen { scenario, played, samples, checks, .. } = seen;
    let sold_out = scenario.main_event().and_then(|event| {
        let looks = samples.inside.get(event)?;
        sold_out::sold_out(event, &played.tally.deals, looks)
    });
    let figures = figures::figures(seen, sold_out, ready_after);
    let came = Came { played, figures: &figures, sold_out: sold_out.map(|sold_out| sold_out.at) };
    let wishes = expected(scenario, &came);
    let mut unmade = checks.unmade.clone();
    unmade.extend(left_out.map(str::to_owned));
    let kept = checks.findings.iter().map(|finding| (finding.promise.to_owned(), finding.kept));
    let results = Results {
        scenario: scenario.name.clone(),
        commit: machine::commit(),
        machine: machine::machine(),
        promises: kept.collect(),
        targets: wishes.iter().map(|wish| (wish.name.clone(), wish.met)).collect(),
        unmade,
        figures,
        ..Results::default()
    };
    say(&results, &checks.findings, &wishes)?;
    let report = Report {
        scenario_text: text,
        results: &results,
        tally: &played.tally,
        samples,
        findings: &checks.findings,
        wishes: &wishes,
    };
    report::write(folder, &report)
}

/// The events whose rooms and seats are followed: the main one, then those with a room.
fn live(scenario: &Scenario, door: &Door, world: &World) -> Live {
    let main = scenario.main_event();
    let mut venues = world.venues.iter().collect::<Vec<_>>();
    venues.sort_by_key(|venue| (main != Some(&*venue.event), !venue.has_room));
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

fn say(results: &Results, findings: &[Finding], wishes: &[Wish]) -> anyhow::Result<()> {
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
    for why in &results.unmade {
        writeln!(out, "check    NOT MADE {why}")?;
    }
    for wish in wishes {
        let met = if wish.met == Met::Met { "met" } else { "MISSED" };
        writeln!(out, "target   {met:<8} {}", wish.says)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
