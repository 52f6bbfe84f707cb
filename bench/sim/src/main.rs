//! Plays seeds until one breaks a promise, and says which.

use clap::{Parser, ValueEnum};
use sim::{Happening, Mutation, Report, Tally, run};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

/// Plays sales with failures of every kind and checks what is promised to people.
#[derive(Debug, Parser)]
struct Cli {
    /// How many seeds to play, from 1 on.
    #[arg(long, default_value_t = 100, conflicts_with = "seed")]
    seeds: u64,
    /// Plays this seed alone and tells how it ended.
    #[arg(long)]
    seed: Option<u64>,
    /// Steps of a run before its end. A seed with other steps is another run.
    #[arg(long, default_value_t = 400)]
    steps: u32,
    /// Breaks the system in this way first; `all` tries each until it is noticed.
    #[arg(long)]
    mutation: Option<String>,
}

fn main() -> io::Result<ExitCode> {
    let cli = Cli::parse();
    // A panic of a core is told with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let mut out = io::stdout().lock();
    let mutations = match cli.mutation.as_deref() {
        None => vec![None],
        Some("all") => Mutation::value_variants().iter().copied().map(Some).collect(),
        Some(name) => match Mutation::from_str(name, false) {
            Ok(mutation) => vec![Some(mutation)],
            Err(why) => {
                writeln!(out, "no such mutation: {why}")?;
                return Ok(ExitCode::from(2));
            }
        },
    };
    let mut broken = false;
    for mutation in mutations {
        broken |= play(&cli, mutation, &mut out)?;
    }
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Plays the seeds that are wanted; says whether one broke a promise.
fn play(cli: &Cli, mutation: Option<Mutation>, out: &mut impl Write) -> io::Result<bool> {
    let seeds = cli.seed.map_or(1..=cli.seeds, |seed| seed..=seed);
    let started = Instant::now();
    let mut tally = Tally::default();
    let mut count = 0;
    let named = mutation.and_then(|mutation| mutation.to_possible_value());
    let named = named.map_or(String::new(), |name| format!(" --mutation {}", name.get_name()));
    for seed in seeds {
        let report = run(seed, cli.steps, mutation);
        count += 1;
        tally.add_all(&report.tally);
        if let Some(broken) = &report.broken {
            tell_story(&report, out)?;
            writeln!(out, "{broken}")?;
            writeln!(out, "again: --seed {seed} --steps {}{named}", cli.steps)?;
            return Ok(true);
        }
        if cli.seed.is_some() {
            tell_story(&report, out)?;
            writeln!(out, "trace hash {:016x}", report.hash)?;
        }
    }
    for &happening in Happening::ALL {
        write!(out, "{happening:?} {}  ", tally.count(happening))?;
    }
    let seconds = started.elapsed().as_secs_f64();
    writeln!(out, "\n{count} seeds of {} steps hold{named}, {seconds:.1} s", cli.steps)?;
    Ok(false)
}

fn tell_story(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for line in &report.tail {
        writeln!(out, "{line}")?;
    }
    Ok(())
}
