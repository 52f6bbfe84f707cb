//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Measures a running Usher
#[derive(Debug, Parser)]
#[command(name = "usher-bench", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Reserves, confirms and polls as fast as the answers come; prints a table and JSON
    Figures(Figures),
    /// Names the known scenarios
    List,
    /// Plays a scenario, checks what was promised, writes results.json and report.html
    Run(Run),
}

#[derive(Debug, Args)]
pub struct Run {
    /// A known scenario, or the path of a TOML file
    pub scenario: String,
    /// The public address of a system with the demo catalogue; starts one of its own without
    #[arg(long)]
    pub target: Option<String>,
    /// The data folder of the target, to see its processes
    #[arg(long, requires = "target")]
    pub data: Option<PathBuf>,
    /// The target was started with --bench-door
    #[arg(long, requires = "target")]
    pub bench_door: bool,
    /// Where results go [default: bench-results/SCENARIO]
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// The small form, below a minute
    #[arg(long)]
    pub quick: bool,
}

#[derive(Debug, Args)]
pub struct Figures {
    /// The public address (`http://HOST:PORT`) of a system with the demo catalogue
    #[arg(long)]
    pub target: String,
    /// Connections that ask at the same time
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// How long each measurement runs
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// Places in line that poll in turn. A place may poll once a second, after a burst of ten
    #[arg(long, default_value_t = 40_000)]
    pub places: usize,
    /// The data folder of the system, for start-up time and memory
    #[arg(long, default_value = "data")]
    pub data: PathBuf,
    /// Write the JSON to this file too
    #[arg(long)]
    pub json: Option<PathBuf>,
}
