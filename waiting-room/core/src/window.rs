//! The exact rolling window: who was called in the last 60 seconds.

use crate::limits::WINDOW;
use crate::mono::MonoMs;
use std::collections::VecDeque;

/// The releases that count against the rate now.
///
/// LINE-2: a release becomes visible at some instant between the begin of its append and the ack.
/// It counts from before the one until a whole window after the other, so that no window over the
/// true instants can hold more than was allowed, whatever they are.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// Until when how many count, ascending. At most one tick's release each.
    counted: VecDeque<(MonoMs, u32)>,
    in_flight: Option<u32>,
    sum: u64,
}

impl Window {
    /// Counts a release of which it is known that it was visible at `visible_at` at the latest.
    pub fn restore(&mut self, visible_at: MonoMs, called: u32) {
        let until = visible_at + WINDOW;
        assert!(self.counted.back().is_none_or(|&(last, _)| last <= until));
        self.counted.push_back((until, called));
        self.sum += u64::from(called);
    }

    /// How many more may be called at `now` under `cap`.
    pub fn free(&mut self, now: MonoMs, cap: u32) -> u32 {
        // Strictly: also a window that includes both of its ends holds at most the cap.
        while self.counted.front().is_some_and(|&(until, _)| until < now) {
            let (_, called) = self.counted.pop_front().expect("there is a front");
            self.sum -= u64::from(called);
        }
        let free = u64::from(cap).saturating_sub(self.sum);
        u32::try_from(free).expect("at most the cap")
    }

    /// Counts a release whose append begins now.
    pub fn begin(&mut self, called: u32) {
        assert!(self.in_flight.is_none(), "one release is in flight");
        self.in_flight = Some(called);
        self.sum += u64::from(called);
    }

    /// Says that the release in flight was acknowledged at `now`.
    pub fn acked(&mut self, now: MonoMs) {
        let called = self.in_flight.take().expect("a release is in flight");
        self.sum -= u64::from(called);
        self.restore(now, called);
    }

    /// How many count now: the called of the last minute and a little more.
    pub fn sum(&self) -> u64 {
        self.sum
    }
}
