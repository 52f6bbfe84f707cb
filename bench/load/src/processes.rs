//! What the system's processes take of the machine, from `usher.json` and `/proc`.

use anyhow::{Context as _, ensure};
use serde::Serialize;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// One process.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    pub name: String,
    pub pid: u64,
    /// Resident now, with its own children's (Postgres has one for each connection).
    pub resident_kib: u64,
    /// The most that the process itself ever had.
    pub peak_kib: u64,
}

/// The processes that `usher.json` names.
pub fn processes(data: &Path) -> anyhow::Result<Vec<Process>> {
    let running = fs::read(data.join("usher.json")).context("read usher.json")?;
    let running: Value = serde_json::from_slice(&running).context("parse usher.json")?;
    let pids = running["pids"].as_object().context("usher.json has no pids")?;
    let mut found = Vec::new();
    for (name, pid) in pids {
        let Some(pid) = pid.as_u64() else { continue };
        let status = fs::read_to_string(format!("/proc/{pid}/status"));
        let status = status.with_context(|| format!("{name} {pid} does not run here"))?;
        let children = if name == "usher" { 0 } else { children_kib(pid)? };
        found.push(Process {
            name: name.clone(),
            pid,
            resident_kib: field_kib(&status, "VmRSS:") + children,
            peak_kib: field_kib(&status, "VmHWM:"),
        });
    }
    Ok(found)
}

/// From the start of the process to its `usher.json`, which it writes just before its ready line.
///
/// Exact to 10 ms, and only as long as no server was restarted: that writes the file again.
pub fn start_up(data: &Path) -> anyhow::Result<Duration> {
    let pid = processes(data)?.into_iter().find(|process| process.name == "usher");
    let pid = pid.context("usher.json names no usher")?.pid;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks: u64 = stat_field(&stat, START_TIME)?.parse()?;
    let boot = fs::read_to_string("/proc/stat")?;
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime "));
    let boot: u64 = boot.context("the kernel names no boot time")?.trim().parse()?;
    let written = fs::metadata(data.join("usher.json"))?.modified()?.duration_since(UNIX_EPOCH)?;
    let started = Duration::from_secs(boot) + Duration::from_millis(ticks * MILLIS_PER_TICK);
    // The boot time is known to a second only: between two reads of the clock it is off by less
    // than that.
    let took = written.checked_sub(started).unwrap_or_default();
    ensure!(took < Duration::from_mins(10), "usher.json was written again since the start");
    Ok(took)
}

/// `USER_HZ` is 100 on every Linux of today.
const MILLIS_PER_TICK: u64 = 10;

/// Positions in `/proc/PID/stat` after the name.
const PARENT: usize = 1;
const START_TIME: usize = 19;

fn stat_field(stat: &str, field: usize) -> anyhow::Result<&str> {
    let (_, after_name) = stat.rsplit_once(')').context("read /proc/PID/stat")?;
    after_name.split_whitespace().nth(field).context("read /proc/PID/stat")
}

fn children_kib(parent: u64) -> anyhow::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir("/proc")?.flatten() {
        // A process may end while we look: then it takes nothing.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        if stat_field(&stat, PARENT)? != parent.to_string() {
            continue;
        }
        let rollup = fs::read_to_string(entry.path().join("smaps_rollup")).unwrap_or_default();
        // Memory shared with the parent is not counted twice.
        sum += field_kib(&rollup, "Private_Clean:") + field_kib(&rollup, "Private_Dirty:");
    }
    Ok(sum)
}

fn field_kib(text: &str, field: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{field_kib, stat_field};

    #[test]
    fn fields_are_found_behind_any_name() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456 0";
        assert_eq!(stat_field(stat, super::PARENT).unwrap(), "1");
        assert_eq!(stat_field(stat, super::START_TIME).unwrap(), "123456");
        assert_eq!(field_kib("VmHWM:\t  100 kB\nVmRSS:\t   90 kB\n", "VmRSS:"), 90);
        assert_eq!(field_kib("", "VmRSS:"), 0);
    }
}
