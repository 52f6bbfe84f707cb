//! LINE-1: no number is given twice.

use super::findings::Findings;
use crate::results::Finding;

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

#[cfg(test)]
mod tests {
    use super::{judge_numbers, twice};
    use crate::results::Kept;

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
