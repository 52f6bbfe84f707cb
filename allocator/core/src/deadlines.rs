//! When the owner has to act next, and on which hold.

use crate::digest::mix;
use schema::{DurationMs, HoldId, UnixMillis};
use std::collections::BTreeSet;

/// Due times of holds, at most one a slot: each change is a few steps, however many are due.
///
/// A hierarchical timing wheel (Varghese and Lauck 1987, scheme 7) of one millisecond. A turn is in
/// the level of the highest digit, to the base of 64, in which it differs from the time that the
/// wheel has reached; when that time comes to its bucket, it moves to a lower level. The entries of
/// a bucket are a list through the slots, so that one is taken out without a search. Equal times
/// come in order of slot, so that every owner would act in the same order.
///
/// A hold's turn comes up to `spread` later than it is due, by its id and a secret: nobody who
/// knows a seat's deadline, its holder included, can be there at the very moment it is free.
#[derive(Debug)]
pub(crate) struct Deadlines {
    spread: DurationMs,
    secret: u64,
    /// All turns up to it are ripe.
    reached: u64,
    /// Slots whose turn has come.
    ripe: BTreeSet<u32>,
    levels: [Level; LEVELS],
    /// By slot.
    entries: Vec<Entry>,
}

/// Bits of a digit.
const DIGIT: u32 = 6;
/// Enough digits for every time of 64 bits.
const LEVELS: usize = 11;
const BUCKETS: usize = 1 << DIGIT;
const LAST_DIGIT: u64 = (1 << DIGIT) - 1;
/// The end of a list.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Level {
    /// A bit for each bucket that is not empty.
    filled: u64,
    heads: [u32; BUCKETS],
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    turn: u64,
    before: u32,
    after: u32,
}

impl Entry {
    const NEVER: Self = Self { turn: u64::MAX, before: NONE, after: NONE };
}

/// Where an entry is: level and bucket.
type Place = (usize, usize);

impl Deadlines {
    pub fn new(spread: DurationMs, secret: u64) -> Self {
        let empty = || Level { filled: 0, heads: [NONE; BUCKETS] };
        let levels = std::array::from_fn(|_| empty());
        Self { spread, secret, reached: 0, ripe: BTreeSet::new(), levels, entries: Vec::new() }
    }

    /// Moves a hold from one due time to another; `None` is never.
    pub fn change(
        &mut self,
        slot: u32,
        hold: HoldId,
        from: Option<UnixMillis>,
        to: Option<UnixMillis>,
    ) {
        if let Some(from) = from {
            let turn = self.turn(hold, from);
            let known = self.entries.get(at(slot)).is_some_and(|entry| entry.turn == turn.0);
            assert!(known, "slot {slot} was not due at {from}");
            self.take_out(slot);
        }
        if let Some(to) = to {
            self.put_in(slot, self.turn(hold, to).0);
        }
    }

