//! The leader's clock.

use schema::DurationMs;
use std::ops::Add;

/// Milliseconds on a clock that never steps and never stands still, such as the machine's uptime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MonoMs(pub u64);

impl MonoMs {
    /// Later than every time.
    pub const NEVER: Self = Self(u64::MAX);

    /// Returns the span from `earlier` to this time, zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> DurationMs {
        DurationMs(self.0.saturating_sub(earlier.0))
    }
}

impl Add<DurationMs> for MonoMs {
    type Output = Self;

    fn add(self, span: DurationMs) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}
