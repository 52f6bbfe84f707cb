//! The time axis that all plots of a page share: equal spans, few enough to draw.

use std::time::Duration;

/// More spans than this nobody tells apart in a plot of this width.
const SPANS_MAX: u64 = 180;

/// One value for each span of a run; none where nothing was seen.
pub type Values = Vec<Option<f64>>;

/// `count` spans of `step` seconds from the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    pub step: u64,
    pub count: usize,
}

impl Grid {
    pub fn of(lasted: Duration) -> Self {
        let seconds = lasted.as_secs() + u64::from(0 < lasted.subsec_nanos());
        let seconds = seconds.max(1);
        // Whole steps that people count in.
        let steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800];
        let fits = |step: &u64| seconds.div_ceil(*step) <= SPANS_MAX;
        let step = steps.into_iter().find(fits).unwrap_or(seconds.div_ceil(SPANS_MAX));
        let count = usize::try_from(seconds.div_ceil(step)).expect("at most SPANS_MAX");
        Self { step, count }
    }

    pub fn seconds(self) -> u64 {
        self.step * self.count as u64
    }

    /// The span that this second of the run is in; the last one for what came after.
    pub fn span(self, second: u64) -> usize {
        let span = usize::try_from(second / self.step).unwrap_or(usize::MAX);
        span.min(self.count - 1)
    }

    /// When a span begins, in seconds.
    pub fn begin(self, span: usize) -> u64 {
        self.step * span as u64
    }

    /// Counts by second, as a rate by span: a span without any is zero.
    pub fn per_second(self, counts: impl Iterator<Item = (u64, u64)>) -> Values {
        let mut sums = vec![0_u64; self.count];
        for (second, count) in counts {
            sums[self.span(second)] += count;
        }
        // Precise: counts and steps are below 2^53.
        #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
        let rate = |sum: u64| Some(sum as f64 / self.step as f64);
        sums.into_iter().map(rate).collect()
    }

    /// The mean of what was seen in each span. One empty span between two others is bridged:
    /// samples that come once a second may miss a second.
    pub fn mean(self, samples: impl Iterator<Item = (Duration, f64)>) -> Values {
        let mut sums = vec![(0.0, 0_u32); self.count];
        for (at, value) in samples {
            let (sum, count) = &mut sums[self.span(at.as_secs())];
            *sum += value;
            *count += 1;
        }
        let mean = |(sum, count): (f64, u32)| (0 < count).then(|| sum / f64::from(count));
        let mut means: Values = sums.into_iter().map(mean).collect();
        for span in 1..self.count.saturating_sub(1) {
            if let (Some(before), None, Some(after)) =
                (means[span - 1], means[span], means[span + 1])
            {
                means[span] = Some(f64::midpoint(before, after));
            }
        }
        means
    }
}

/// The growth a second of a counter; a counter that begins anew grows by what it shows.
pub fn growth(samples: &[(Duration, f64)]) -> Vec<(Duration, f64)> {
    let grown = |pair: &[(Duration, f64)]| {
        let [(before, old), (at, new)] = *pair else { return None };
        let time = at.checked_sub(before)?.as_secs_f64();
        let more = if new < old { new } else { new - old };
        (0.0 < time).then(|| (at, more / time))
    };
    samples.windows(2).filter_map(grown).collect()
}

#[cfg(test)]
mod tests {
    use super::{Grid, growth};
    use std::time::Duration;

    #[test]
    fn spans_are_whole_steps_and_few() {
        let grid = |seconds| Grid::of(Duration::from_secs(seconds));
        let cases = [
            (0, 1, 1),
            (20, 1, 20),
            (180, 1, 180),
            (181, 2, 91),
            (1_800, 10, 180),
            (7_200, 60, 120),
        ];
        for (seconds, step, count) in cases {
            assert_eq!(grid(seconds), Grid { step, count }, "{seconds} s");
        }
        assert_eq!(Grid::of(Duration::from_millis(20_100)).count, 21);
        let long = grid(10_000_000);
        assert!(long.count <= 180 && 10_000_000 <= long.seconds());
        assert_eq!((long.begin(0), grid(20).span(99)), (0, 19));
    }

    #[test]
    fn counts_become_rates_and_samples_means() {
        let grid = Grid { step: 2, count: 4 };
        let rates = grid.per_second([(0, 4), (1, 2), (7, 1), (99, 1)].into_iter());
        assert_eq!(rates, [Some(3.0), Some(0.0), Some(0.0), Some(1.0)]);
        let at = |ms| Duration::from_millis(ms);
        let means = grid.mean([(at(100), 1.0), (at(1_900), 3.0), (at(4_000), 4.0)].into_iter());
        assert_eq!(means, [Some(2.0), Some(3.0), Some(4.0), None]);
    }

    #[test]
    fn a_counter_that_begins_anew_does_not_shrink() {
        let at = Duration::from_secs;
        let grown = growth(&[(at(0), 10.0), (at(2), 14.0), (at(3), 1.0), (at(3), 9.0)]);
        assert_eq!(grown, [(at(2), 2.0), (at(3), 1.0)]);
    }
}
