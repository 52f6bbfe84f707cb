//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use schema::EventId;
use std::path::PathBuf;

/// Sells seats when far more people come than there are seats.
#[derive(Debug, Parser)]
#[command(name = "usher", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start private Redis, NATS and Postgres servers and every stage, in the foreground
    Up(Up),
    /// Run some stages against servers that are given in the configuration
    Run(Run),
    /// Bring the schema of Postgres up to date
    Migrate(Target),
    /// Show the configuration
    Config(Config),
    /// Load the demo catalogue and logins into a running system that has no catalogue
    Demo(Target),
    /// Create an account in a running system, or give a role to the one that the address has
    Account(Account),
    /// Print an account token of a role, signed with the keys of the folder: for operators of a
    /// deployment that keeps no accounts
    Token(Token),
    /// Check the promises over journal, checkpoints, Postgres and live owners; print differences
    Audit(Audit),
    /// Check a draw on files that were downloaded, without asking any server
    VerifyDraw(VerifyDraw),
    /// Tell what became of something, from the journal
    #[command(subcommand)]
    Explain(Explain),
}

#[derive(Debug, Args)]
pub struct Up {
    /// The folder for everything that is kept
    #[arg(long, default_value = "data")]
    pub data: PathBuf,
    /// The port of the public address [default: 8080]
    #[arg(long)]
    pub port: Option<u16>,
    /// The port of the metrics [default: 9464]
    #[arg(long)]
    pub metrics_port: Option<u16>,
    /// Do not load the demo catalogue and logins
    #[arg(long)]
    pub no_demo: bool,
    /// Give accounts in bulk to anybody who asks (POST /bench/accounts); for measurements only
    #[arg(long)]
    pub bench_door: bool,
    /// A configuration file
    #[arg(long)]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Run {
    /// Which stages, separated by commas
    #[arg(long, value_delimiter = ',', required = true)]
    pub stages: Vec<Stage>,
    /// A configuration file
    #[arg(long)]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Stage {
    Allocator,
    Settlement,
    WaitingRoom,
    Indexer,
    Ingress,
}

impl Stage {
    pub const ALL: &[Self] =
        &[Self::Allocator, Self::Settlement, Self::WaitingRoom, Self::Indexer, Self::Ingress];
}

/// Which running system a command speaks of.
#[derive(Debug, Args)]
pub struct Target {
    /// The data folder of a running `usher up`; without one there the configured addresses count
    #[arg(long, default_value = "data")]
    pub data: PathBuf,
    /// A configuration file
    #[arg(long)]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "A new account's password is the variable USHER_PASSWORD, else the first \
                        line of standard input. An account that exists keeps its own.")]
pub struct Account {
    #[arg(long)]
    pub email: String,
    #[arg(long)]
    pub role: Role,
    /// How it is called; a new one without is called by its address
    #[arg(long)]
    pub name: Option<String>,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Nothing can take the token back before its time is over. The keys are those \
                        of the data folder of a running `usher up`, else of the setting keys.dir."
)]
pub struct Token {
    #[arg(long)]
    pub role: Role,
    /// How long it is good: 1 to 720
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=720))]
    pub hours: u32,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    Operator,
    Partner,
    Fan,
}

impl From<Role> for ingress::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Operator => Self::Operator,
            Role::Partner => Self::Partner,
            Role::Fan => Self::Fan,
        }
    }
}

#[derive(Debug, Args)]
pub struct Config {
    /// Print the effective configuration, secrets masked
    #[arg(long)]
    pub print: bool,
    /// A configuration file
    #[arg(long)]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Audit {
    /// One event
    #[arg(required_unless_present = "all")]
    pub event: Option<EventId>,
    /// Every event
    #[arg(long, conflicts_with = "event")]
    pub all: bool,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Of a room at /api/queue/EVENT the files are the answers of .../fairness, of \
                        .../me/proof and of .../fairness/cohort. What holds and what fails is \
                        printed line by line; the exit code is 0 if all of it holds."
)]
pub struct VerifyDraw {
    /// What the room says of its draws
    pub fairness: PathBuf,
    /// Proofs of places
    pub proofs: Vec<PathBuf>,
    /// The whole cohort: checks the root and that no two places got one number
    #[arg(long)]
    pub cohort: Option<PathBuf>,
    /// A waiting-room token that one of the proofs must be of; may be repeated
    #[arg(long = "token")]
    pub tokens: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Explain {
    /// Who held, lost, paid for and released a seat, when and why
    Seat(ExplainSeat),
}

#[derive(Debug, Args)]
pub struct ExplainSeat {
    pub event: EventId,
    /// As on its ticket: SECTION-ROW-SEAT
    pub seat: String,
    #[command(flatten)]
    pub target: Target,
}
