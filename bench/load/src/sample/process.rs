//! What processes take of the machine, with their children.

use super::proc_files::{self, Stat, field_kib};
use super::samples::Process;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// A reading of proportional memory that takes longer is not repeated: the kernel walks every page
/// of the process for it, and holds its memory lock.
const COST_MAX: Duration = Duration::from_millis(5);

/// Process ids by name.
pub type Named = BTreeMap<String, u32>;

/// Reads processes again and again.
#[derive(Default)]
pub(super) struct Processes {
    /// Those whose proportional memory is too much work.
    costly: Vec<String>,
}

impl Processes {
    /// `proportional` asks for that figure too, which costs more.
    pub(super) fn look(
        &mut self,
        named: &Named,
        at: Duration,
        proportional: bool,
    ) -> BTreeMap<String, Process> {
        let table = table();
        let mut found = BTreeMap::new();
        for (name, pid) in named {
            let family = family(*pid, &table, named);
            if family.is_empty() {
                continue;
            }
            let mut process = sum(&family, &table, at);
            if proportional && !self.costly.contains(name) {
                let asked = Instant::now();
                process.proportional_kib = proportional_kib(&family);
                if COST_MAX < asked.elapsed() {
                    self.costly.push(name.clone());
                }
            }
            found.insert(name.clone(), process);
        }
        found
    }
}

/// How much time on a core each process that `usher.json` names has taken with its children so far.
pub fn cpu(data: &Path) -> BTreeMap<String, Duration> {
    let (named, table) = (named(data), table());
    let taken = |root: u32| {
        let family = family(root, &table, &named).into_iter();
        family.map(|pid| table[&pid].cpu + table[&pid].cpu_ended).sum()
    };
    named.iter().map(|(name, pid)| (name.clone(), taken(*pid))).collect()
}

/// The resident memory of one process alone; `None` if it is gone.
pub fn resident_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(field_kib(&status, "VmRSS:"))
}

/// The process ids that `usher.json` names; none while it is not there.
pub fn named(data: &Path) -> Named {
    let text = fs::read(data.join("usher.json")).unwrap_or_default();
    let running: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    let Some(pids) = running["pids"].as_object() else { return Named::new() };
    let pid = |pid: &serde_json::Value| u32::try_from(pid.as_u64()?).ok();
    pids.iter().filter_map(|(name, value)| Some((name.clone(), pid(value)?))).collect()
}

fn table() -> BTreeMap<u32, Stat> {
    let mut table = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(pid) = pid else { continue };
        // A process may end while we look: then it takes nothing.
        let Ok(text) = fs::read_to_string(entry.path().join("stat")) else { continue };
        if let Some(stat) = proc_files::stat(&text) {
            table.insert(pid, stat);
        }
    }
    table
}

/// The process, then everything below it that does not belong to another name. Empty if it is gone.
fn family(root: u32, table: &BTreeMap<u32, Stat>, named: &Named) -> Vec<u32> {
    if !table.contains_key(&root) {
        return Vec::new();
    }
    let mut family = vec![root];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        let children = table.iter().filter(|(_, stat)| stat.parent == parent);
        let children = children.map(|(pid, _)| *pid);
        family.extend(children.filter(|pid| named.values().all(|other| other != pid)));
        next += 1;
    }
    family
}

fn sum(family: &[u32], table: &BTreeMap<u32, Stat>, at: Duration) -> Process {
    let mut sum = Process { at, open_files: Some(0), ..Process::default() };
    let (mut own_kib, mut shared_kib) = (0, 0);
    for (idx, pid) in family.iter().enumerate() {
        let Some(stat) = table.get(pid) else { continue };
        sum.cpu += stat.cpu + stat.cpu_ended;
        sum.threads += stat.threads;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        own_kib += field_kib(&status, "RssAnon:");
        // Children map the same program and the same shared memory; the largest view counts.
        let shared = field_kib(&status, "RssShmem:");
        let program = if idx == 0 { field_kib(&status, "RssFile:") } else { 0 };
        shared_kib = shared_kib.max(shared);
        own_kib += program;
        let files = fs::read_dir(format!("/proc/{pid}/fd")).map(Iterator::count);
        let files = files.ok().and_then(|count| u32::try_from(count).ok());
        sum.open_files = sum.open_files.zip(files).map(|(sum, files)| sum + files);
    }
    sum.resident_kib = own_kib + shared_kib;
    sum
}

fn proportional_kib(family: &[u32]) -> Option<u64> {
    let mut sum = 0;
    for pid in family {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        sum += field_kib(&rollup, "Pss:");
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::{Named, Processes, Stat, cpu, family, named, resident_kib};
    use std::collections::BTreeMap;
    use std::time::{Duration, Instant};

    #[test]
    fn children_belong_to_their_nearest_name() {
        let stat = |parent| Stat { parent, ..Stat::default() };
        // 1 starts 2 and 5; 2 starts 3, which starts 4.
        let table: BTreeMap<u32, Stat> =
            [(1, stat(0)), (2, stat(1)), (3, stat(2)), (4, stat(3)), (5, stat(1))].into();
        let named: Named = [("usher".to_owned(), 1), ("postgres".to_owned(), 2)].into();
        assert_eq!(family(1, &table, &named), [1, 5]);
        assert_eq!(family(2, &table, &named), [2, 3, 4]);
        assert!(family(9, &table, &named).is_empty());
    }

    #[test]
    fn this_process_takes_memory_files_and_a_core() {
        let own: Named = [("bench".to_owned(), std::process::id())].into();
        let mut processes = Processes::default();
        let found = processes.look(&own, Duration::ZERO, true)["bench"];
        assert!(1_000 < found.resident_kib && 0 < found.threads, "{found:?}");
        assert!(found.open_files.is_some_and(|files| 2 < files), "{found:?}");
        assert!(found.proportional_kib.is_some(), "{found:?}");
        assert!(resident_kib(std::process::id()).is_some_and(|kib| 1_000 < kib));
        let again = processes.look(&own, Duration::from_secs(1), false)["bench"];
        assert!(found.cpu <= again.cpu && again.proportional_kib.is_none());
    }

    #[test]
    fn work_shows_as_time_on_a_core() {
        let data = tempfile::tempdir().unwrap();
        let text = format!(r#"{{"pids": {{"usher": {}}}}}"#, std::process::id());
        std::fs::write(data.path().join("usher.json"), text).unwrap();
        let (asked, before) = (Instant::now(), cpu(data.path())["usher"]);
        while cpu(data.path())["usher"] <= before {
            assert!(asked.elapsed() < Duration::from_secs(20), "looking is work");
        }
    }

    #[test]
    fn a_system_that_does_not_run_names_nobody() {
        let data = tempfile::tempdir().unwrap();
        assert!(named(data.path()).is_empty());
        let text = r#"{"http": "x", "pids": {"usher": 7, "nats": null}}"#;
        std::fs::write(data.path().join("usher.json"), text).unwrap();
        assert_eq!(named(data.path()), Named::from([("usher".to_owned(), 7)]));
    }
}
