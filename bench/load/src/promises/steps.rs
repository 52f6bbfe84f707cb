//! A number that changes now and then, and how small it was within a stretch of time.

use super::span::Span;
use std::collections::BTreeMap;
use std::time::Duration;

/// Changes of a sum. Those of one time are one change.
#[derive(Debug, Default)]
pub struct Changes(BTreeMap<Duration, i64>);

impl Changes {
    /// Adds `amount` as long as `span` lasts.
    pub fn add(&mut self, span: Span, amount: u32) {
        *self.0.entry(span.from).or_default() += i64::from(amount);
        *self.0.entry(span.to).or_default() -= i64::from(amount);
    }

    /// The largest sum, and since when it was.
    pub fn most(&self) -> (Duration, i64) {
        let (mut sum, mut most) = (0, (Duration::ZERO, 0));
        for (&at, change) in &self.0 {
            sum += change;
            if most.1 < sum {
                most = (at, sum);
            }
        }
        most
    }

    /// What is left of `total`.
    pub fn left_of(&self, total: u32) -> Steps {
        let mut left = i64::from(total);
        let mut steps = vec![(Duration::ZERO, left)];
        for (&at, change) in &self.0 {
            left -= change;
            steps.push((at, left));
        }
        Steps::new(steps)
    }
}

/// The values of a number over time.
#[derive(Debug)]
pub struct Steps {
    times: Vec<Duration>,
    /// A tree of minima: node `i` is the smaller of `2i` and `2i + 1`, leaves begin at its middle.
    tree: Vec<i64>,
}

impl Steps {
    /// Each value lasts from its time to the next. The first time is zero, and times ascend; of
    /// equal ones the last counts.
    pub fn new(steps: Vec<(Duration, i64)>) -> Self {
        assert!(steps.first().is_some_and(|(at, _)| *at == Duration::ZERO));
        let mut times: Vec<Duration> = Vec::with_capacity(steps.len());
        let mut values = Vec::with_capacity(steps.len());
        for (at, value) in steps {
            assert!(times.last().is_none_or(|last| *last <= at));
            if times.last() == Some(&at) {
                values.pop();
                times.pop();
            }
            times.push(at);
            values.push(value);
        }
        let mut tree = vec![i64::MAX; values.len()];
        tree.extend(values);
        for node in (1..times.len()).rev() {
            tree[node] = tree[2 * node].min(tree[2 * node + 1]);
        }
        Self { times, tree }
    }

    /// The smallest value within `span`. O(log n).
    pub fn least(&self, span: Span) -> i64 {
        let leaves = self.times.len();
        let first = self.times.partition_point(|at| *at <= span.from) - 1;
        let end = self.times.partition_point(|at| *at < span.to).max(first + 1);
        let (mut from, mut to, mut least) = (first + leaves, end + leaves, i64::MAX);
        while from < to {
            if from % 2 == 1 {
                least = least.min(self.tree[from]);
                from += 1;
            }
            if to % 2 == 1 {
                to -= 1;
                least = least.min(self.tree[to]);
            }
            (from, to) = (from / 2, to / 2);
        }
        least
    }
}
