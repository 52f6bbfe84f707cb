//! Measures a running Usher from outside: by HTTP, and by what `usher.json` and `/proc` tell.
//!
//! `run` plays a crowd in an open loop; `measure` and `compare` ask in a closed one.

mod arrivals;
mod baseline;
mod cli;
mod compare;
mod connections;
mod dice;
mod engine;
mod fan;
mod machine;
mod measure;
mod prepare;
mod pretix;
mod promises;
mod record;
mod report;
mod results;
mod run;
mod sample;
mod scenario;
mod system;
mod wire;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

/// As Usher has it, so that baselines of this program are no slower for theirs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match Cli::parse().command {
        Command::Pretix(options) => done(runtime.block_on(pretix::pretix(&options))),
        Command::Measure(options) => done(runtime.block_on(measure::measure(&options))),
        Command::Compare(options) => {
            runtime.block_on(system::unless_interrupted(compare::compare(&options)))
        }
        Command::Flat(options) => {
            runtime.block_on(system::unless_interrupted(compare::flat(&options)))
        }
        Command::Failover(options) => {
            runtime.block_on(system::unless_interrupted(compare::failover(&options)))
        }
        Command::Storeloss(options) => {
            runtime.block_on(system::unless_interrupted(compare::storeloss(&options)))
        }
        Command::Connections(options) => {
            runtime.block_on(system::unless_interrupted(connections::connections(&options)))
        }
        Command::HoldPart(options) => done(runtime.block_on(connections::hold_part(&options))),
        Command::Baseline(options) => done(runtime.block_on(baseline::baseline(&options))),
        Command::List => run::list(),
        Command::Run(options) => runtime.block_on(system::unless_interrupted(run::run(&options))),
    }
}

fn done(outcome: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    outcome.map(|()| ExitCode::SUCCESS)
}
