//! A system of our own for turns, and what comes of them: files, last words and an exit code.

use crate::machine;
use crate::promises::{Checks, audited};
use crate::record::Tally;
use crate::report::{self, Report};
use crate::results::{Figure, Finding, Kept, Met, Results, Wish};
use crate::sample::{Sampler, Samples, Watched};
use crate::system::{Launch, System};
use anyhow::Context as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What was made of a system, what was seen of it meanwhile, and what its audit found at the end.
pub struct Seen<T> {
    pub made: T,
    pub samples: Samples,
    pub checks: Checks,
}

/// All that goes into the files.
pub struct Outcome {
    pub name: String,
    /// What was asked for, as text.
    pub text: String,
    pub figures: BTreeMap<String, Figure>,
    pub ratios: BTreeMap<String, f64>,
    pub tally: Tally,
    pub samples: Samples,
    pub checks: Checks,
    /// What is wished for besides. A missed one is only told.
    pub wishes: Vec<Wish>,
    /// Why turns do not count.
    pub faults: Vec<String>,
}

/// Makes the folder of a command's files: `given`, or one of this name.
pub fn folder(given: Option<&Path>, name: &str) -> anyhow::Result<PathBuf> {
    let out = given.map_or_else(|| PathBuf::from("bench-results").join(name), Path::to_owned);
    fs::create_dir_all(&out).with_context(|| format!("make {}", out.display()))?;
    fs::canonicalize(&out).with_context(|| format!("find {}", out.display()))
}

/// Does the work with a new system, which is watched meanwhile and audited before it ends. What the
/// work starts besides is watched too, if it is added by name and id.
pub async fn watched<T>(
    out: &Path,
    work: impl AsyncFnOnce(&System, &Mutex<BTreeMap<String, u32>>) -> anyhow::Result<T>,
) -> anyhow::Result<Seen<T>> {
    let system = System::start(Launch::new(out)?).await.context("start usher")?;
    let watched = Watched { data: Some(system.data.clone()), ..Watched::default() };
    let others = Arc::clone(&watched.processes);
    let sampler = Sampler::start(watched, Instant::now())?;
    let made = work(&system, &others).await;
    let seen = sampler.stop().await?;
    let made = made?;
    say("audit")?;
    let checks = audited(&system.data).await;
    system.stop().await?;
    Ok(Seen { made, samples: seen, checks })
}

impl Outcome {
    /// Writes `results.json` and `report.html` and says what was found. Fails if a promise was
    /// broken, or if a turn does not count.
    pub fn finish(self, out: &Path) -> anyhow::Result<ExitCode> {
        let mut figures = self.samples.figures();
        figures.extend(self.figures);
        let Checks { findings, unmade } = self.checks;
        let promises = findings.iter().map(|finding| (finding.promise.to_owned(), finding.kept));
        let results = Results {
            scenario: self.name,
            commit: machine::commit(),
            machine: machine::machine(),
            figures,
            ratios: self.ratios,
            promises: promises.collect(),
            targets: self.wishes.iter().map(|wish| (wish.name.clone(), wish.met)).collect(),
            unmade,
        };
        for Finding { promise, kept, says } in &findings {
            let kept = if *kept == Kept::Held { "held" } else { "BROKEN" };
            say(&format!("{promise:<8} {kept:<8} {says}"))?;
        }
        for Wish { met, says, .. } in &self.wishes {
            let met = if *met == Met::Met { "met" } else { "MISSED" };
            say(&format!("{:<8} {met:<8} {says}", "target"))?;
        }
        for why in &results.unmade {
            say(&format!("could NOT be checked: {why}"))?;
        }
        for fault in &self.faults {
            say(&format!("a turn does NOT COUNT: {fault}"))?;
        }
        report::write(
            out,
            &Report {
                scenario_text: &self.text,
                results: &results,
                tally: &self.tally,
                samples: &self.samples,
                findings: &findings,
                wishes: &self.wishes,
            },
        )?;
        say(&out.display().to_string())?;
        let fails = !results.is_clean() || !self.faults.is_empty();
        Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

pub fn write(path: &Path, value: &Value) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

pub fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}

#[cfg(test)]
mod tests {
    use super::{Checks, Finding, Kept, Met, Outcome, Samples, Tally, Wish};
    use std::collections::BTreeMap;
    use std::fs;
    use std::process::ExitCode;

    fn outcome(kept: Kept, faults: &[&str]) -> Outcome {
        let says = "as the audit says".to_owned();
        let finding = Finding { promise: "SEAT-1", kept, says: says.clone() };
        Outcome {
            name: "flash-sale".to_owned(),
            text: "closed loop".to_owned(),
            figures: BTreeMap::new(),
            ratios: [("booking_vs_conventional".to_owned(), 2.5)].into(),
            tally: Tally::default(),
            samples: Samples::default(),
            checks: Checks { findings: vec![finding], unmade: vec![] },
            wishes: vec![Wish { name: "reserve_flat".to_owned(), met: Met::Missed, says }],
            faults: faults.iter().map(|fault| (*fault).to_owned()).collect(),
        }
    }

    #[test]
    fn a_broken_promise_and_a_turn_that_does_not_count_are_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let code = |kept, faults: &[&str]| outcome(kept, faults).finish(folder.path()).unwrap();
        assert_eq!(code(Kept::Held, &[]), ExitCode::SUCCESS);
        assert_eq!(code(Kept::Held, &["503 BUSY"]), ExitCode::FAILURE);
        assert_eq!(code(Kept::Broken, &[]), ExitCode::FAILURE);
        let results = fs::read(folder.path().join("results.json")).unwrap();
        let results: serde_json::Value = serde_json::from_slice(&results).unwrap();
        assert_eq!(results["promises"]["SEAT-1"], "broken");
        let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
        assert!(page.contains("booking_vs_conventional</th><td>2.5 ×"), "{page}");
    }
}
