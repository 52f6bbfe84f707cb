//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
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
    /// Reserves, confirms, books, joins and polls as fast as the answers come
    Measure(Measure),
    /// Usher and what people would use instead, in turns
    Compare(Compare),
    /// What a seat costs in small and large houses, and a poll in short and long lines
    Flat(Flat),
    /// How long buyers wait when a shard's owner is killed, and what they notice of a planned move
    Failover(Failover),
    /// What a line notices when Redis is killed and comes back with nothing in it
    Storeloss(StoreLoss),
    /// Many open connections at once, each asked in turn, and what they cost the server
    Connections(ManyConnections),
    /// Holds some of them, for `connections`
    #[command(hide = true)]
    HoldPart(HoldPart),
    /// Serves one of what people would use instead
    Baseline(Baseline),
    /// Names the known scenarios
    List,
    /// Sells seats of a running pretix to the same parties, over its REST API
    Pretix(Pretix),
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
    /// Others buy at the target too: whether refusals were true is not judged
    #[arg(long, requires = "target")]
    pub shared: bool,
    /// Where results go [default: bench-results/SCENARIO]
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// The small form, below a minute
    #[arg(long)]
    pub quick: bool,
}

/// Which joins have a key of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Keys {
    None,
    /// As those of the pages
    Each,
}

#[derive(Debug, Args)]
pub struct Measure {
    /// The public address (`http://HOST:PORT`) of a system with the demo logins, or of a baseline
    #[arg(long)]
    pub target: String,
    /// The target makes accounts in bulk, as baselines do
    #[arg(long)]
    pub bench_door: bool,
    /// Connections that ask at the same time
    #[arg(long, default_value_t = 64)]
    pub connections: u32,
    /// How long each measurement runs
    #[arg(long, default_value_t = 10)]
    pub seconds: u32,
    /// What to measure; what others need is done too
    #[arg(long, value_delimiter = ',', default_value = "reserve,confirm,booking,join,poll")]
    pub only: Vec<Deeds>,
    /// Weights of parties of one, two and so on
    #[arg(long, value_delimiter = ',', default_value = "1")]
    pub parties: Vec<f64>,
    /// Ask for the best seats instead of named ones
    #[arg(long)]
    pub best: bool,
    /// Reserve in events of exactly so many seats, as many as hold --seats, until each seat was
    /// asked for once
    #[arg(long)]
    pub event_seats: Option<u32>,
    /// Seats of all events together, with --event-seats
    #[arg(long, default_value_t = 320_000, requires = "event_seats")]
    pub seats: u32,
    /// Places in line that poll in turn, each ten times at most
    #[arg(long, default_value_t = 40_000)]
    pub places: u32,
    /// Places in line, spread over which are those that poll [default: as many as poll]
    #[arg(long)]
    pub waiting: Option<u32>,
    /// Poll as often as all who wait would together if they did as they are told, not faster
    #[arg(long)]
    pub as_told: bool,
    /// Which joins have an `Idempotency-Key`
    #[arg(long, value_enum, default_value_t = Keys::None)]
    pub keys: Keys,
    /// Open a connection anew after so many questions; 0 keeps it
    #[arg(long, default_value_t = 0)]
    pub reuse: u32,
    /// The event whose waiting room is joined
    #[arg(long, default_value = "EVT001")]
    pub room: String,
    /// The data folder of the target, to see what a line takes of memory and polls of Redis
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Write JSON to this file
    #[arg(long)]
    pub json: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Deeds {
    Reserve,
    /// Pays for what was reserved
    Confirm,
    /// Reserve and confirm, timed together
    Booking,
    Join,
    Poll,
}

impl Deeds {
    pub fn buys(self) -> bool {
        matches!(self, Self::Reserve | Self::Confirm | Self::Booking)
    }
}

#[derive(Debug, Args)]
pub struct Compare {
    /// A known scenario, or the path of a TOML file: its connections and parties are used, and
    /// whether all want the same seats
    pub scenario: String,
    /// Only these comparisons
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<Ratio>,
    /// Connections of both sides [default: those of the scenario, 256 at most]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub connections: Option<u32>,
    /// Where results go [default: bench-results/compare-SCENARIO]
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Two short pairs of each instead of five, below a minute
    #[arg(long)]
    pub quick: bool,
}

#[derive(Debug, Args)]
pub struct Flat {
    /// What to measure
    #[arg(long, value_delimiter = ',', default_value = "reserve,poll")]
    pub only: Vec<FlatDeeds>,
    /// Where results go [default: bench-results/flat]
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Fewer and smaller sizes, below two minutes
    #[arg(long)]
    pub quick: bool,
}

#[derive(Debug, Args)]
pub struct Failover {
    /// How often the second allocator comes, ends, comes again and is killed; some 15 s each
    #[arg(long, default_value_t = 10)]
    pub rounds: u32,
    /// Where results go [default: bench-results/failover]
    #[arg(long)]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct StoreLoss {
    /// Places in line before the first loss
    #[arg(long, default_value_t = 200_000)]
    pub waiting: u32,
    /// How often Redis is killed and emptied; more than 5 a minute is more than `usher up` bears
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub rounds: u32,
    /// Where results go [default: bench-results/storeloss]
    #[arg(long)]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FlatDeeds {
    /// By the seats of a house
    Reserve,
    /// By the people in a line
    Poll,
}

/// One comparison, named as in results, in the order in which they are made.
///
/// Polls come first: they ask nothing of a shard, while those who buy leave holds behind, and the
/// checkpoints of these would be made beside the polls. Joins make the line longer, so they come
/// after the polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Ratio {
    PollVsBareHyper,
    StatusVsBareHyper,
    PollVsRedisZset,
    JoinVsBarePost,
    ReserveVsConventional,
    BookingVsConventional,
    ConfirmVsConventional,
    ContendedVsConventional,
    ConfirmVsConventionalCharging,
    JournalVsRawJetstream,
    SettleVsRawPostgres,
    ReserveVsPostgresOnly,
    BookingVsPostgresOnly,
    ReserveBestVsPostgresOnly,
    ContendedVsPostgresOnly,
}

