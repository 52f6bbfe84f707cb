//! Stretches of time.

use std::time::Duration;

/// Later than every end of a run.
pub const FOREVER: Duration = Duration::MAX;

/// The times `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub from: Duration,
    pub to: Duration,
}

impl Span {
    /// None if it is empty.
    pub fn new(from: Duration, to: Duration) -> Option<Self> {
        (from < to).then_some(Self { from, to })
    }

    /// All times from `from` to `to`, both included.
    pub fn including(from: Duration, to: Duration) -> Self {
        Self { from, to: to.saturating_add(Duration::from_nanos(1)) }
    }
}

/// Spans that are asked whether one of them meets another.
#[derive(Debug, Default)]
pub struct Spans {
    /// By their beginnings, with the latest end of all up to each.
    sorted: Vec<(Duration, Duration)>,
}

impl FromIterator<Span> for Spans {
    fn from_iter<T: IntoIterator<Item = Span>>(spans: T) -> Self {
        let mut sorted: Vec<_> = spans.into_iter().map(|span| (span.from, span.to)).collect();
        sorted.sort_unstable();
        let mut latest = Duration::ZERO;
        for (_, to) in &mut sorted {
            latest = latest.max(*to);
            *to = latest;
        }
        Self { sorted }
    }
}

impl Spans {
    /// O(log n).
    pub fn any_meets(&self, span: Span) -> bool {
        let begun = self.sorted.partition_point(|(from, _)| *from < span.to);
        // Of those that began before its end, one that ends after its beginning.
        span.from < span.to && 0 < begun && span.from < self.sorted[begun - 1].1
    }
}
