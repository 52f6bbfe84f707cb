//! What the stages behind the rooms say of their load.

use crate::config::{AGAIN_FIRST, AGAIN_MAX, SETTLEMENTS_MAX};
use bytes::Bytes;
use chassis::clock::Monotonic;
use chassis::{Backoff, Nats, Pause, Shutdown};
use futures_util::StreamExt;
use schema::{AllocatorLoad, DurationMs, SettlementLoad, ShardId, codec, subject};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use waiting_room_core::{SIGNAL_FRESH, Signals};

/// The last word of every shard's owner and of every settlement.
#[derive(Debug, Default)]
pub(crate) struct Loads(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    allocators: BTreeMap<ShardId, (AllocatorLoad, Monotonic)>,
    settlements: BTreeMap<String, (SettlementLoad, Monotonic)>,
}

impl Loads {
    /// What is known for a room of this shard.
    pub(crate) fn signals(&self, shard: ShardId) -> Signals {
        let heard = self.heard();
        let allocator = heard.allocators.get(&shard);
        let allocator = allocator.map(|(load, at)| (*load, age(*at)));
        Signals { allocator, settlement: heard.settlement(SIGNAL_FRESH) }
    }

    fn hear_allocator(&self, payload: &Bytes) -> Result<(), codec::Error> {
        let load: AllocatorLoad = codec::decode(payload)?;
        self.heard().allocators.insert(load.shard, (load, Monotonic::now()));
        Ok(())
    }

    fn hear_settlement(&self, payload: &Bytes) -> Result<(), codec::Error> {
        let load: SettlementLoad = codec::decode(payload)?;
        let mut heard = self.heard();
        heard.settlements.insert(load.instance.to_string(), (load, Monotonic::now()));
        if SETTLEMENTS_MAX < heard.settlements.len() {
            let oldest = heard.settlements.iter().min_by_key(|(_, (_, at))| *at);
            let oldest = oldest.map(|(instance, _)| instance.clone());
            oldest.and_then(|instance| heard.settlements.remove(&instance));
        }
        Ok(())
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        // Nothing panics while it is held, so a poisoned lock's data is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    /// All settlements that spoke within `fresh`, as one: they share the orders, and the slowest
    /// commit and a provider that is down for any of them count. When none did, the last that
    /// spoke.
    fn settlement(&self, fresh: DurationMs) -> Option<(SettlementLoad, DurationMs)> {
        let last = self.settlements.values().max_by_key(|(_, at)| *at)?;
        let (mut all, age_of_all) = (last.0.clone(), age(last.1));
        let others = self
            .settlements
            .values()
            .filter(|(load, at)| load.instance != last.0.instance && age(*at) <= fresh);
        for (load, _) in others {
            all.orders = all.orders.saturating_add(load.orders);
            all.orders_max = all.orders_max.saturating_add(load.orders_max);
            all.commit_wait = all.commit_wait.max(load.commit_wait);
            // One that has no orders has not asked its provider either.
            all.provider_down |= load.provider_down;
        }
        Some((all, age_of_all))
    }
}

fn age(at: Monotonic) -> DurationMs {
    DurationMs(u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX))
}

