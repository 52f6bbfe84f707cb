//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use schema::{DurationMs, EventId, OrderId};
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
    /// What was booked
    #[command(subcommand)]
    Ledger(Ledger),
    /// Compare the payment provider's list with the orders, and mend what has a rule
    Reconcile(Reconcile),
    /// List the bookings that wait for a person to look, or end such a review
    Review(Review),
    /// Check a draw on files that were downloaded, without asking any server
    VerifyDraw(VerifyDraw),
    /// Play a sale in virtual time: how long the line gets, who waits how long, when it is sold out
    Rehearse(Rehearse),
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
    /// Checks tickets at the entrances
    Steward,
    Fan,
}

impl From<Role> for ingress::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Operator => Self::Operator,
            Role::Partner => Self::Partner,
            Role::Steward => Self::Steward,
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
#[command(
    after_help = "A running settlement does the same by itself; this looks at the whole list. The \
                        exit code is 0 if nothing differs, 1 if something does, 2 if the provider, \
                        Postgres or the replicas of a shard could not be asked: from what was not \
                        told nothing is concluded."
)]
pub struct Reconcile {
    /// One look, of which each difference is printed
    #[arg(long, required = true)]
    pub once: bool,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The exit code is 0 if the review has ended, or nothing waits; 1 if something \
                        waits, or the review could not end; 2 if the database did not answer."
)]
pub struct Review {
    /// The booking whose review ends; without it those that wait are listed, 1,000 at most
    #[arg(requires = "ending")]
    pub booking: Option<OrderId>,
    /// The sale stands, and what was under way is tried again
    #[arg(long, group = "ending", requires = "booking")]
    pub keep: bool,
    /// The booking is paid back, a paid one without a review too; one that sold nothing is over
    #[arg(long, group = "ending", requires = "booking")]
    pub refund: bool,
    /// Why; kept with the decision
    #[arg(long, requires = "booking", required_if_eq_any([("keep", "true"), ("refund", "true")]))]
    pub because: Option<String>,
    #[command(flatten)]
    pub target: Target,
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

#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// Check that it balances at every moment since its beginning; print differences
    Check(Target),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Of a room at /api/queue/EVENT the files are the answers of .../fairness, of \
                        .../me/proof and of .../fairness/cohort. What holds, what fails and what \
                        these files do not say is printed line by line; the exit code is 0 if \
                        nothing fails. Without --kept nobody knows whether the draw was made with \
                        what was promised before it."
)]
pub struct VerifyDraw {
    /// What the room says of its draws
    pub fairness: PathBuf,
    /// Proofs of places
    pub proofs: Vec<PathBuf>,
    /// An answer of .../fairness from before the pre-queue closed, which nothing may contradict;
    /// may be repeated
    #[arg(long)]
    pub kept: Vec<PathBuf>,
    /// The whole cohort of one of the draws: checks the root and that no two places got one number
    #[arg(long)]
    pub cohort: Option<PathBuf>,
    /// A waiting-room token that one of the proofs must be of; may be repeated
    #[arg(long = "token")]
    pub tokens: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The room is the real one's code; the crowd is made up from the seed, and is the \
                  same for any settings. Spans are 500ms, 90s, 15m or 2h. A demand is a table \
                  (CSV) with the columns second and joins."
)]
pub struct Rehearse {
    /// How many fans come
    #[arg(long, default_value_t = 100_000, conflicts_with = "demand")]
    pub fans: u64,
    /// Within which time they come
    #[arg(long, default_value = "120s", value_parser = span, conflicts_with = "demand")]
    pub arrive_over: DurationMs,
    /// A recorded demand, in their place
    #[arg(long)]
    pub demand: Option<PathBuf>,
    /// For how long the room holds before it calls anybody
    #[arg(long, default_value = "0s", value_parser = span)]
    pub opens_after: DurationMs,
    #[arg(long, default_value_t = 20_000)]
    pub seats: u32,
    /// How many seats a fan wants on average, 1 to 10
    #[arg(long, default_value = "2.3", value_parser = thousandths)]
    pub basket: u32,
    /// From the claim of a pass to the payment on average
    #[arg(long, default_value = "90s", value_parser = span)]
    pub checkout: DurationMs,
    /// The share of fans who have gone when they are called
    #[arg(long, default_value = "0.2", value_parser = thousandths)]
    pub no_show: u32,
    /// The room's admissionRatePerMinute
    #[arg(long, default_value_t = 600)]
    pub rate: u32,
    /// The room's activeMax
    #[arg(long, default_value_t = 2_000)]
    pub active_max: u32,
    /// The room's claimWindowSeconds
    #[arg(long, default_value = "120s", value_parser = span)]
    pub claim_window: DurationMs,
    /// The room's passTtlSeconds
    #[arg(long, default_value = "300s", value_parser = span)]
    pub pass_ttl: DurationMs,
    /// The room's adaptive
    #[arg(long)]
    pub adaptive: bool,
    /// How many orders a minute settlement bears; without it as many as come
    #[arg(long)]
    pub orders_per_minute: Option<u32>,
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Reads a span such as `90s`.
fn span(text: &str) -> Result<DurationMs, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("a span ends with ms, s, m or h".to_owned()),
    };
    let count: u64 = digits.parse().map_err(|error| format!("{error}"))?;
    count.checked_mul(unit_ms).map(DurationMs).ok_or_else(|| "it is too long".to_owned())
}

/// Reads a number such as `2.3` with at most three decimals, in thousandths.
fn thousandths(text: &str) -> Result<u32, String> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = [whole, decimals].iter().all(|part| {
        !part.is_empty() && part.len() <= 6 && part.bytes().all(|byte| byte.is_ascii_digit())
    });
    if !is_number || 3 < decimals.len() {
        return Err("a number such as 2 or 2.3, with three decimals at most".to_owned());
    }
    let of = |part: &str| part.parse::<u32>().map_err(|error| error.to_string());
    Ok(of(whole)? * 1_000 + of(&format!("{decimals:0<3}"))?)
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
