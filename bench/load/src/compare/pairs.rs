//! Pairs of turns, and what is made of them.

use serde::Serialize;

/// Usher, then the other, one right after the other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pair {
    pub usher: f64,
    pub other: f64,
    /// What Usher took of the cores in the other's turn.
    pub usher_cores: f64,
}

impl Pair {
    pub fn ratio(self) -> f64 {
        if self.other == 0.0 { 0.0 } else { self.usher / self.other }
    }
}

/// The middle one; between the two middle ones of an even count. 0 of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::{Pair, median};

    #[test]
    fn one_bad_turn_of_five_does_not_move_the_ratio() {
        let pair = |usher: u32, other: u32| Pair {
            usher: usher.into(),
            other: other.into(),
            usher_cores: 0.0,
        };
        let pairs = [pair(40, 10), pair(41, 10), pair(4, 10), pair(39, 10), pair(40, 0)];
        assert!((median(pairs.map(Pair::ratio)) - 3.9).abs() < 1e-9);
        assert!((median([1.0, 2.0]) - 1.5).abs() < 1e-9);
        assert!(median([]).abs() < f64::EPSILON);
    }
}