    /// When a hold's turn comes that is due then.
    pub fn turn(&self, hold: HoldId, due: UnixMillis) -> UnixMillis {
        let half =
            |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).expect("masked to 64 bits");
        let chance = mix(mix(half(hold.0 >> 64), half(hold.0)), self.secret);
        due + DurationMs(chance % (self.spread.0 + 1))
    }

    /// A time before which no turn comes, and not long before the next; `None` if there is none.
    /// Above `now` after [`Self::due`] had nothing.
    pub fn next(&self) -> Option<UnixMillis> {
        let start = if self.ripe.is_empty() { self.first()?.1 } else { self.reached };
        Some(UnixMillis(start))
    }

    /// A slot whose turn has come; the earliest first.
    pub fn due(&mut self, now: UnixMillis) -> Option<u32> {
        while self.ripe.is_empty() {
            let first = self.first().filter(|&(_, start)| start <= now.0);
            let Some(((level, bucket), start)) = first else {
                self.reached = self.reached.max(now.0);
                return None;
            };
            self.reached = start;
            // All of the bucket come nearer to their time, or it has come.
            let mut slot = self.empty(level, bucket);
            while slot != NONE {
                let Entry { turn, after, .. } = self.entries[at(slot)];
                self.put_in(slot, turn);
                slot = after;
            }
        }
        self.ripe.first().copied()
    }

    /// In any order.
    pub fn iter(&self) -> impl Iterator<Item = (UnixMillis, u32)> {
        let heads = self.levels.iter().flat_map(|level| level.heads);
        let next = |slot: u32| (slot != NONE).then_some(slot);
        let slots = heads.flat_map(move |head| {
            std::iter::successors(next(head), move |&slot| next(self.entries[at(slot)].after))
        });
        let all = slots.chain(self.ripe.iter().copied());
        all.map(|slot| (UnixMillis(self.entries[at(slot)].turn), slot))
    }

    /// The bucket of the earliest turns that are not ripe, with its beginning. Lower levels come
    /// first: their turns agree with the time reached in more digits.
    fn first(&self) -> Option<(Place, u64)> {
        let level = self.levels.iter().position(|level| level.filled != 0)?;
        let bucket = self.levels[level].filled.trailing_zeros();
        let low = shift(level);
        let digits = self.reached >> low & !LAST_DIGIT | u64::from(bucket);
        Some(((level, bucket.try_into().expect("below BUCKETS")), digits << low))
    }

    fn put_in(&mut self, slot: u32, turn: u64) {
        if self.entries.len() <= at(slot) {
            self.entries.resize(at(slot) + 1, Entry::NEVER);
        }
        let mut entry = Entry { turn, ..Entry::NEVER };
        match self.place(turn) {
            Some((level, bucket)) => {
                let Level { filled, heads } = &mut self.levels[level];
                *filled |= 1 << bucket;
                entry.after = std::mem::replace(&mut heads[bucket], slot);
                if entry.after != NONE {
                    self.entries[at(entry.after)].before = slot;
                }
            }
            None => drop(self.ripe.insert(slot)),
        }
        self.entries[at(slot)] = entry;
    }

    fn take_out(&mut self, slot: u32) {
        let Entry { turn, before, after } =
            std::mem::replace(&mut self.entries[at(slot)], Entry::NEVER);
        let Some((level, bucket)) = self.place(turn) else {
            let was_ripe = self.ripe.remove(&slot);
            assert!(was_ripe, "slot {slot} was not due");
            return;
        };
        if after != NONE {
            self.entries[at(after)].before = before;
        }
        if before != NONE {
            self.entries[at(before)].after = after;
            return;
        }
        let Level { filled, heads } = &mut self.levels[level];
        assert!(heads[bucket] == slot, "slot {slot} was not due");
        heads[bucket] = after;
        if after == NONE {
            *filled &= !(1 << bucket);
        }
    }

    /// Takes the whole list of a bucket.
    fn empty(&mut self, level: usize, bucket: usize) -> u32 {
        let Level { filled, heads } = &mut self.levels[level];
        *filled &= !(1 << bucket);
        std::mem::replace(&mut heads[bucket], NONE)
    }

    /// Where a turn is; `None` for one that is ripe.
    fn place(&self, turn: u64) -> Option<Place> {
        if turn <= self.reached {
            return None;
        }
        let highest = u64::BITS - 1 - (turn ^ self.reached).leading_zeros();
        let level = usize::try_from(highest / DIGIT).expect("below LEVELS");
        let digit = turn >> shift(level) & LAST_DIGIT;
        Some((level, usize::try_from(digit).expect("below BUCKETS")))
    }
}

/// How many bits are below the digit of a level.
fn shift(level: usize) -> u32 {
    DIGIT * u32::try_from(level).expect("below LEVELS")
}

fn at(slot: u32) -> usize {
    usize::try_from(slot).expect("a slot was a position in memory")
}

#[cfg(test)]
mod tests {
    use super::Deadlines;
    use proptest::prelude::*;
    use schema::{DurationMs, HoldId, UnixMillis};
    use std::collections::BTreeSet;