impl Ratio {
    pub fn name(self) -> String {
        let value = self.to_possible_value().expect("no variant is skipped");
        value.get_name().to_owned()
    }

    /// What stands against Usher, in words.
    pub fn other(self) -> &'static str {
        match self {
            Self::ReserveVsConventional
            | Self::BookingVsConventional
            | Self::ConfirmVsConventional
            | Self::ContendedVsConventional => "conventional",
            Self::ConfirmVsConventionalCharging => "conventional-charging",
            Self::PollVsBareHyper | Self::StatusVsBareHyper => "bare-hyper",
            Self::JoinVsBarePost => "bare-post",
            Self::PollVsRedisZset => "redis-zset",
            Self::JournalVsRawJetstream => "raw-jetstream",
            Self::SettleVsRawPostgres => "raw-postgres",
            Self::ReserveVsPostgresOnly
            | Self::BookingVsPostgresOnly
            | Self::ReserveBestVsPostgresOnly
            | Self::ContendedVsPostgresOnly => "postgres-only",
        }
    }

    /// The figure of Usher's turns.
    pub fn figure(self) -> &'static str {
        match self {
            Self::ReserveVsConventional
            | Self::ReserveVsPostgresOnly
            | Self::JournalVsRawJetstream => "reserve_per_second",
            Self::ReserveBestVsPostgresOnly => "reserve_best_per_second",
            Self::ContendedVsConventional | Self::ContendedVsPostgresOnly => "contended_per_second",
            Self::BookingVsConventional | Self::BookingVsPostgresOnly => "booking_per_second",
            Self::PollVsBareHyper | Self::PollVsRedisZset => "poll_per_second",
            Self::StatusVsBareHyper => "status_per_second",
            Self::JoinVsBarePost => "join_per_second",
            Self::SettleVsRawPostgres
            | Self::ConfirmVsConventional
            | Self::ConfirmVsConventionalCharging => "confirm_per_second",
        }
    }

    /// The figure of more turns of Usher, over the connections that a goal of it names.
    pub fn figure_of_goal(self) -> Option<&'static str> {
        match self {
            Self::JoinVsBarePost => Some("join_per_second_at_64"),
            Self::ConfirmVsConventional => Some("confirm_per_second_at_64"),
            _ => None,
        }
    }

    pub fn polls(self) -> bool {
        self.figure() == "poll_per_second"
    }

    /// All want the same seats: of scenarios where they do.
    pub fn is_contended(self) -> bool {
        self.figure() == "contended_per_second"
    }

    /// Left out of the small form.
    pub fn is_extra(self) -> bool {
        let takes_long =
            matches!(self, Self::StatusVsBareHyper | Self::ConfirmVsConventionalCharging)
                || self.figure_of_goal().is_some();
        takes_long || self.other() == "postgres-only"
    }
}

