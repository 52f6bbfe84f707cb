//! Who must check in, and whose silence means that they are gone.

use crate::limits::LAPSE_MARGIN;
use crate::mono::MonoMs;
use schema::DurationMs;
use std::collections::VecDeque;

/// Numbers beyond the cursor that are asked to check in at least.
///
/// Small rooms are asked as a whole. A thousand check-ins in 20 s are nothing.
const SPAN_MIN: u64 = 1_024;

/// How many lapses of the rate the horizon lies ahead.
///
/// With six of ten gone the cursor passes 2.5 numbers a call: six lapses of 40 s are then 96 s,
/// more than one. Further ahead more people would check in for nothing.
const SPAN_LAPSES: u64 = 6;

/// How many horizons are remembered; a tick publishes one at most, 4 a second for the longest lapse
/// of 310 s.
const PUBLISHED_MAX: usize = 1_280;

/// The horizons published while check-ins worked.
#[derive(Debug, Clone, Default)]
pub struct Horizons {
    /// Each with the time after which everybody up to it must have heard of it.
    published: VecDeque<(MonoMs, u64)>,
    /// The highest horizon of which that time is over.
    checked: u64,
    highest: u64,
    /// When the last of those who were told how long to wait before they were inside comes back.
    back_by: MonoMs,
}

impl Horizons {
    /// Returns the horizon to publish at `now`: never lower than one published before.
    ///
    /// It reaches `asked` at least, and does not go beyond `given`, the last number given out:
    /// whoever joins later has not been asked yet, and must not count as silent.
    pub fn publish(&mut self, now: MonoMs, line: Line) -> u64 {
        let Line { cursor, given, asked, rate_per_minute, poll_ceiling } = line;
        self.told(now, poll_ceiling);
        let lapse_over = self.back_by + LAPSE_MARGIN;
        let span_ms = lapse_over.since(now).0 * SPAN_LAPSES;
        let span = (u64::from(rate_per_minute) * span_ms / 60_000).max(SPAN_MIN);
        let horizon = self.highest.max(given.min(asked.max(cursor + span)));
        let is_known = self.published.back().is_some_and(|&(_, last)| last == horizon);
        if !is_known && self.published.len() < PUBLISHED_MAX {
            self.published.push_back((lapse_over, horizon));
        }
        self.highest = horizon;
        horizon
    }

    /// Notes that at `at` somebody may have been told to come back only after `poll_ceiling`.
    pub(crate) fn told(&mut self, at: MonoMs, poll_ceiling: DurationMs) {
        self.back_by = self.back_by.max(at + poll_ceiling);
    }

