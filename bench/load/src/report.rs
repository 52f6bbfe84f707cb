//! A run as a page to read, and as a line on the terminal while it goes.

mod charts;
mod crowd_charts;
mod grid;
mod machine_charts;
mod metrics;
mod page;
mod plot;
mod progress;
mod room_charts;
mod tables;
mod text;

pub use progress::{Progress, Standing};

use crate::record::Tally;
use crate::results::{Finding, Results, Wish};
use crate::sample::Samples;
use anyhow::Context as _;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// All that is known of a run.
pub struct Report<'a> {
    /// The scenario as its file has it.
    pub scenario_text: &'a str,
    pub results: &'a Results,
    pub tally: &'a Tally,
    pub samples: &'a Samples,
    pub findings: &'a [Finding],
    /// What the scenario expects.
    pub wishes: &'a [Wish],
}

/// Writes `results.json` and `report.html` into the folder.
pub fn write(folder: &Path, report: &Report<'_>) -> anyhow::Result<()> {
    report.results.write(folder)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.context("read the clock")?.as_millis();
    let now = schema::UnixMillis(u64::try_from(now).context("read the clock")?);
    let path = folder.join("report.html");
    fs::write(&path, page::page(report, now)).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