    #[test]
    fn turns_are_spread_over_the_whole_time_and_never_early() {
        let due = UnixMillis(5_000);
        let deadlines = Deadlines::new(DurationMs(700), 0);
        let mut tenths = [0_u32; 8];
        for id in 0..7_000_u128 {
            // As ids are: the time is the same, the command differs.
            let late = deadlines.turn(HoldId((9 << 80) | id), due).since(due).0;
            tenths[usize::try_from(late / 100).unwrap()] += 1;
        }
        assert!(tenths[..7].iter().all(|count| (850..1_150).contains(count)), "{tenths:?}");
        assert!(tenths[7] < 40, "at most 700 ms: {tenths:?}");
        assert_eq!(Deadlines::new(DurationMs(0), 0).turn(HoldId(1), due), due);
        let others = Deadlines::new(DurationMs(700), 1);
        let same =
            (0..7_000).map(HoldId).filter(|id| deadlines.turn(*id, due) == others.turn(*id, due));
        assert!(same.count() < 40, "who knows an id and not the secret does not know the turn");
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// Puts a slot at a time so far from now, or moves it there.
        Put(u32, u64),
        Remove(u32),
        /// Time goes on, and all whose turn has come are taken out.
        Pass(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        // Near and far, so that turns begin in every level and come down through all below.
        let ahead = (0_u32..46).prop_flat_map(|bits| 0..1_u64 << bits);
        let step = prop_oneof![
            4 => (0_u32..40, ahead.clone()).prop_map(|(slot, ahead)| Step::Put(slot, ahead)),
            1 => (0_u32..40).prop_map(Step::Remove),
            3 => ahead.prop_map(Step::Pass),
        ];
        proptest::collection::vec(step, 1..120)
    }

    /// The wheel beside a sorted set.
    struct Both {
        wheel: Deadlines,
        sorted: BTreeSet<(UnixMillis, u32)>,
        now: UnixMillis,
    }

    impl Both {
        fn change(&mut self, slot: u32, to: Option<UnixMillis>) {
            let from = self.sorted.iter().find(|(_, other)| *other == slot).copied();
            self.wheel.change(slot, HoldId(slot.into()), from.map(|(at, _)| at), to);
            from.map(|from| self.sorted.remove(&from));
            to.map(|to| self.sorted.insert((to, slot)));
        }

        fn take_due(&mut self) {
            let mut last = UnixMillis(0);
            while let Some(slot) = self.wheel.due(self.now) {
                let (at, _) = *self.sorted.iter().find(|(_, other)| *other == slot).unwrap();
                assert!(last <= at && at <= self.now, "{at} after {last}, now {}", self.now);
                last = at;
                self.change(slot, None);
            }
            assert!(self.sorted.first().is_none_or(|(at, _)| self.now < *at), "one is forgotten");
        }

        fn agree(&self) {
            assert_eq!(self.wheel.iter().collect::<BTreeSet<_>>(), self.sorted);
            let (next, first) = (self.wheel.next(), self.sorted.first());
            assert_eq!(next.is_some(), first.is_some());
            assert!(next.is_none_or(|next| next <= first.unwrap().0), "{next:?} of {first:?}");
        }
    }

    proptest! {
        #[test]
        fn the_wheel_is_a_sorted_set_of_turns(steps in steps()) {
            let (sorted, now) = (BTreeSet::new(), UnixMillis(1_800_000_000_000));
            let mut both = Both { wheel: Deadlines::new(DurationMs(0), 0), sorted, now };
            for step in steps {
                match step {
                    Step::Put(slot, ahead) => {
                        both.change(slot, Some(both.now + DurationMs(ahead)));
                    }
                    Step::Remove(slot) => both.change(slot, None),
                    Step::Pass(by) => {
                        both.now = both.now + DurationMs(by);
                        both.take_due();
                        assert!(both.wheel.next().is_none_or(|next| both.now < next));
                    }
                }
                both.agree();
            }
        }
    }
}
