//! Names that several processes or dashboards share are written in one place only.

use super::{is_rust, is_tidy, lines_where};
use crate::finding::Finding;
use crate::scan;

/// How the literals begin that `schema/src/subject.rs` makes subjects of; a test holds them to it.
const SUBJECTS: [&str; 11] = [
    "\"cmd.",
    "\"jrn.",
    "\"cat.",
    "\"adm.",
    "\"rep.",
    "\"search.",
    "\"settle.",
    "\"inspect.",
    "\"load.",
    "\"state.",
    "\"room.",
];
const SUBJECTS_HOME: &str = "schema/src/";
const METRIC: &str = "\"usher_";
const METRICS_FILE: &str = "metrics.rs";

/// NATS subjects are literals in `schema` only; everybody else calls its functions.
pub fn subjects(path: &str, text: &str) -> Vec<Finding> {
    if !is_rust(path) || is_tidy(path) || path.starts_with(SUBJECTS_HOME) {
        return Vec::new();
    }
    lines_where(path, &scan::code_and_literals(text), |line| {
        let subject = SUBJECTS.iter().find(|subject| line.contains(*subject))?;
        Some(format!("subject literal {subject}..\" outside {SUBJECTS_HOME}"))
    })
}

/// Metric names are literals in files called `metrics.rs` only.
pub fn metrics(path: &str, text: &str) -> Vec<Finding> {
    let home = path.ends_with(&format!("/{METRICS_FILE}"));
    if !is_rust(path) || is_tidy(path) || home {
        return Vec::new();
    }
    lines_where(path, &scan::code_and_literals(text), |line| {
        let found = line.contains(METRIC);
        found.then(|| format!("metric name {METRIC}..\" outside {METRICS_FILE}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_refused_outside_schema_and_accepted_inside() {
        let text = "publish(\"cmd.alloc.3\")\n";
        assert_eq!(subjects("allocator/src/run.rs", text).len(), 1);
        assert_eq!(subjects("allocator/tests/a.rs", text).len(), 1);
        assert_eq!(subjects("schema/src/subjects.rs", text), []);
        assert_eq!(subjects("allocator/src/run.rs", "// \"cmd.alloc.3\"\n"), []);
        assert_eq!(subjects("allocator/src/run.rs", "sort(\"category\", \"command.x\")"), []);
        let literals =
            ["search.query", "settle.cancel", "inspect.alloc.3", "load.settle", "room.E.status"];
        for literal in literals {
            assert_eq!(subjects("ingress/src/a.rs", &format!("ask(\"{literal}\")")).len(), 1);
        }
    }

    #[test]
    fn every_subject_that_schema_names_begins_with_a_guarded_word() {
        let names = include_str!("../../../../schema/src/subject.rs");
        // Keys of buckets look alike, and are nobody's subject.
        let keys = ["\"alloc.", "\"probe.", "\"draw.", "\"witnesses.", "\"here."];
        let literals = names.split('"').skip(1).step_by(2).filter(|name| name.contains('.'));
        let mut found = Vec::new();
        for literal in literals.map(|name| format!("\"{name}")) {
            let guarded = SUBJECTS.iter().find(|word| literal.starts_with(**word));
            let is_key = keys.iter().any(|key| literal.starts_with(key));
            assert!(guarded.is_some() || is_key, "{literal} is not guarded");
            found.extend(guarded);
        }
        for word in &SUBJECTS {
            assert!(found.contains(&word), "{word} guards nothing");
        }
    }

    #[test]
    fn a_metric_name_is_refused_outside_metrics_rs() {
        let text = "counter!(\"usher_holds_total\")\n";
        assert_eq!(metrics("ingress/src/http.rs", text).len(), 1);
        assert_eq!(metrics("ingress/src/metrics.rs", text), []);
        assert_eq!(metrics("ingress/src/http.rs", "name(\"usher\")"), []);
    }
}
