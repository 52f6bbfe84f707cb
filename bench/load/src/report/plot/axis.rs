//! From values to places: scales, and the marks on them.

/// Marks that an axis has at most, roughly.
const MARKS: f64 = 5.0;

/// Marks on the time axis at most.
const TIME_MARKS_MAX: u64 = 8;

/// Maps values from `[from, to]` onto `[0, 1]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    pub from: f64,
    pub to: f64,
    pub logarithmic: bool,
    pub marks: Vec<f64>,
}

impl Axis {
    /// From zero to the first mark that is not below `most`; marks are `step_min` apart or more.
    pub fn linear(most: f64, step_min: f64) -> Self {
        let most = if most.is_finite() && 0.0 < most { most } else { 1.0 };
        let step = nice(most / MARKS).max(step_min);
        let count = (most / step - 1e-9).ceil().max(1.0);
        let mut marks = vec![0.0];
        let mut mark = 0.0;
        while mark < count {
            mark += 1.0;
            marks.push(mark * step);
        }
        Self { from: 0.0, to: count * step, logarithmic: false, marks }
    }

    /// Whole powers of ten around `[least, most]`. Few of them have 2 and 5 marked between.
    pub fn logarithmic(least: f64, most: f64) -> Self {
        let least = if least.is_finite() && 0.0 < least { least } else { 1.0 };
        let most = if most.is_finite() && least <= most { most } else { least };
        let low = (least.log10() + 1e-9).floor();
        let high = (most.log10() - 1e-9).ceil().max(low + 1.0);
        let mut marks = Vec::new();
        let mut power = low;
        while power <= high {
            marks.push(10_f64.powf(power));
            if power < high && high - low < 3.0 {
                marks.extend([2.0, 5.0].map(|between| between * 10_f64.powf(power)));
            }
            power += 1.0;
        }
        Self { from: 10_f64.powf(low), to: 10_f64.powf(high), logarithmic: true, marks }
    }

    /// Where a value stands, 0 at the lower end; values beyond an end stand at it.
    pub fn at(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(self.from) / self.from).log10() / (self.to / self.from).log10()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        share.clamp(0.0, 1.0)
    }
}

/// The next of 1, 2 and 5 with zeros that is not below the value.
fn nice(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let digit = value / power;
    let round = [1.0, 2.0, 5.0].into_iter().find(|round| digit <= round + 1e-9);
    round.unwrap_or(10.0) * power
}

/// Seconds to mark on a time axis of this length.
pub fn time_marks(seconds: u64) -> Vec<u64> {
    let steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600];
    let fits = |step: &u64| seconds / step < TIME_MARKS_MAX;
    let step = steps.into_iter().find(fits).unwrap_or(seconds.div_ceil(TIME_MARKS_MAX));
    (0..=seconds / step).map(|mark| mark * step).collect()
}