    /// Numbers up to this have been asked to check in for so long that the silent ones are gone.
    pub fn checked(&mut self, now: MonoMs) -> u64 {
        while let Some(&(lapse_over, horizon)) = self.published.front() {
            if now <= lapse_over {
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

/// What a horizon follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    pub cursor: u64,
    /// The last number given out.
    pub given: u64,
    /// The horizon reaches it, however slow the line is.
    pub asked: u64,
    pub rate_per_minute: u32,
    /// The longest that anybody beyond the horizon is told to wait now.
    pub poll_ceiling: DurationMs,
}

#[cfg(test)]
mod tests {
    use super::{Horizons, Line};
    use crate::mono::MonoMs;
    use crate::poll::POLLS;
    use proptest::prelude::*;
    use schema::DurationMs;

    fn line(cursor: u64, given: u64, rate_per_minute: u32) -> Line {
        Line { cursor, given, asked: 0, rate_per_minute, poll_ceiling: POLLS.ceiling }
    }

    #[test]
    fn whoever_joins_after_a_long_idle_time_is_not_silent() {
        let mut horizons = Horizons::default();
        assert_eq!(horizons.publish(MonoMs(0), line(0, 0, 600)), 0, "nobody has a number");
        assert_eq!(horizons.checked(MonoMs(100_000)), 0);
        assert_eq!(horizons.publish(MonoMs(100_000), line(0, 8, 600)), 8);
        assert_eq!(horizons.checked(MonoMs(139_000)), 0, "eight have just joined");
        assert_eq!(horizons.checked(MonoMs(140_001)), 8);
    }

    #[test]
    fn silence_counts_only_after_the_lapse_and_never_across_an_interruption() {
        let mut horizons = Horizons::default();
        assert_eq!(horizons.publish(MonoMs(0), line(0, 9_000, 600)), 2_400);
        assert_eq!(horizons.checked(MonoMs(40_000)), 0);
        assert_eq!(horizons.publish(MonoMs(40_000), line(100, 9_000, 600)), 2_500);
        assert_eq!(horizons.checked(MonoMs(40_001)), 2_400);
        assert_eq!(horizons.checked(MonoMs(80_001)), 2_500);
        horizons.interrupt();
        assert_eq!(horizons.checked(MonoMs(80_002)), 0);
        assert_eq!(
            horizons.publish(MonoMs(80_002), line(100, 9_000, 60)),
            2_500,
            "it never goes back"
        );
        assert_eq!(horizons.checked(MonoMs(120_002)), 0);
        assert_eq!(horizons.checked(MonoMs(120_003)), 2_500);
    }

    #[test]
    fn who_was_told_to_come_back_late_is_not_silent_before_though_the_line_is_short_now() {
        let mut horizons = Horizons::default();
        let long = Line { poll_ceiling: DurationMs(130_000), ..line(0, 9_000_000, 600) };
        assert_eq!(horizons.publish(MonoMs(0), long), 8_400, "six lapses of 140 s");
        let short = Line { cursor: 8_000, ..line(0, 9_000, 600) };
        assert_eq!(horizons.publish(MonoMs(1_000), short), 9_000);
        assert_eq!(horizons.checked(MonoMs(140_000)), 0);
        assert_eq!(horizons.checked(MonoMs(140_001)), 9_000, "told at 0, inside since 1,000");
        horizons.interrupt();
        assert_eq!(horizons.publish(MonoMs(200_000), short), 9_000);
        assert_eq!(horizons.checked(MonoMs(240_000)), 0);
        assert_eq!(horizons.checked(MonoMs(240_001)), 9_000, "as ever");
    }

    #[test]
    fn what_was_told_while_the_horizon_stood_still_counts_when_it_moves() {
        let mut horizons = Horizons::default();
        let slow = line(0, 9_000, 60);
        assert_eq!(horizons.publish(MonoMs(0), slow), 1_024);
        let long = Line { poll_ceiling: DurationMs(130_000), ..slow };
        assert_eq!(horizons.publish(MonoMs(60_000), long), 1_024);
        assert_eq!(horizons.publish(MonoMs(61_000), Line { cursor: 100, ..slow }), 1_124);
        assert_eq!(horizons.checked(MonoMs(200_000)), 1_024, "1,100 comes back at 190,000");
        assert_eq!(horizons.checked(MonoMs(200_001)), 1_124);
    }

    proptest! {
        /// A fan polls as told in a line that is served at any pace, and whose length, and with it
        /// what the far are told, changes at any time.
        #[test]
        fn nobody_is_silent_who_comes_back_when_told(
            steps in prop::collection::vec(
                (1_u64..5_000, 30_000_u64..300_000, prop_oneof![9 => Just(0), 1 => 0_u64..400]),
                400,
            ),
            number in 1_025_u64..8_000,
        ) {
            let mut horizons = Horizons::default();
            let (mut now, mut cursor, mut back_at, mut has_checked_in) = (0, 0, 0, false);
            for (pause, ceiling, passed) in steps {
                (now, cursor) = (now + pause, cursor + passed);
                let told = Line {
                    poll_ceiling: DurationMs(ceiling),
                    ..line(cursor, 1_000_000, 60)
                };
                let horizon = horizons.publish(MonoMs(now), told);
                let checked = horizons.checked(MonoMs(now));
                prop_assert!(checked < number || has_checked_in, "{number} at {now}");
                if back_at <= now {
                    has_checked_in |= number <= horizon;
                    back_at = now + if number <= horizon { POLLS.ceiling.0 } else { ceiling };
                }
            }
        }
    }
}
