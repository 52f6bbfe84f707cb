//! Token buckets for many keys in a fixed amount of memory.
//!
//! A bucket is one number, the time at which it will be full again (the generic cell rate
//! algorithm). Keys are hashed into sets of eight places under a seed that strangers do not know. A
//! new key takes the place of one whose bucket is full again, which loses nothing; when all eight
//! are in use it shares the fullest.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schema::UnixMillis;
use serde::{Deserialize, Serialize};

/// How much of something a key may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// At once, after a rest.
    pub burst: u32,
    /// In the long run.
    pub per_minute: u32,
}

impl Rate {
    /// How long one takes to come back.
    fn step_us(self) -> u64 {
        assert!(0 < self.burst);
        assert!(0 < self.per_minute);
        60_000_000 / u64::from(self.per_minute)
    }
}

/// A key's hash under the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot(u64);

/// Places in a set: with eight, a full set at half load is one in thousands.
const PLACES: usize = 8;

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    key: u64,
    /// In microseconds; in the past when the bucket is full.
    full_at_us: u64,
}

/// Buckets of one kind.
#[derive(Debug)]
pub struct Buckets {
    sets: Vec<Mutex<[Bucket; PLACES]>>,
    seed: RandomState,
}

impl Buckets {
    /// `keys` is how many keys have a bucket of their own, at most.
    pub fn new(keys: usize) -> Self {
        let sets = keys.div_ceil(PLACES).max(1);
        let sets = (0..sets).map(|_| Mutex::new([Bucket::default(); PLACES])).collect();
        Self { sets, seed: RandomState::new() }
    }

    /// Takes one from the bucket of `key`; else returns how long until there is one.
    pub fn take(&self, key: &impl Hash, rate: Rate, now: UnixMillis) -> Result<(), Duration> {
        self.take_at(self.spot(key), rate, now)
    }

    /// Where the bucket of `key` is, for who comes to it more than once.
    pub fn spot(&self, key: &impl Hash) -> Spot {
        Spot(self.seed.hash_one(key))
    }

    /// As [`Buckets::take`].
    pub fn take_at(&self, spot: Spot, rate: Rate, now: UnixMillis) -> Result<(), Duration> {
        self.draw(spot, rate, now, 1)
    }

    /// As [`Buckets::take`], but leaves the bucket as it is.
    pub fn check(&self, key: &impl Hash, rate: Rate, now: UnixMillis) -> Result<(), Duration> {
        self.draw(self.spot(key), rate, now, 0)
    }

    fn draw(&self, spot: Spot, rate: Rate, now: UnixMillis, count: u64) -> Result<(), Duration> {
        let (step_us, now_us) = (rate.step_us(), now.0 * 1_000);
        let mut set = self.set(spot);
        let bucket = place(&mut set, spot.0, now_us);
        let full_at_us = bucket.full_at_us.max(now_us);
        let after_us = full_at_us + step_us;
        let depth_us = step_us * u64::from(rate.burst);
        if now_us + depth_us < after_us {
            return Err(Duration::from_micros(after_us - now_us - depth_us));
        }
        bucket.full_at_us = full_at_us + step_us * count;
        Ok(())
    }

    /// Gives back what was taken a moment ago. A bucket that has gone to another key meanwhile was
    /// full again.
    pub fn give_back_at(&self, spot: Spot, rate: Rate) {
        let mut set = self.set(spot);
        if let Some(bucket) = set.iter_mut().find(|bucket| bucket.key == spot.0) {
            bucket.full_at_us = bucket.full_at_us.saturating_sub(rate.step_us());
        }
    }

    fn set(&self, spot: Spot) -> MutexGuard<'_, [Bucket; PLACES]> {
        let set_count = u64::try_from(self.sets.len()).expect("usize has at most 64 bits");
        let at = usize::try_from(spot.0 % set_count).expect("below the number of sets");
        self.sets[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait as `Retry-After` shows it, rounded up.
pub fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX)
}

fn place(set: &mut [Bucket; PLACES], key: u64, now_us: u64) -> &mut Bucket {
    let own = set.iter().position(|bucket| bucket.key == key);
    let rested = || (0..PLACES).min_by_key(|&at| set[at].full_at_us).expect("a set has places");
    let at = own.unwrap_or_else(rested);
    if set[at].key != key && set[at].full_at_us <= now_us {
        set[at] = Bucket { key, full_at_us: 0 };
    }
    &mut set[at]
}

#[cfg(test)]
mod tests {
    use super::{Buckets, Rate};
    use schema::UnixMillis;

    const RATE: Rate = Rate { burst: 3, per_minute: 60 };

    #[test]
    fn a_key_has_its_burst_and_then_its_rate_and_never_more() {
        let buckets = Buckets::new(64);
        let mut now = UnixMillis(1_000_000);
        for _ in 0..3 {
            assert_eq!(buckets.take(&"a", RATE, now), Ok(()));
        }
        let wait = buckets.take(&"a", RATE, now).unwrap_err();
        assert_eq!(wait.as_millis(), 1_000);
        now.0 += 999;
        assert!(buckets.take(&"a", RATE, now).is_err(), "a refusal costs nothing");
        now.0 += 1;
        assert_eq!(buckets.take(&"a", RATE, now), Ok(()));
        assert!(buckets.take(&"a", RATE, now).is_err());
    }

    #[test]
    fn what_is_given_back_was_never_taken() {
        let buckets = Buckets::new(64);
        let now = UnixMillis(1_000_000);
        let spot = buckets.spot(&"a");
        for _ in 0..5 {
            assert_eq!(buckets.take_at(spot, RATE, now), Ok(()));
            buckets.give_back_at(spot, RATE);
        }
        for _ in 0..3 {
            assert_eq!(buckets.take(&"a", RATE, now), Ok(()));
        }
        assert!(buckets.take(&"a", RATE, now).is_err());
        buckets.give_back_at(buckets.spot(&"b"), RATE);
        assert!(buckets.take(&"a", RATE, now).is_err(), "another key's is another's");
        buckets.give_back_at(spot, RATE);
        assert_eq!(buckets.take(&"a", RATE, now), Ok(()));
    }

    #[test]
    fn keys_do_not_share_a_bucket_while_there_is_room() {
        let buckets = Buckets::new(8);
        let now = UnixMillis(1_000_000);
        for key in 0..8 {
            for _ in 0..3 {
                assert_eq!(buckets.take(&key, RATE, now), Ok(()), "{key}");
            }
            assert!(buckets.take(&key, RATE, now).is_err(), "{key}");
        }
        assert!(buckets.take(&9, RATE, now).is_err(), "no bucket is left: it shares one");
        let later = UnixMillis(now.0 + 10_000);
        assert_eq!(buckets.take(&9, RATE, later), Ok(()), "rested buckets make room");
    }
}
