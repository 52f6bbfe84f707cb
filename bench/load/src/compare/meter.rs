//! What Usher's processes take of the machine from one look to the next.

use crate::sample::cpu;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub struct Meter {
    data: PathBuf,
    begun: Instant,
    before: BTreeMap<String, Duration>,
}

impl Meter {
    /// Begins to count; `data` is the folder of the system.
    pub fn start(data: &Path) -> Self {
        Self { data: data.to_owned(), begun: Instant::now(), before: cpu(data) }
    }

    /// Seconds on a core since the start, by the processes that `usher.json` names; each with its
    /// children. A process that was started anew meanwhile counts from its own start.
    pub fn read(&self) -> (Duration, BTreeMap<String, f64>) {
        let taken = cpu(&self.data).into_iter().map(|(name, now)| {
            let before = self.before.get(&name).copied().unwrap_or_default();
            let taken = now.checked_sub(before).unwrap_or(now);
            (name, taken.as_secs_f64())
        });
        let taken = taken.collect();
        (self.begun.elapsed(), taken)
    }
}
