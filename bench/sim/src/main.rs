//! Plays seeds until one breaks a promise, and says which.

use clap::{Parser, ValueEnum};
use sim::{Dead, Ending, Happening, Mutation, Play, Report, Tally, run};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

/// Plays sales with failures of every kind and checks what is promised to people.
///
/// The exit code is 0 when all promises hold, 1 when one is broken.
#[derive(Debug, Parser)]
struct Cli {
    /// How many seeds to play, from 1 on.
    #[arg(long, default_value_t = 100, conflicts_with = "seed")]
    seeds: u64,
    /// Plays this seed alone and tells how it ended.
    #[arg(long)]
    seed: Option<u64>,
    /// Steps of a run before its end. A seed with other steps is another run.
    #[arg(long, default_value_t = 600)]
    steps: u32,
    /// Kills everything after the steps, or who is named.
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "all")]
    kill: Option<Dead>,
    /// Breaks one rule of the system first: this run must find a broken promise.
    #[arg(long, value_enum, conflicts_with = "all_mutations")]
    mutation: Option<Mutation>,
    /// Breaks each rule in turn; the exit code is 0 when all of them are noticed.
    #[arg(long, conflicts_with = "seed")]
    all_mutations: bool,
}

fn main() -> io::Result<ExitCode> {
    let cli = Cli::parse();
    // A panic of a core is told with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let mut out = io::stdout().lock();
    let holds = if cli.all_mutations {
        try_mutations(&cli, &mut out)?
    } else {
        play_seeds(&cli, &mut out)?
    };
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Cli {
    fn play(&self, seed: u64, mutation: Option<Mutation>) -> Play {
        let ending = self.kill.map_or(Ending::Home, Ending::Kill);
        Play { seed, steps: self.steps, ending, mutation }
    }
}

/// Plays the seeds that are wanted; says whether all promises hold.
fn play_seeds(cli: &Cli, out: &mut impl Write) -> io::Result<bool> {
    let seeds = cli.seed.map_or(1..=cli.seeds, |seed| seed..=seed);
    let started = Instant::now();
    let mut tally = Tally::default();
    let (mut count, mut hash) = (0, 0_u64);
    for seed in seeds {
        let report = run(cli.play(seed, cli.mutation));
        count += 1;
        // That of one seed is its own.
        hash = hash.rotate_left(1) ^ report.hash;
        tally.add_all(&report.tally);
        if let Some(broken) = &report.broken {
            tell_story(&report, out)?;
            writeln!(out, "{broken}\nagain: {}", again(cli, seed, cli.mutation))?;
            writeln!(out, "trace hash {hash:016x}")?;
            return Ok(false);
        }
        if cli.seed.is_some() {
            tell_story(&report, out)?;
        }
    }
    for &happening in Happening::ALL {
        write!(out, "{happening:?} {}  ", tally.count(happening))?;
    }
    writeln!(out, "\n{count} seeds of {} steps hold", cli.steps)?;
    // What is on standard output is the same each time.
    writeln!(io::stderr(), "took {:.1} s", started.elapsed().as_secs_f64())?;
    writeln!(out, "trace hash {hash:016x}")?;
    Ok(true)
}

/// Looks for the first seed that notices each mutation; says whether all were noticed.
fn try_mutations(cli: &Cli, out: &mut impl Write) -> io::Result<bool> {
    let mut all = true;
    for &mutation in Mutation::value_variants() {
        let promise = mutation.breaks();
        let notices = |seed: &u64| {
            let broken = run(cli.play(*seed, Some(mutation))).broken;
            broken.is_some_and(|broken| broken.promise() == Some(promise))
        };
        let first = (1..=cli.seeds).find(notices);
        all &= first.is_some();
        match first {
            Some(seed) => writeln!(out, "{promise}  {}", again(cli, seed, Some(mutation)))?,
            None => writeln!(out, "{promise}  {mutation:?} is not noticed")?,
        }
    }
    Ok(all)
}

/// The options that play it again.
fn again(cli: &Cli, seed: u64, mutation: Option<Mutation>) -> String {
    let kill = named("kill", cli.kill);
    let mutation = named("mutation", mutation);
    format!("--seed {seed} --steps {}{kill}{mutation}", cli.steps)
}

/// An option with its value, if it has one.
fn named(option: &str, value: Option<impl ValueEnum>) -> String {
    let value = value.and_then(|value| value.to_possible_value());
    value.map_or_else(String::new, |value| format!(" --{option} {}", value.get_name()))
}

fn tell_story(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for line in &report.tail {
        writeln!(out, "{line}")?;
    }
    Ok(())
}
