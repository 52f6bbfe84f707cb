//! How an epoch of numbers starts, when Redis has lost what it held.

use crate::bits::Bits;
use crate::ledger::Ledger;
use crate::limits::{MARK_BLOCK, NUMBER_MAX};
use schema::UnixMillis;
use schema::admission::AdmissionRecord;

/// The mark to raise to when numbers above `number` are wanted; `None` at the end of all numbers.
pub fn mark_above(number: u64) -> Option<u64> {
    (number <= NUMBER_MAX - MARK_BLOCK).then(|| number + MARK_BLOCK)
}

/// An epoch whose numbers are above every number that may have been given out before it.
///
/// LINE-1: the floor is the durable mark, and not the last number that was seen to be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochStart {
    pub epoch: u32,
    pub number_floor: u64,
    /// Up to here numbers are known to have been given out; from here to the floor some may.
    pub given_to: u64,
}

impl EpochStart {
    /// The one that follows what `ledger` says, where somebody has seen numbers up to `seen` given.
    pub fn after(ledger: &Ledger, seen: u64) -> Self {
        let number_floor = ledger.mark;
        let given_to = seen.max(ledger.given).min(number_floor);
        Self { epoch: ledger.epoch + 1, number_floor, given_to }
    }

    /// The one that the ledger is in, of which no number was given.
    pub fn again(ledger: &Ledger) -> Self {
        let number_floor = ledger.number_floor;
        assert!(ledger.seen == number_floor, "numbers of it were given");
        Self { epoch: ledger.epoch, number_floor, given_to: number_floor }
    }

    /// The record that begins it, on the Redis process with `run_id`.
    pub fn record(self, run_id: &str, at: UnixMillis) -> AdmissionRecord {
        let Self { epoch, number_floor, given_to } = self;
        let redis_run_id = run_id.into();
        AdmissionRecord::EpochStarted { epoch, given_to, number_floor, redis_run_id, at }
    }

    /// Whether numbers are in doubt by it.
    pub fn has_doubt(self) -> bool {
        self.given_to < self.number_floor
    }

    /// The record that ends this doubt, where all who gave out numbers came up to `given_before`.
    pub fn doubt_ended(self, given_before: u64) -> AdmissionRecord {
        let given_to = given_before.clamp(self.given_to, self.number_floor);
        AdmissionRecord::DoubtEnded { epoch: self.epoch, given_to }
    }

    /// Who counts as alive in it, by the `ledger` that has its records: everybody who may wait, but
    /// for the numbers of `doubt`, and for the `nobodys` of each draw that is not passed. Whoever
    /// has a number in doubt counts from the check-in on.
    pub fn live(self, ledger: &Ledger, doubt: &Bits, nobodys: &[Bits]) -> Bits {
        assert!(ledger.epoch == self.epoch);
        let mut live = ledger.all_alive(self.number_floor);
        live.clear(doubt);
        for bits in nobodys {
            live.clear(bits);
        }
        live
    }
}

#[cfg(test)]
mod tests {
    use super::{EpochStart, mark_above};
    use crate::bits::Bits;
    use crate::ledger::Ledger;
    use crate::limits::{MARK_BLOCK, NUMBER_MAX};
    use crate::mono::MonoMs;
    use schema::UnixMillis;
    use schema::admission::AdmissionRecord;

    /// A ledger in its first epoch with this mark, and numbers seen up to `given`.
    fn ledger(given: u64, mark: u64) -> Ledger {
        let mut ledger = Ledger::default();
        let first = EpochStart::after(&ledger, 0);
        assert!(!first.has_doubt(), "nobody has a number yet");
        ledger.apply(first.record("run", UnixMillis(0)), MonoMs(0));
        ledger.apply(AdmissionRecord::MarkRaised { epoch: 1, number_max: mark }, MonoMs(0));
        ledger.apply(AdmissionRecord::NumbersSeen { epoch: 1, given_to: given }, MonoMs(0));
        ledger
    }

    #[test]
    fn the_mark_is_never_raised_above_the_last_number_that_there_is() {
        assert_eq!(mark_above(7), Some(7 + MARK_BLOCK));
        assert_eq!(mark_above(NUMBER_MAX - MARK_BLOCK), Some(NUMBER_MAX));
        for number in [NUMBER_MAX - MARK_BLOCK + 1, NUMBER_MAX, u64::MAX] {
            assert_eq!(mark_above(number), None, "{number}");
        }
    }

    #[test]
    fn its_numbers_are_above_all_that_may_have_been_given_and_the_rest_is_in_doubt() {
        let ledger = ledger(30, 100);
        for (seen, given_to) in [(0, 30), (30, 30), (47, 47), (100, 100), (900, 100)] {
            let start = EpochStart::after(&ledger, seen);
            assert_eq!(start, EpochStart { epoch: 2, number_floor: 100, given_to }, "{seen}");
            assert_eq!(start.has_doubt(), given_to < 100);
        }
    }

    #[test]
    fn the_word_of_all_givers_ends_the_doubt_within_what_it_is_about() {
        let start = EpochStart { epoch: 2, number_floor: 100, given_to: 30 };
        for (said, given_to) in [(0, 30), (30, 30), (47, 47), (100, 100), (900, 100)] {
            let ended = AdmissionRecord::DoubtEnded { epoch: 2, given_to };
            assert_eq!(start.doubt_ended(said), ended, "{said}");
        }
    }

    #[test]
    fn everybody_counts_as_alive_but_numbers_of_nobody_and_those_in_doubt() {
        let mut ledger = ledger(3, 6);
        let start = EpochStart::after(&ledger, 0);
        ledger.apply(start.record("run", UnixMillis(0)), MonoMs(0));
        let mut doubt = Bits::zeroed(0, 1);
        ledger.doubts().for_each(|number| doubt.set(number));
        let alive = |ledger: &Ledger, doubt: &Bits| -> Vec<u64> {
            start.live(ledger, doubt, &[]).iter(0, 63).collect()
        };
        assert_eq!(alive(&ledger, &doubt), [1, 2, 3]);
        ledger.apply(start.doubt_ended(5), MonoMs(0));
        assert_eq!(alive(&ledger, &Bits::default()), [1, 2, 3, 4, 5]);
        let nobodys = [2, 5].map(|number| {
            let mut bits = Bits::zeroed(0, 1);
            bits.set(number);
            bits
        });
        let live = start.live(&ledger, &Bits::default(), &nobodys);
        assert_eq!(live.iter(0, 63).collect::<Vec<_>>(), [1, 3, 4], "a draw gave those to nobody");
    }
}
