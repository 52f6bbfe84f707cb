//! `usher-bench connections`: opens all, asks over each, and says what they cost.

use super::part::Part;
use super::told::{Told, shares};
use crate::cli;
use crate::machine;
use crate::sample::{named, resident_kib};
use anyhow::{Context as _, ensure};
use serde_json::json;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

/// Connections that one process holds at most: below the 20,000 file handles that it may have.
const PART_MAX: u32 = 18_000;

/// `usher-bench connections`. Fails if not all were open at once, or one was not served.
pub async fn connections(options: &cli::ManyConnections) -> anyhow::Result<ExitCode> {
    ensure!(0 < options.connections, "no connections to open");
    let servers = servers(options)?;
    let memory = || servers.iter().map(|pid| resident_kib(*pid)).collect::<Option<Vec<u64>>>();
    let before = memory().context("a server is gone")?;
    let shares = shares(options.connections, &options.target, PART_MAX);
    let parts = shares.iter().map(|(target, count)| Part::start(options, target, *count));
    let mut parts: Vec<Part> = parts.collect::<anyhow::Result<_>>()?;
    say(&format!("{} connections of {} processes", options.connections, parts.len()))?;
    let opened = told(&mut parts, Duration::ZERO).await?;
    say(&line("opened, and asked once", &opened))?;
    let open_kib = memory().context("a server is gone")?;
    for part in &mut parts {
        part.go_on().await?;
    }
    let longest = Duration::from_secs(u64::from(options.seconds) * u64::from(options.rounds));
    let polled = told(&mut parts, longest).await?;
    say(&line(&format!("asked {} times in turn", options.rounds), &polled))?;
    let polled_kib = memory().context("a server is gone")?;
    for part in parts {
        part.end().await?;
    }
    let each = |kib: &[u64]| bytes_each(&before, kib, options.connections);
    if !servers.is_empty() {
        say(&format!(
            "the servers' resident memory: {} KiB before; {:.0} bytes a connection when opened, \
             {:.0} after the rounds",
            before.iter().sum::<u64>(),
            each(&open_kib),
            each(&polled_kib)
        ))?;
    }
    if let Some(path) = &options.json {
        let whole = json!({
            "commit": machine::commit(), "machine": machine::machine(),
            "connections": options.connections, "targets": options.target,
            "processes": shares.len(), "rounds": options.rounds, "roundSeconds": options.seconds,
            "opened": opened, "polled": polled, "openAtOnce": opened.open.min(polled.open),
            "serverKib": {"before": before, "opened": open_kib, "polled": polled_kib},
            "bytesAConnection": {"opened": each(&open_kib), "polled": each(&polled_kib)},
        });
        let text = serde_json::to_string_pretty(&whole)? + "\n";
        std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    }
    let is_whole = opened.is_whole(options.connections, 1)
        && polled.is_whole(options.connections, options.rounds);
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The processes whose memory is looked at; none if nobody named them.
fn servers(options: &cli::ManyConnections) -> anyhow::Result<Vec<u32>> {
    let mut servers = options.pids.clone();
    if let Some(data) = &options.data {
        let usher = named(data).get("usher").copied();
        servers.push(usher.context("usher.json does not say which process is usher")?);
    }
    Ok(servers)
}

/// What all processes tell, once each of them has.
async fn told(parts: &mut [Part], longest: Duration) -> anyhow::Result<Told> {
    let mut all = Told::default();
    for part in parts {
        all.merge(&part.told(longest).await?);
    }
    Ok(all)
}

fn line(what: &str, told: &Told) -> String {
    let Told { open, served, errors, p99_ms, max_ms } = told;
    let count: u64 = errors.values().sum();
    let errors = if errors.is_empty() { String::new() } else { format!(": {errors:?}") };
    format!(
        "{what}: {open} open at once, {served} served (p99 {p99_ms:.1} ms, max {max_ms:.1} ms), \
         {count} errors{errors}"
    )
}

/// How much the memory of all servers has grown by, for each connection.
fn bytes_each(before: &[u64], now: &[u64], connections: u32) -> f64 {
    let sum =
        |kib: &[u64]| u32::try_from(kib.iter().sum::<u64>()).map_or(f64::from(u32::MAX), f64::from);
    (sum(now) - sum(before)) * 1_024.0 / f64::from(connections)
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}

#[cfg(test)]
mod tests {
    use super::{Told, bytes_each, line};

    #[test]
    fn memory_is_that_of_all_servers_for_each_connection() {
        let each = bytes_each(&[1_000, 2_000], &[11_000, 12_000], 1_024);
        assert!((each - 20_000.0).abs() < 1e-9, "{each}");
    }

    #[test]
    fn errors_are_told_with_their_causes() {
        let mut told = Told { open: 9, served: 9, ..Told::default() };
        assert!(line("opened", &told).ends_with("0 errors"));
        told.errors.insert("503 BUSY".to_owned(), 2);
        assert!(line("opened", &told).ends_with("2 errors: {\"503 BUSY\": 2}"));
    }
}
