//! Measures a running Usher from outside: by HTTP, and by what `usher.json` and `/proc` tell.
//!
//! The load is a closed loop: each connection asks again when it was answered. So a slow server is
//! asked less, and the percentiles are those of a crowd of this size, not of a fixed rate.

mod bare;
mod cli;
mod closed_loop;
mod crowd;
mod figures;
mod figures_report;
mod machine;
mod places;
mod processes;
mod record;
mod report;
mod results;
mod sale;
mod sample;
mod system;
mod wire;

use clap::Parser;
use cli::{Cli, Command};

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match Cli::parse().command {
        Command::Figures(figures) => runtime.block_on(figures::figures(&figures)),
    }
}
