//! Who must check in, and whose silence means that they are gone.

use crate::limits::HORIZON_LAPSE;
use crate::mono::MonoMs;
use std::collections::VecDeque;

/// Numbers beyond the cursor that are asked to check in at least.
///
/// Small rooms are asked as a whole. A thousand check-ins in 20 s are nothing.
const SPAN_MIN: u64 = 1_024;

/// How many minutes of the rate the horizon lies ahead.
///
/// With six of ten gone the cursor passes 2.5 numbers a call: four minutes are then 96 s, more than
/// the lapse of 40 s. Further ahead more people would check in for nothing.
const SPAN_MINUTES: u64 = 4;

/// How many horizons are remembered; a tick publishes one at most, 4 a second for 40 s.
const PUBLISHED_MAX: usize = 256;

/// The horizons published while check-ins worked.
#[derive(Debug, Clone, Default)]
pub struct Horizons {
    published: VecDeque<(MonoMs, u64)>,
    /// The highest horizon that was published longer than the lapse ago.
    checked: u64,
    highest: u64,
}

impl Horizons {
    /// Returns the horizon to publish at `now`: never lower than one published before.
    ///
    /// It reaches `asked` at least, and does not go beyond `given`, the last number given out:
    /// whoever joins later has not been asked yet, and must not count as silent.
    pub fn publish(
        &mut self,
        now: MonoMs,
        cursor: u64,
        given: u64,
        asked: u64,
        rate_per_minute: u32,
    ) -> u64 {
        let span = (u64::from(rate_per_minute) * SPAN_MINUTES).max(SPAN_MIN);
        let horizon = self.highest.max(given.min(asked.max(cursor + span)));
        let is_known = self.published.back().is_some_and(|&(_, last)| last == horizon);
        if !is_known && self.published.len() < PUBLISHED_MAX {
            self.published.push_back((now, horizon));
        }
        self.highest = horizon;
        horizon
    }

    /// Numbers up to this have been asked to check in for so long that the silent ones are gone.
    pub fn checked(&mut self, now: MonoMs) -> u64 {
        while let Some(&(at, horizon)) = self.published.front() {
            if now.since(at) <= HORIZON_LAPSE {
                break;
            }
            self.checked = horizon;
            // The last one stays: it says that the horizon has not moved.
            if self.published.len() == 1 {
                break;
            }
            self.published.pop_front();
        }
        self.checked
    }

    /// Check-ins did not work: everybody counts as alive until they have worked for the lapse
    /// again.
    pub fn interrupt(&mut self) {
        self.published.clear();
        self.checked = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Horizons;
    use crate::mono::MonoMs;

    #[test]
    fn whoever_joins_after_a_long_idle_time_is_not_silent() {
        let mut horizons = Horizons::default();
        assert_eq!(horizons.publish(MonoMs(0), 0, 0, 0, 600), 0, "nobody has a number");
        assert_eq!(horizons.checked(MonoMs(100_000)), 0);
        assert_eq!(horizons.publish(MonoMs(100_000), 0, 8, 0, 600), 8);
        assert_eq!(horizons.checked(MonoMs(139_000)), 0, "eight have just joined");
        assert_eq!(horizons.checked(MonoMs(140_001)), 8);
    }

    #[test]
    fn silence_counts_only_after_the_lapse_and_never_across_an_interruption() {
        let mut horizons = Horizons::default();
        assert_eq!(horizons.publish(MonoMs(0), 0, 9_000, 0, 600), 2_400);
        assert_eq!(horizons.checked(MonoMs(40_000)), 0);
        assert_eq!(horizons.publish(MonoMs(40_000), 100, 9_000, 0, 600), 2_500);
        assert_eq!(horizons.checked(MonoMs(40_001)), 2_400);
        assert_eq!(horizons.checked(MonoMs(80_001)), 2_500);
        horizons.interrupt();
        assert_eq!(horizons.checked(MonoMs(80_002)), 0);
        assert_eq!(
            horizons.publish(MonoMs(80_002), 100, 9_000, 0, 60),
            2_500,
            "it never goes back"
        );
        assert_eq!(horizons.checked(MonoMs(120_002)), 0);
        assert_eq!(horizons.checked(MonoMs(120_003)), 2_500);
    }
}
