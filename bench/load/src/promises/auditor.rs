//! Asks the system to audit itself: `usher audit --all`, by the binary beside ours.

use super::check::Checks;
use super::findings::Findings;
use anyhow::{Context as _, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// How long an audit may take: it reads every journal up to five times.
const AUDIT_WAIT: Duration = Duration::from_mins(10);

/// What the audit covers wholly; no difference means that these hold.
const COVERED: [&str; 5] = ["SEAT-1", "SEAT-2", "ORD-2", "ORD-3", "MON-1"];

/// What it covers in part: told only when broken.
const TOUCHED: [&str; 3] = ["SEAT-3", "CMD-1", "FENCE-1"];

/// A journal that cannot be read in its order says nothing of each of its positions.
const UNNAMED: &str = "SEAT-2";

/// What the audit of the system in `data` found.
pub async fn audited(data: &Path) -> Checks {
    let mut findings = Findings::default();
    let made = audit(data, &mut findings).await;
    let unmade = made.err().map(|error| format!("audit: {error:#}"));
    Checks { findings: findings.into_list(), unmade: unmade.into_iter().collect() }
}

/// Audits the system in `data`.
pub async fn audit(data: &Path, findings: &mut Findings) -> anyhow::Result<()> {
    let own = std::env::current_exe().context("find this program's own binary")?;
    let usher = own.with_file_name("usher");
    let mut command = Command::new(&usher);
    command.args(["audit", "--all", "--data"]).arg(data).env("USHER__LOG__FILTER", "error");
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let done = timeout(AUDIT_WAIT, command.output()).await.context("the audit takes too long")?;
    let done = done.with_context(|| format!("run {}", usher.display()))?;
    let said = String::from_utf8_lossy(&done.stdout);
    let lines: Vec<&str> = said.lines().collect();
    let (summary, differences) = lines.split_last().context("the audit said nothing")?;
    let code = done.status.code();
    ensure!(matches!(code, Some(0 | 1)), "{summary} ({})", done.status);
    read(summary, differences, findings);
    let agrees = (code == Some(0)) == differences.is_empty();
    ensure!(agrees, "{summary}, but {} differences were told", differences.len());
    Ok(())
}

/// Sorts differences by the promises that they name.
pub fn read(summary: &str, differences: &[&str], findings: &mut Findings) {
    let mut by_promise: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for difference in differences {
        let named = difference.split([' ', ':']).next().unwrap_or_default();
        let known = COVERED.iter().chain(&TOUCHED).find(|promise| **promise == named);
        let promise = known.copied().unwrap_or(UNNAMED);
        by_promise.entry(promise).or_default().push((*difference).to_owned());
    }
    for promise in COVERED.iter().chain(&TOUCHED) {
        let faults = by_promise.remove(promise).unwrap_or_default();
        if !faults.is_empty() || COVERED.contains(promise) {
            let seen = format!("usher audit: {summary}");
            findings.judge(promise, &seen, "differences in the audit", &faults);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::audited;

    #[tokio::test]
    async fn an_audit_that_could_not_be_made_is_no_success() {
        // Nothing runs in an empty folder, whether or not there is a binary to ask.
        let data = tempfile::tempdir().unwrap();
        let checks = audited(data.path()).await;
        assert!(checks.findings.is_empty(), "{checks:?}");
        assert_eq!(checks.unmade.len(), 1, "{checks:?}");
    }
}