#[derive(Debug, Args)]
pub struct ManyConnections {
    /// Public addresses (`http://HOST:PORT`), which share the connections
    #[arg(long, required = true, value_delimiter = ',')]
    pub target: Vec<String>,
    /// Connections of all targets together
    #[arg(long, default_value_t = 15_000)]
    pub connections: u32,
    /// Local addresses that they come from, where a target is on loopback
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=253))]
    pub sources: u8,
    /// What is asked over each
    #[arg(long, default_value = "/api/queue/EVT001/status")]
    pub path: String,
    /// How often each is asked when all are open
    #[arg(long, default_value_t = 2)]
    pub rounds: u32,
    /// How long a round takes: a server closes what is idle for longer than it allows
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub seconds: u32,
    /// The data folder of the target, to see its memory
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Processes that serve the targets, to see their memory
    #[arg(long, value_delimiter = ',')]
    pub pids: Vec<u32>,
    /// Write JSON to this file
    #[arg(long)]
    pub json: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct HoldPart {
    #[arg(long)]
    pub target: String,
    #[arg(long)]
    pub connections: u32,
    #[arg(long)]
    pub sources: u8,
    #[arg(long)]
    pub path: String,
    #[arg(long)]
    pub rounds: u32,
    #[arg(long)]
    pub seconds: u32,
}

#[derive(Debug, Args)]
pub struct Baseline {
    pub name: BaselineName,
    /// Port of loopback to serve on; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Private servers are started where no address is given
    #[arg(long)]
    pub postgres: Option<String>,
    #[arg(long)]
    pub redis: Option<String>,
    /// A new folder for private servers; it is removed at the end [default: one of the system's]
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Connections to Postgres; a provider has as many of its own
    #[arg(long, default_value_t = 32)]
    pub pool: u32,
    /// Connections to Redis, each of which is pipelined
    #[arg(long, default_value_t = 1)]
    pub redis_connections: usize,
    /// Bytes of an answer to a poll
    #[arg(long, default_value_t = 200)]
    pub body_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BaselineName {
    /// A Redis lock for each seat, then one Postgres transaction
    Conventional,
    /// The same, which pays at a provider that remembers
    ConventionalCharging,
    /// SKIP LOCKED and conditional UPDATE in one function call
    PostgresOnly,
    /// A waiting room in a sorted set
    RedisZset,
    /// An answer of the same size, and nothing else
    Bare,
}

#[derive(Debug, Args)]
pub struct Pretix {
    /// The address (`http://HOST:PORT`) of a pretix
    #[arg(long)]
    pub url: String,
    /// A token of a team of the organizer that may change orders and read the event's settings
    #[arg(long)]
    pub token: String,
    /// The organizer's short name
    #[arg(long)]
    pub organizer: String,
    /// The event's short name
    #[arg(long)]
    pub event: String,
    /// Sells only seats of the item with this number; needed where an event has no seats
    #[arg(long)]
    pub item: Option<u64>,
    /// Connections that ask at the same time
    #[arg(long, default_value_t = 16)]
    pub connections: u32,
    /// How long the measurement runs
    #[arg(long, default_value_t = 30)]
    pub seconds: u32,
    /// Free seats that are looked up beforehand, fifty a question; more than are sold in the time
    #[arg(long, default_value_t = 4_000)]
    pub seats_max: u32,
    /// Where results.json goes [default: bench-results/pretix]
    #[arg(long)]
    pub out: Option<PathBuf>,
}
