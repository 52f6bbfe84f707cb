//! The machine's uptime: the leader's clock, comparable across processes of one boot.

use schema::DurationMs;
use schema::admission::MachineClock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use waiting_room_core::MonoMs;

const UPTIME: &str = "/proc/uptime";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Reads the uptime; on a machine that does not tell it, a clock of this process alone.
#[derive(Debug, Clone)]
pub(crate) struct BootClock {
    /// `None` when the clock is this process' alone.
    boot: Option<u64>,
    started: Instant,
    /// The uptime at `started`.
    started_ms: u64,
    /// The latest time that was told: a read that fails must not turn the clock back.
    latest_ms: Arc<AtomicU64>,
}

impl BootClock {
    pub(crate) fn new() -> Self {
        let (started, uptime) = (Instant::now(), uptime_ms());
        let boot = std::fs::read_to_string(BOOT_ID).ok().filter(|_| uptime.is_some());
        let boot = boot.map(|id| {
            let hash = chassis::keys::sha256(&[id.trim().as_bytes()]);
            u64::from_be_bytes(*hash.first_chunk().expect("a hash has 32 bytes"))
        });
        Self { boot, started, started_ms: uptime.unwrap_or(0), latest_ms: Arc::default() }
    }

    pub(crate) fn boot(&self) -> Option<u64> {
        self.boot
    }

    pub(crate) fn now(&self) -> MonoMs {
        // Read anew each time: unlike the process' monotonic clock it goes on while the machine
        // sleeps.
        let uptime = self.boot.and_then(|_| uptime_ms()).unwrap_or_else(|| {
            let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.started_ms.saturating_add(elapsed)
        });
        // Relaxed: the maximum is all there is to agree on.
        MonoMs(uptime.max(self.latest_ms.fetch_max(uptime, Ordering::Relaxed)))
    }

    /// `now` as a record carries it.
    pub(crate) fn stamp(&self, now: MonoMs) -> Option<MachineClock> {
        self.boot.map(|boot| MachineClock { boot, uptime: DurationMs(now.0) })
    }
}

fn uptime_ms() -> Option<u64> {
    let text = std::fs::read_to_string(UPTIME).ok()?;
    let (seconds, hundredths) = text.split_ascii_whitespace().next()?.split_once('.')?;
    let hundredths: u64 = hundredths.parse().ok()?;
    Some(seconds.parse::<u64>().ok()? * 1_000 + hundredths * 10)
}

#[cfg(test)]
mod tests {
    use super::BootClock;

    #[test]
    fn two_clocks_of_one_boot_agree() {
        let (one, two) = (BootClock::new(), BootClock::new());
        assert!(one.boot().is_some());
        assert_eq!(one.boot(), two.boot());
        let (earlier, later) = (one.now(), two.now());
        assert!(earlier <= later);
        assert!(later.since(earlier).0 < 1_000);
    }
}
