//! Which turns do not count.

use super::pairs::{Pair, median};
use crate::measure::Measured;

/// Largest share of answers other than those that were wished for.
///
/// They lower a rate without showing in a ratio why: a baseline that refuses or fails would flatter
/// Usher. Below it, a stray one does not cost a whole comparison.
const OTHER_SHARE_MAX: f64 = 0.01;

/// How many times as fast as the others of its side a turn may be, or as slow.
///
/// Turns of one side do the same, so what makes them differ is the machine: on a shared one they
/// are up to twice as far apart, and below that good comparisons would be thrown away. Above three
/// a side stood still for most of a turn, and a ratio with it would tell of that instead of speed.
const AWAY_MAX: f64 = 3.0;

/// Most that Usher may take of the cores while another is asked, in the median of the pairs.
///
/// It cleans up after its own turn, and checkpoints now and then. On two cores a third of one is a
/// sixth of what the other could have, and that much a ratio may flatter Usher.
const IDLE_CORES_MAX: f64 = 0.33;

/// Why a comparison does not count, if Usher was busy in the other's turns.
pub fn fault_of_idle(pairs: &[Pair]) -> Option<String> {
    let cores = median(pairs.iter().map(|pair| pair.usher_cores));
    (IDLE_CORES_MAX < cores).then(|| format!("Usher took {cores:.2} cores in the other's turns"))
}

/// Why a turn does not count; none if it does.
pub fn fault(measured: &Measured) -> Option<String> {
    fault_but_for(measured, |_| false)
}

/// As [`fault`], of polls beside another's: to be told to come later (429) is left aside, since how
/// often a place may ask is part of the contract. It shows beside the figure.
pub fn fault_of_polls(measured: &Measured) -> Option<String> {
    fault_but_for(measured, |label| label.starts_with("429"))
}

/// As [`fault`], of what is made before a turn: that may be done before a rate is taken.
pub fn fault_of_making(measured: &Measured) -> Option<String> {
    let nothing = || (measured.good_all == 0).then(|| "nothing was done".to_owned());
    other_answers(measured, |_| false).or_else(nothing)
}

/// Of the turns of one side, in their order: why they do not count beside the others.
pub fn faults_beside(rates: &[f64]) -> impl Iterator<Item = Option<String>> {
    (0..rates.len()).map(|idx| {
        let rate = rates[idx];
        let siblings = [&rates[..idx], &rates[idx + 1..]].concat();
        if siblings.is_empty() {
            return None;
        }
        let beside = median(siblings);
        let is_away = AWAY_MAX * rate.min(beside) < rate.max(beside);
        is_away.then(|| format!("{rate:.0}/s beside {beside:.0}/s of the same side's other turns"))
    })
}

fn fault_but_for(measured: &Measured, is_told: impl Fn(&str) -> bool) -> Option<String> {
    let nothing = || (measured.per_second <= 0.0).then(|| "nothing was done".to_owned());
    other_answers(measured, is_told).or_else(nothing)
}

fn other_answers(measured: &Measured, is_told: impl Fn(&str) -> bool) -> Option<String> {
    let others = measured.other.iter().filter(|(label, _)| !is_told(label));
    let other: u64 = others.map(|(_, count)| count).sum();
    let all = measured.good_all + other;
    (OTHER_SHARE_MAX < share(other, all)).then(|| {
        let heard = &measured.other;
        format!("{other} of {all} answers were not those wished for: {heard:?}")
    })
}

#[expect(clippy::cast_precision_loss, reason = "answers of a turn are far below 2^53")]
fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

#[cfg(test)]
mod tests {
    use super::{Pair, fault, fault_of_idle, fault_of_making, fault_of_polls, faults_beside};
    use crate::measure::Measured;

    #[test]
    fn other_turns_in_which_usher_was_busy_do_not_count() {
        let pairs =
            |cores: [f64; 3]| cores.map(|usher_cores| Pair { usher: 2.0, other: 1.0, usher_cores });
        assert_eq!(fault_of_idle(&pairs([0.06, 0.48, 0.15])), None);
        assert!(fault_of_idle(&pairs([0.06, 0.48, 1.4])).unwrap().contains("0.48 cores"));
    }

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
        // All of it came within the warm-up.
        let early = Measured { per_second: 0.0, ..measured(1_536, &[]) };
        assert!(fault(&early).is_some() && fault_of_making(&early).is_none());
        assert!(fault_of_making(&Measured::default()).is_some());
        assert!(fault_of_making(&measured(5, &[("409 SEAT_TAKEN", 5)])).is_some());
        // What a limit of the machine did has a rate, and no answers.
        assert_eq!(fault(&Measured { per_second: 5.0, ..Measured::default() }), None);
    }

    #[test]
    fn a_turn_more_than_three_times_away_from_the_others_does_not_count() {
        let away = |rates: &[f64]| {
            let faults = faults_beside(rates).enumerate();
            faults.filter_map(|(idx, fault)| fault.map(|_| idx)).collect::<Vec<_>>()
        };
        assert_eq!(away(&[100.0, 300.0]), [0_usize; 0]);
        assert_eq!(away(&[100.0, 301.0]), [0, 1]);
        assert_eq!(away(&[900.0, 1_000.0, 250.0, 1_100.0, 1_000.0]), [2]);
        assert_eq!(away(&[1_000.0, 1_000.0, 3_100.0]), [2]);
        assert_eq!(away(&[0.0, 5.0]), [0, 1]);
        assert_eq!(away(&[5.0]), [0_usize; 0], "it has no others");
    }
}
