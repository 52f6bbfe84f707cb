//! LINE-1: no number is given twice, and who came later is behind.

use super::findings::Findings;
use crate::results::Finding;
use tokio::time::Instant;

/// A join as whoever asked saw it.
#[derive(Debug, Clone, Copy)]
pub struct Numbered {
    pub asked: Instant,
    pub answered: Instant,
    pub number: u64,
}

/// Judges the numbers that joins of one line were given; says nothing where nobody joined.
pub fn judge_numbers(numbers: &[u64]) -> Option<Finding> {
    if numbers.is_empty() {
        return None;
    }
    let mut findings = Findings::default();
    let twice: Vec<String> = twice(numbers).iter().map(u64::to_string).collect();
    let joins = numbers.len();
    let own = if twice.is_empty() { ", each with a number of its own" } else { "" };
    let seen = format!("{joins} joins{own}");
    findings.judge("LINE-1", &seen, "numbers were given twice", &twice);
    findings.into_list().pop()
}

/// Every number that was there before, as often as it was.
pub fn twice(numbers: &[u64]) -> Vec<u64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect()
}

/// How many joins have a smaller number than one that was answered before they were even asked for:
/// none where a line is first come, first served, however many processes serve it. O(n log n).
pub fn jumped(joins: &[Numbered]) -> usize {
    let mut asked = joins.to_vec();
    asked.sort_unstable_by_key(|join| join.asked);
    let mut answered = joins.to_vec();
    answered.sort_unstable_by_key(|join| join.answered);
    let mut before = answered.iter().peekable();
    let mut highest = 0;
    let mut jumped = 0;
    for join in asked {
        while let Some(earlier) = before.next_if(|earlier| earlier.answered < join.asked) {
            highest = earlier.number.max(highest);
        }
        jumped += usize::from(join.number < highest);
    }
    jumped
}

#[cfg(test)]
mod tests {
    use super::{Instant, Numbered, judge_numbers, jumped, twice};
    use crate::results::Kept;
    use std::time::Duration;

    #[test]
    fn who_is_numbered_before_somebody_that_was_answered_earlier_has_jumped() {
        let start = Instant::now();
        let join = |(asked_ms, answered_ms, number)| Numbered {
            asked: start + Duration::from_millis(asked_ms),
            answered: start + Duration::from_millis(answered_ms),
            number,
        };
        let count = |joins: &[(u64, u64, u64)]| {
            jumped(&joins.iter().copied().map(join).collect::<Vec<_>>())
        };
        assert_eq!(count(&[]), 0);
        // Two that were under way at the same time may be in either order.
        assert_eq!(count(&[(0, 10, 2), (5, 20, 1), (21, 30, 3)]), 0);
        assert_eq!(count(&[(0, 10, 2), (11, 20, 1), (12, 30, 3)]), 1);
        assert_eq!(count(&[(21, 30, 1), (11, 20, 3), (0, 10, 2), (31, 40, 2)]), 2);
    }

    #[test]
    fn a_number_that_two_were_given_breaks_the_promise() {
        assert_eq!(judge_numbers(&[]), None);
        let held = judge_numbers(&[3, 1, 2]).unwrap();
        assert_eq!((held.promise, held.kept), ("LINE-1", Kept::Held));
        let broken = judge_numbers(&[3, 1, 7, 3, 3]).unwrap();
        assert_eq!(broken.kept, Kept::Broken);
        assert!(broken.says.ends_with("such as: 3"), "{}", broken.says);
        assert_eq!(twice(&[3, 1, 7, 3, 3]), [3, 3]);
    }
}
