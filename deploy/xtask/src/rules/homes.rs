//! Names that several processes or dashboards share are written in one place only.

use super::{is_rust, is_tidy, lines_where};
use crate::finding::Finding;
use crate::scan;

const SUBJECTS: [&str; 5] = ["\"cmd.", "\"jrn.", "\"cat.", "\"adm.", "\"rep."];
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
    }

    #[test]
    fn a_metric_name_is_refused_outside_metrics_rs() {
        let text = "counter!(\"usher_holds_total\")\n";
        assert_eq!(metrics("ingress/src/http.rs", text).len(), 1);
        assert_eq!(metrics("ingress/src/metrics.rs", text), []);
        assert_eq!(metrics("ingress/src/http.rs", "name(\"usher\")"), []);
    }
}