/// Listens until the process ends.
pub(crate) async fn listen(loads: Arc<Loads>, nats: Nats, shutdown: Shutdown) {
    let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX, None);
    loop {
        match nats.client.subscribe(subject::LOAD_ALL).await {
            Ok(mut words) => loop {
                // Cancel-safe: both only wait.
                let word = tokio::select! {
                    biased;
                    () = shutdown.begun() => return,
                    word = words.next() => word,
                };
                let Some(word) = word else { break };
                let heard = if word.subject.as_str() == subject::LOAD_SETTLEMENT {
                    loads.hear_settlement(&word.payload)
                } else {
                    loads.hear_allocator(&word.payload)
                };
                if let Err(error) = heard {
                    tracing::error!(subject = %word.subject, %error, "a load that nobody can read");
                }
            },
            Err(error) => tracing::warn!(%error, "waiting for the stages' loads"),
        }
        if backoff.pause(&shutdown).await != Pause::Elapsed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Loads, Monotonic};
    use crate::config::SETTLEMENTS_MAX;
    use schema::{AllocatorLoad, DurationMs, SettlementLoad, ShardId, codec};

    fn settlement(instance: &str, orders: u32, commit_wait: u64) -> SettlementLoad {
        let commit_wait = DurationMs(commit_wait);
        let (instance, provider_down) = (instance.into(), false);
        SettlementLoad { instance, orders, orders_max: 100, commit_wait, provider_down }
    }

    #[test]
    fn a_room_hears_its_shard_and_all_settlements_as_one() {
        let loads = Loads::default();
        assert_eq!(loads.signals(ShardId(1)), waiting_room_core::Signals::default());
        for (shard, pending) in [(1, 7), (2, 900), (1, 8)] {
            let (shard, reply_p99) = (ShardId(shard), DurationMs(1));
            let load = AllocatorLoad { shard, pending, reply_p99 };
            loads.hear_allocator(&codec::encode(&load).into()).unwrap();
        }
        for load in [settlement("a", 10, 70), settlement("b", 30, 5), settlement("a", 20, 60)] {
            loads.hear_settlement(&codec::encode(&load).into()).unwrap();
        }
        let signals = loads.signals(ShardId(1));
        assert_eq!(signals.allocator.unwrap().0.pending, 8);
        assert_eq!(loads.signals(ShardId(2)).allocator.unwrap().0.pending, 900);
        let all = signals.settlement.unwrap().0;
        assert_eq!((all.orders, all.orders_max, all.commit_wait), (50, 200, DurationMs(60)));
        assert!(!all.provider_down);
        let down = SettlementLoad { provider_down: true, ..settlement("a", 20, 60) };
        loads.hear_settlement(&codec::encode(&down).into()).unwrap();
        loads.hear_settlement(&codec::encode(&settlement("b", 30, 5)).into()).unwrap();
        assert!(loads.signals(ShardId(1)).settlement.unwrap().0.provider_down, "one says so");
        assert!(loads.hear_settlement(&b"no load"[..].into()).is_err());
    }

    #[test]
    fn a_word_grows_old_and_a_settlement_that_is_silent_counts_no_more() {
        let loads = Loads::default();
        let hear = |load| loads.hear_settlement(&codec::encode(&load).into()).unwrap();
        let load = AllocatorLoad { shard: ShardId(1), pending: 1, reply_p99: DurationMs(1) };
        loads.hear_allocator(&codec::encode(&load).into()).unwrap();
        hear(settlement("a", 10, 70));
        let heard = Monotonic::now();
        while heard.elapsed().as_millis() < 20 {}
        let signals = loads.signals(ShardId(1));
        let ages = [signals.allocator.unwrap().1, signals.settlement.unwrap().1];
        assert!(ages.iter().all(|age| DurationMs(20) <= *age), "{ages:?}");
        hear(settlement("b", 30, 5));
        let orders = |fresh| loads.heard().settlement(DurationMs(fresh)).unwrap().0.orders;
        assert_eq!((orders(10), orders(60_000)), (30, 40));
    }

    #[test]
    fn of_ever_new_settlements_the_last_are_remembered() {
        let loads = Loads::default();
        for number in 0..SETTLEMENTS_MAX + 40 {
            let load = settlement(&number.to_string(), 1, 1);
            loads.hear_settlement(&codec::encode(&load).into()).unwrap();
        }
        assert_eq!(loads.heard().settlements.len(), SETTLEMENTS_MAX);
        let newest = (SETTLEMENTS_MAX + 39).to_string();
        assert!(loads.heard().settlements.contains_key(&newest));
    }
}
