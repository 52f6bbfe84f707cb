//! The machine-readable outcome of a run: `results.json`.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The file's form. Names and fields are public: scripts read them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    pub scenario: String,
    pub commit: String,
    pub machine: String,
    pub figures: BTreeMap<String, Figure>,
    pub ratios: BTreeMap<String, f64>,
    /// By id; a promise that the run did not check is left out.
    pub promises: BTreeMap<String, Kept>,
    /// What the scenario expects, by the names that it has there. Missing it breaks no promise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub targets: BTreeMap<String, Met>,
    /// Checks that could not be made, and why: no promise is broken, and none is held by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmade: Vec<String>,
}

/// One figure. Percentiles are in milliseconds, and only there where times were measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    pub value: f64,
    pub unit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p999: Option<f64>,
}

/// What a check of a promise found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub promise: &'static str,
    pub kept: Kept,
    /// A sentence for people.
    pub says: String,
}

/// What became of a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    Held,
    Broken,
}

/// One wish of a scenario, and what came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub name: String,
    pub met: Met,
    /// A sentence for people.
    pub says: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Met {
    Met,
    Missed,
}

impl Results {
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self).context("write results as JSON")?;
        let path = folder.join("results.json");
        fs::write(&path, text + "\n").with_context(|| format!("write {}", path.display()))
    }

    pub fn broken(&self) -> impl Iterator<Item = &str> {
        let broken = self.promises.iter().filter(|(_, kept)| **kept == Kept::Broken);
        broken.map(|(promise, _)| promise.as_str())
    }

    /// Every promise that was to be checked was, and held.
    pub fn is_clean(&self) -> bool {
        self.broken().next().is_none() && self.unmade.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Figure, Kept, Met, Results};
    use serde_json::json;

    #[test]
    fn the_file_has_the_public_form() {
        let reserve = Figure {
            value: 9_000.5,
            unit: "1/s".to_owned(),
            p50: Some(5.5),
            p99: None,
            p999: None,
        };
        let results = Results {
            scenario: "smoke".to_owned(),
            commit: "abc".to_owned(),
            machine: "2 cores".to_owned(),
            figures: [("reserve_per_second".to_owned(), reserve)].into(),
            ratios: [("booking_vs_conventional".to_owned(), 2.5)].into(),
            promises: [("SEAT-1".to_owned(), Kept::Held), ("CMD-1".to_owned(), Kept::Broken)]
                .into(),
            targets: [("sold_min".to_owned(), Met::Missed)].into(),
            unmade: vec!["audit: no answer".to_owned()],
        };
        let expected = json!({
            "scenario": "smoke", "commit": "abc", "machine": "2 cores",
            "figures": {"reserve_per_second": {"value": 9_000.5, "unit": "1/s", "p50": 5.5}},
            "ratios": {"booking_vs_conventional": 2.5},
            "promises": {"CMD-1": "broken", "SEAT-1": "held"},
            "targets": {"sold_min": "missed"},
            "unmade": ["audit: no answer"],
        });
        assert_eq!(serde_json::to_value(&results).unwrap(), expected);
        assert_eq!(results.broken().collect::<Vec<_>>(), ["CMD-1"]);
    }

    #[test]
    fn a_check_that_could_not_be_made_is_no_success() {
        let mut results = Results::default();
        results.promises.insert("SEAT-1".to_owned(), Kept::Held);
        results.targets.insert("sold_min".to_owned(), Met::Missed);
        assert!(results.is_clean(), "a missed target breaks no promise");
        results.unmade.push("audit: no answer".to_owned());
        assert!(!results.is_clean());
        assert_eq!(results.broken().count(), 0);
    }
}
