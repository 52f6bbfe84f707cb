//! What those who hold connections tell, and what it is together.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What came of one round of questions, one over each connection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Connections that are open when the round is over.
    pub open: u32,
    /// Answers of 200.
    pub served: u64,
    /// Everything else, by what it was.
    pub errors: BTreeMap<String, u64>,
    /// Of several processes the worst.
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Told {
    pub fn merge(&mut self, other: &Self) {
        self.open += other.open;
        self.served += other.served;
        for (label, count) in &other.errors {
            *self.errors.entry(label.clone()).or_default() += count;
        }
        self.p99_ms = self.p99_ms.max(other.p99_ms);
        self.max_ms = self.max_ms.max(other.max_ms);
    }

    /// All were open, and each was served in each of so many rounds.
    pub fn is_whole(&self, connections: u32, rounds: u32) -> bool {
        let wanted = u64::from(connections) * u64::from(rounds);
        self.open == connections && self.served == wanted && self.errors.is_empty()
    }
}

/// Who holds how many: all targets alike, and no process more than `part_max`.
pub fn shares(connections: u32, targets: &[String], part_max: u32) -> Vec<(&str, u32)> {
    assert!(0 < part_max);
    let mut shares = Vec::new();
    let of_targets = evenly(connections, u32::try_from(targets.len()).expect("a few targets"));
    for (target, of_target) in targets.iter().zip(of_targets) {
        let parts = evenly(of_target, of_target.div_ceil(part_max));
        shares.extend(parts.into_iter().map(|part| (target.as_str(), part)));
    }
    shares
}

/// Splits `whole` so that no two parts differ by more than one.
pub fn evenly(whole: u32, parts: u32) -> Vec<u32> {
    (0..parts).map(|part| whole / parts + u32::from(part < whole % parts)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Told, shares};

    #[test]
    fn no_process_holds_more_than_it_has_file_handles_for() {
        let targets = ["http://a", "http://b", "http://c"].map(str::to_owned);
        let shares = shares(100_000, &targets, 18_000);
        assert_eq!(shares.iter().map(|(_, count)| count).sum::<u32>(), 100_000);
        assert!(shares.iter().all(|(_, count)| *count <= 18_000), "{shares:?}");
        let of_first = shares.iter().filter(|(target, _)| *target == "http://a");
        assert_eq!(of_first.map(|(_, count)| *count).collect::<Vec<_>>(), [16_667, 16_667]);
        assert_eq!(shares.len(), 6);
    }

    #[test]
    fn one_connection_that_is_not_served_shows() {
        let told = |open: u32, served: u64| Told { open, served, ..Told::default() };
        let mut all = told(10, 20);
        all.merge(&told(5, 10));
        assert!(all.is_whole(15, 2));
        assert!(!all.is_whole(15, 3) && !all.is_whole(16, 2));
        let mut failed = told(15, 30);
        failed.errors.insert("503 BUSY".to_owned(), 1);
        assert!(!failed.is_whole(15, 2));
        all.merge(&Told { p99_ms: 3.0, max_ms: 9.0, ..failed });
        assert_eq!((all.errors["503 BUSY"], all.p99_ms.round()), (1, 3.0));
    }
}
