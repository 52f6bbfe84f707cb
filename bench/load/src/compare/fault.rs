//! Which turns do not count.

use crate::measure::Measured;

/// Largest share of answers other than those that were wished for.
///
/// They lower a rate without showing in a ratio why: a baseline that refuses or fails would flatter
/// Usher. Below it, a stray one does not cost a whole comparison.
const OTHER_SHARE_MAX: f64 = 0.01;

/// Why a turn does not count; none if it does.
pub fn fault(measured: &Measured) -> Option<String> {
    fault_but_for(measured, |_| false)
}

/// As [`fault`], of polls beside another's: to be told to come later (429) is left aside, since how
/// often a place may ask is part of the contract. It shows beside the figure.
pub fn fault_of_polls(measured: &Measured) -> Option<String> {
    fault_but_for(measured, |label| label.starts_with("429"))
}

fn fault_but_for(measured: &Measured, is_told: impl Fn(&str) -> bool) -> Option<String> {
    let others = measured.other.iter().filter(|(label, _)| !is_told(label));
    let other: u64 = others.map(|(_, count)| count).sum();
    let all = measured.good_all + other;
    if OTHER_SHARE_MAX < share(other, all) {
        let heard = &measured.other;
        return Some(format!("{other} of {all} answers were not those wished for: {heard:?}"));
    }
    (measured.per_second <= 0.0).then(|| "nothing was done".to_owned())
}

#[expect(clippy::cast_precision_loss, reason = "answers of a turn are far below 2^53")]
fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

#[cfg(test)]
mod tests {
    use super::{fault, fault_of_polls};
    use crate::measure::Measured;

    fn measured(good: u64, other: &[(&str, u64)]) -> Measured {
        let other = other.iter().map(|(label, count)| ((*label).to_owned(), *count)).collect();
        Measured { good_all: good, per_second: 1.0, other, ..Measured::default() }
    }

    #[test]
    fn a_turn_with_more_than_one_per_cent_of_other_answers_does_not_count() {
        assert_eq!(fault(&measured(990, &[("409 SEAT_TAKEN", 10)])), None);
        let said = fault(&measured(989, &[("409 SEAT_TAKEN", 6), ("503 BUSY", 5)])).unwrap();
        assert!(said.starts_with("11 of 1000 answers") && said.contains("503 BUSY"), "{said}");
        assert!(fault(&measured(0, &[("503 BUSY", 1)])).is_some());
    }

    #[test]
    fn polls_may_be_told_to_come_later_and_nobody_else() {
        let told = [("429 TOO_MANY_REQUESTS", 500)];
        assert_eq!(fault_of_polls(&measured(500, &told)), None);
        assert!(fault(&measured(500, &told)).is_some());
        assert!(fault_of_polls(&measured(500, &[("404", 500)])).is_some());
    }

    #[test]
    fn a_turn_in_which_nothing_was_done_does_not_count() {
        assert!(fault(&Measured::default()).is_some());
        // What a limit of the machine did has a rate, and no answers.
        assert_eq!(fault(&Measured { per_second: 5.0, ..Measured::default() }), None);
    }
}
