//! Measures a running Usher from outside: by HTTP, and by what `usher.json` and `/proc` tell.
//!
//! The load is a closed loop: each connection asks again when it was answered. So a slow server is
//! asked less, and the percentiles are those of a crowd of this size, not of a fixed rate.

mod arrivals;
mod bare;
mod cli;
mod closed_loop;
mod crowd;
mod dice;
mod engine;
mod fan;
mod figures;
mod figures_report;
mod machine;
mod places;
mod prepare;
mod processes;
mod record;
mod report;
mod results;
mod run;
mod sale;
mod sample;
mod scenario;
mod system;
mod wire;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match Cli::parse().command {
        Command::Figures(figures) => {
            runtime.block_on(figures::figures(&figures)).map(|()| ExitCode::SUCCESS)
        }
        Command::List => run::list(),
        Command::Run(options) => runtime.block_on(run::run(&options)),
    }
}
