//! The steady share of the rate: what is not used now is not saved for later.

use crate::limits::{CALLED_MAX, TICK_MAX};
use crate::mono::MonoMs;

/// A call costs this much credit: one millisecond at a rate of `r` a minute earns `r`.
const CALL: u64 = 60_000;

/// Credit for calls. An empty room earns none beyond one tick's, so its first minute is like any
/// other.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    credit: u64,
    earned_until: Option<MonoMs>,
}

impl Pace {
    /// How many may be called at `now`.
    pub fn available(&mut self, now: MonoMs, rate_per_minute: u32) -> u32 {
        let rate = u64::from(rate_per_minute);
        // Less than a call is no call that nobody used: cut off, it would be lost to the rate.
        let part = if self.credit < CALL { self.credit } else { 0 };
        // One whole call may always wait, or a rate below one a tick would never call anybody.
        let credit_max = if rate == 0 { 0 } else { (rate * TICK_MAX.0 + part).max(CALL) };
        // A new leader starts with what an empty room has saved: the window holds it back if need
        // be.
        let earned = match self.earned_until {
            Some(until) => rate.saturating_mul(now.since(until).0),
            None => credit_max,
        };
        self.credit = self.credit.saturating_add(earned).min(credit_max);
        self.earned_until = Some(now);
        let calls = (self.credit / CALL).min(u64::from(CALLED_MAX));
        u32::try_from(calls).expect("at most CALLED_MAX")
    }

    pub fn spend(&mut self, called: u32) {
        let cost = u64::from(called) * CALL;
        assert!(cost <= self.credit, "more were called than were available");
        self.credit -= cost;
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;
    use crate::mono::MonoMs;

    #[test]
    fn a_minute_of_ticks_calls_the_rate_and_an_idle_hour_saves_nothing() {
        let mut pace = Pace::default();
        for rate in [7, 500, 600, 850, 1_001, 60_000] {
            pace.available(MonoMs(0), 0);
            let called: u32 = (1..=300)
                .map(|tick| {
                    let now = pace.available(MonoMs(tick * 200), rate);
                    pace.spend(now);
                    now
                })
                .sum();
            assert!(rate - 1 <= called, "{called} of {rate}");
            assert!(called <= rate, "{called} of {rate}");
            let after_an_hour = pace.available(MonoMs(3_600_000), rate);
            assert!(after_an_hour <= (rate / 240).max(1), "{after_an_hour} at {rate}");
            pace = Pace::default();
        }
    }
}
