//! Says how much a shard's owner has to do, for the waiting rooms that adapt to it.
//!
//! The decider is not asked: its queue has a length, and the writer notes once a batch how long the
//! batch took.

use crate::decider::Work;
use crate::metrics;
use chassis::{Nats, Shutdown, tell_every};
use crossbeam_channel::Sender;
use schema::limits::LOAD_EVERY;
use schema::{AllocatorLoad, DurationMs, ShardId, codec, subject};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Times of answers are counted in classes of which each two end at double the time: 1, 2, 3, 4, 6,
/// 8, 12 ms and so on to a minute. A p99 is the end of its class, at most a half too long.
const CLASSES: usize = 32;

type Counts = [u64; CLASSES];

/// How long commands waited from their decision to their answer. Clones share it.
///
/// A lock, taken twice a batch: some hundred times a second.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReplyTimes(Arc<Mutex<Times>>);

#[derive(Debug, Default)]
struct Times {
    /// Since the last look.
    counts: Counts,
    /// In the span before that.
    earlier: Counts,
    /// Since when the batch under way is decided.
    under_way: Option<Instant>,
}

impl ReplyTimes {
    /// Another owner begins.
    pub(crate) fn reset(&self) {
        *self.times() = Times::default();
    }

    /// A batch whose first command was decided at `since` goes to the journal.
    pub(crate) fn begin(&self, since: Instant) {
        self.times().under_way = Some(since);
    }

    /// The batch's commands have their answers. All count as if decided with the first.
    pub(crate) fn answered(&self, commands: usize) {
        let mut times = self.times();
        let since = times.under_way.take().expect("a batch that is answered was begun");
        times.counts[class(since.elapsed())] += commands as u64;
    }

    /// The p99 of the time between the last look but one and now.
    fn look(&self) -> DurationMs {
        let mut times = self.times();
        let counts = std::mem::take(&mut times.counts);
        let both: Vec<u64> =
            counts.iter().zip(&times.earlier).map(|(now, then)| now + then).collect();
        times.earlier = counts;
        let under_way = times.under_way.map_or(Duration::ZERO, |since| since.elapsed());
        p99(&both).max(DurationMs(u64::try_from(under_way.as_millis()).unwrap_or(u64::MAX)))
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        // Nothing but the assertion of a bug panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The class of a time: which power of two it is below, and whether it is below three quarters of
/// it.
fn class(took: Duration) -> usize {
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    (0..CLASSES - 1).find(|&class| ms < end_of(class)).unwrap_or(CLASSES - 1)
}

/// Where a class ends, in milliseconds.
fn end_of(class: usize) -> u64 {
    match class {
        0 => 1,
        odd if odd % 2 == 1 => 1 << odd.div_ceil(2),
        even => 3 << (even / 2 - 1),
    }
}

/// The end of the class that 99 of 100 are not beyond; zero where there are none.
fn p99(counts: &[u64]) -> DurationMs {
    let beyond_max = counts.iter().sum::<u64>() / 100;
    let mut beyond = 0;
    let slow = counts.iter().enumerate().rev().find(|(_, count)| {
        beyond += *count;
        beyond_max < beyond
    });
    slow.map_or(DurationMs(0), |(class, _)| DurationMs(end_of(class)))
}

/// Tells it while this process owns the shard.
pub(crate) async fn tell(
    nats: Nats,
    shard: ShardId,
    desk: watch::Receiver<Option<Sender<Work>>>,
    times: ReplyTimes,
    stop: Shutdown,
) {
    let word = || {
        // Looked at and let go: a sender that is kept would keep a deposed decider alive.
        let pending = desk.borrow().as_ref().map(Sender::len)?;
        let pending = u32::try_from(pending).unwrap_or(u32::MAX);
        let load = AllocatorLoad { shard, pending, reply_p99: times.look() };
        metrics::load_told(&load);
        Some((subject::load_allocator(shard).into(), codec::encode(&load).into()))
    };
    tell_every(&nats, LOAD_EVERY.into(), &stop, word).await;
}

#[cfg(test)]
mod tests {
    use super::{CLASSES, ReplyTimes, class, end_of, p99};
    use schema::DurationMs;
    use std::time::{Duration, Instant};

    #[test]
    fn each_time_is_in_the_class_that_ends_just_beyond_it() {
        let ends: Vec<u64> = (0..9).map(end_of).collect();
        assert_eq!(ends, [1, 2, 3, 4, 6, 8, 12, 16, 24]);
        assert_eq!(end_of(CLASSES - 1), 65_536);
        for ms in [0, 1, 2, 3, 5, 11, 12, 49, 1_000, 40_000] {
            let class = class(Duration::from_millis(ms));
            assert!(ms < end_of(class), "{ms}");
            assert!(class == 0 || end_of(class - 1) <= ms, "{ms}");
        }
        assert_eq!(class(Duration::from_hours(1)), CLASSES - 1, "the last takes all the rest");
    }

    #[test]
    fn one_in_a_hundred_may_be_slow_and_two_may_not() {
        let mut counts = [0; CLASSES];
        assert_eq!(p99(&counts), DurationMs(0));
        (counts[3], counts[12]) = (99, 1);
        assert_eq!(p99(&counts), DurationMs(end_of(3)));
        (counts[3], counts[12]) = (98, 2);
        assert_eq!(p99(&counts), DurationMs(end_of(12)));
    }

    #[test]
    fn a_look_is_at_two_spans_and_at_the_batch_that_is_under_way() {
        let times = ReplyTimes::default();
        let ago = |ms| Instant::now().checked_sub(Duration::from_millis(ms)).unwrap();
        times.begin(ago(700));
        times.answered(3);
        for _ in 0..2 {
            assert_eq!(times.look(), DurationMs(768));
        }
        assert_eq!(times.look(), DurationMs(0), "by then it is over");
        times.begin(ago(5_000));
        assert!(DurationMs(5_000) <= times.look());
        times.reset();
        assert_eq!(times.look(), DurationMs(0));
    }
}
