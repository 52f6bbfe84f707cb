//! The machine and the source, as far as they can be known from here.

use std::fs;
use std::process::Command;

/// Where the source lies, if it still lies where this program was built.
const SOURCE: &str = env!("CARGO_MANIFEST_DIR");

/// Cores, memory, processor and kernel, in one line.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    describe(cores, &memory, &processors, &kernel)
}

/// The commit of the source, with `-dirty` where files differ from it; `unknown` without either.
pub fn commit() -> String {
    let Some(head) = git(&["rev-parse", "HEAD"]).filter(|head| !head.is_empty()) else {
        return "unknown".to_owned();
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    let clean = changed.is_some_and(|changed| changed.is_empty());
    if clean { head } else { format!("{head}-dirty") }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(SOURCE).args(arguments).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(said)
}

fn describe(cores: usize, memory: &str, processors: &str, kernel: &str) -> String {
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let kib = field(memory, "MemTotal")
        .and_then(|memory| memory.split_whitespace().next()?.parse::<u32>().ok());
    let memory = kib.map_or_else(
        || "unknown memory".to_owned(),
        |kib| format!("{:.1} GiB", f64::from(kib) / (1_024.0 * 1_024.0)),
    );
    let processor = field(processors, "model name").unwrap_or_else(|| "unknown CPU".to_owned());
    let noun = if cores == 1 { "core" } else { "cores" };
    format!("{cores} {noun}, {memory}, {processor}, Linux {}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::{describe, machine};

    #[test]
    fn a_machine_is_one_line() {
        let memory = "MemTotal:       25165824 kB\nMemFree: 1 kB\n";
        let processors = "processor\t: 0\nmodel name\t: AMD EPYC\n";
        let line = describe(2, memory, processors, "6.1.0\n");
        assert_eq!(line, "2 cores, 24.0 GiB, AMD EPYC, Linux 6.1.0");
        assert_eq!(describe(1, "", "", "x"), "1 core, unknown memory, unknown CPU, Linux x");
        assert!(!machine().contains('\n'));
    }
}
