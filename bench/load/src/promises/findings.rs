//! Gathers what checks say into one finding for each promise.

use crate::results::{Finding, Kept};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Findings(BTreeMap<&'static str, (Kept, Vec<String>)>);

impl Findings {
    pub fn held(&mut self, promise: &'static str, says: impl Into<String>) {
        self.say(promise, Kept::Held, says.into());
    }

    pub fn broken(&mut self, promise: &'static str, says: impl Into<String>) {
        self.say(promise, Kept::Broken, says.into());
    }

    /// Broken if there are `faults`, of which the first is told; otherwise held by what was seen.
    pub fn judge(&mut self, promise: &'static str, seen: &str, what: &str, faults: &[String]) {
        match faults {
            [] => self.held(promise, seen),
            [first, ..] => {
                let count = faults.len();
                self.broken(promise, format!("{count} {what} ({seen}), such as: {first}"));
            }
        }
    }

    /// What is broken by one check stays broken, and is told before what others found.
    fn say(&mut self, promise: &'static str, kept: Kept, says: String) {
        let (before, sentences) = self.0.entry(promise).or_insert((Kept::Held, Vec::new()));
        if kept == Kept::Broken && *before == Kept::Held {
            sentences.clear();
        }
        if kept == Kept::Broken || *before == Kept::Held {
            sentences.push(says);
        }
        if kept == Kept::Broken {
            *before = Kept::Broken;
        }
    }

    pub fn into_list(self) -> Vec<Finding> {
        let finding = |(promise, (kept, sentences)): (_, (_, Vec<String>))| Finding {
            promise,
            kept,
            says: sentences.join("; "),
        };
        self.0.into_iter().map(finding).collect()
    }
}
