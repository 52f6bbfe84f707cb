//! Says how much this settlement has to do, for the waiting rooms that adapt to it.

use crate::metrics;
use crate::work::Work;
use chassis::clock::Monotonic;
use chassis::{Nats, Shutdown, tell_every};
use schema::limits::LOAD_EVERY;
use schema::{DurationMs, SettlementLoad, codec, subject};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The steps of the journals that are being committed, and since when. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Steps(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    /// By the order in which they began, so that the first is the oldest.
    since: BTreeMap<u64, Monotonic>,
    begun: u64,
}

/// A step that is being committed; it is over when this is dropped.
#[derive(Debug)]
pub(crate) struct OpenStep {
    steps: Steps,
    number: u64,
}

impl Steps {
    pub(crate) fn begin(&self) -> OpenStep {
        let mut open = self.open();
        open.begun += 1;
        let number = open.begun;
        open.since.insert(number, Monotonic::now());
        OpenStep { steps: self.clone(), number }
    }

    /// How long the oldest one takes already; zero while there is none.
    fn oldest(&self) -> DurationMs {
        let open = self.open();
        let oldest = open.since.values().next().map(|since| since.elapsed().as_millis());
        DurationMs(u64::try_from(oldest.unwrap_or(0)).unwrap_or(u64::MAX))
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Nothing panics while it is held, so a poisoned lock's data is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenStep {
    fn drop(&mut self) {
        self.steps.open().since.remove(&self.number);
    }
}

/// Tells it until the process ends.
pub(crate) async fn tell(nats: Nats, work: Work, instance: String, stop: Shutdown) {
    let load = || {
        let load = SettlementLoad {
            instance: instance.as_str().into(),
            orders: u32::try_from(work.orders()).unwrap_or(u32::MAX),
            orders_max: work.context.config.orders_max,
            commit_wait: work.steps.oldest(),
            // Of those who took money before, new orders need nothing.
            provider_down: work.context.provider.is_down(),
        };
        metrics::load_told(&load);
        Some((subject::LOAD_SETTLEMENT.into(), codec::encode(&load).into()))
    };
    tell_every(&nats, LOAD_EVERY.into(), &stop, load).await;
}

#[cfg(test)]
mod tests {
    use super::Steps;
    use schema::DurationMs;

    #[test]
    fn the_oldest_open_step_counts_until_it_is_over() {
        let steps = Steps::default();
        assert_eq!(steps.oldest(), DurationMs(0));
        let first = steps.begin();
        while steps.oldest() < DurationMs(20) {}
        let second = steps.begin();
        assert!(DurationMs(20) <= steps.oldest());
        let since = steps.open().since[&second.number];
        drop(first);
        assert_eq!(steps.open().since.values().next(), Some(&since), "the second is the oldest");
        drop(second);
        assert_eq!(steps.oldest(), DurationMs(0));
    }
}
