//! What a scenario expects, held against what came.

use crate::engine::Played;
use crate::record::Deed;
use crate::results::{Finding, Kept};
use crate::scenario::Scenario;

/// The name under which targets stand beside promises. Missing one is no broken promise.
const TARGET: &str = "target";

pub fn expected(scenario: &Scenario, played: &Played) -> Vec<Finding> {
    let expect = &scenario.expect;
    let counts = &played.counts;
    let mut findings = Vec::new();
    if let Some(most) = expect.errors_max {
        let share = ratio(counts.errors, counts.asked);
        let says = format!(
            "errors: {} of {} answers ({:.4} %), at most {:.4} %",
            counts.errors,
            counts.asked,
            share * 100.0,
            most * 100.0
        );
        findings.push(finding(share <= most, says));
    }
    if let Some(most) = expect.shed_max {
        let share = ratio(counts.shed, counts.asked);
        let says = format!(
            "asked to come later: {} of {} answers ({:.4} %), at most {:.4} %",
            counts.shed,
            counts.asked,
            share * 100.0,
            most * 100.0
        );
        findings.push(finding(share <= most, says));
    }
    for (name, most) in &expect.p99_ms {
        let deed = serde_json::from_value::<Deed>(name.as_str().into());
        let deed = deed.expect("a scenario was checked for its deeds");
        let Some(latency) = played.tally.latency.get(&deed) else { continue };
        let p99 = latency.at(0.99).as_secs_f64() * 1_000.0;
        let says = format!("{name}: p99 {p99:.1} ms, at most {most} ms");
        findings.push(finding(p99 <= *most, says));
    }
    if let Some(least) = expect.sold_min {
        let says = format!("{} places sold, at least {least}", counts.sold);
        findings.push(finding(least <= counts.sold, says));
    }
    if expect.sold_out == Some(true) {
        let says = match counts.sold_out {
            Some(at) => format!("sold out after {:.1} s", at.as_secs_f64()),
            None => "not sold out at the end".to_owned(),
        };
        findings.push(finding(counts.sold_out.is_some(), says));
    }
    findings
}

fn finding(met: bool, says: String) -> Finding {
    Finding { promise: TARGET, kept: if met { Kept::Held } else { Kept::Broken }, says }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^53")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::expected;
    use crate::engine::{Counts, Played};
    use crate::record::{Deed, Latency};
    use crate::results::Kept;
    use crate::scenario;
    use std::time::Duration;

    #[test]
    fn a_missed_target_is_told_with_both_figures() {
        let (mut scenario, _) = scenario::find("smoke", true).unwrap();
        scenario.expect.sold_min = Some(500);
        let counts = Counts { asked: 1_000, errors: 1, sold: 499, ..Counts::default() };
        let mut played = Played { counts, ..Played::default() };
        let mut latency = Latency::default();
        latency.add(Duration::from_millis(700));
        played.tally.latency.insert(Deed::Reserve, latency);
        let missed = expected(&scenario, &played);
        let missed = missed.iter().filter(|finding| finding.kept == Kept::Broken);
        let says = missed.map(|finding| finding.says.as_str()).collect::<Vec<_>>();
        assert_eq!(says.len(), 3, "{says:?}");
        assert!(says[0].contains("1 of 1000"), "{says:?}");
        assert!(says[1].starts_with("reserve: p99 700"), "{says:?}");
        assert_eq!(says[2], "499 places sold, at least 500");
    }
}
