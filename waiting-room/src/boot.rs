//! The machine's uptime: the leader's clock, comparable across processes of one boot.

use schema::DurationMs;
use schema::admission::MachineClock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use waiting_room_core::MonoMs;

const UPTIME: &str = "/proc/uptime";
const MOUNTS: &str = "/proc/self/mountinfo";
const TIME_NAMESPACE: &str = "/proc/self/ns/time";
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
        let mounts = std::fs::read_to_string(MOUNTS).ok();
        let is_machines = mounts.is_some_and(|mounts| !is_mounted(UPTIME, &mounts));
        let boot = std::fs::read_to_string(BOOT_ID).ok();
        let boot = boot.filter(|_| uptime.is_some() && is_machines).map(|id| {
            // Uptimes differ between time namespaces; a kernel without them has one.
            let namespace = std::fs::read_link(TIME_NAMESPACE).unwrap_or_default();
            let namespace = namespace.into_os_string().into_encoded_bytes();
            let hash = chassis::keys::sha256(&[id.trim().as_bytes(), b"\0", &namespace]);
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

/// Whether something is mounted over a file: some containers have an uptime of their own, under
/// the boot id of the machine.
fn is_mounted(path: &str, mounts: &str) -> bool {
    // The mount point is the fifth field.
    mounts.lines().any(|mount| mount.split(' ').nth(4) == Some(path))
}

fn uptime_ms() -> Option<u64> {
    let text = std::fs::read_to_string(UPTIME).ok()?;
    let (seconds, hundredths) = text.split_ascii_whitespace().next()?.split_once('.')?;
    let hundredths: u64 = hundredths.parse().ok()?;
    Some(seconds.parse::<u64>().ok()? * 1_000 + hundredths * 10)
}

#[cfg(test)]
mod tests {
    use super::{BootClock, UPTIME, is_mounted};

    #[test]
    fn an_uptime_of_a_containers_own_is_told_from_the_machines() {
        let machine = "22 28 0:20 / /proc rw,nosuid shared:14 - proc proc rw\n\
                       23 28 0:21 / /sys rw - sysfs sysfs rw\n";
        assert!(!is_mounted(UPTIME, machine));
        let container = "91 84 0:53 /proc/uptime /proc/uptime rw master:4 - fuse.lxcfs lxcfs rw\n";
        assert!(is_mounted(UPTIME, &format!("{machine}{container}")));
    }

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
