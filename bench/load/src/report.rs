//! A run as a page to read, and as a line on the terminal while it goes.

mod progress;

pub use progress::{Progress, Standing};

use crate::record::Tally;
use crate::results::{Finding, Results};
use crate::sample::Samples;
use std::path::Path;

/// All that is known of a run.
pub struct Report<'a> {
    /// The scenario as its file has it.
    pub scenario_text: &'a str,
    pub results: &'a Results,
    pub tally: &'a Tally,
    pub samples: &'a Samples,
    pub findings: &'a [Finding],
}

/// Writes `results.json` and `report.html` into the folder.
pub fn write(folder: &Path, report: &Report<'_>) -> anyhow::Result<()> {
    report.results.write(folder)
}
