//! The commands that were answered: that each was, and as the how-manieth of its journal. The
//! newest answers are in memory; the others are with whoever archives them.
//!
//! A command that is known here is never decided again, whether or not its answer can be found.

use crate::inspect::IdsView;
use crate::map::HashMap;
use schema::{CommandId, DurationMs, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Answers that are forgotten together: a power of two.
const GENERATION: u64 = 1 << 18;

/// Ids of answered commands with the numbers of their answers, counted from the first of the
/// journal.
///
/// An id is known by its lower 64 bits, at 18 bytes each. That two of four million agree in them
/// happens once in two million such sets; the later command would find no answer of its own then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "VecDeque<Generation>", into = "VecDeque<Generation>")]
pub struct AnsweredIds {
    /// In order of number, the gaps between them left out.
    generations: VecDeque<Generation>,
    sieve: Sieve,
    count: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Generation {
    /// The first number that belongs to it, a multiple of [`GENERATION`].
    first: u64,
    /// How far behind `first` each one's number is.
    offsets: HashMap<u64, u32>,
    /// The highest number.
    last: u64,
    /// The time of the last answer.
    last_at: UnixMillis,
}

impl AnsweredIds {
    /// Adds a command that was answered at `at`. Numbers only rise.
    pub fn push(&mut self, id: u64, number: u64, at: UnixMillis) {
        assert!(self.to() <= number, "answer {number} comes again");
        let first = number / GENERATION * GENERATION;
        if self.generations.back().is_none_or(|newest| newest.first != first) {
            let offsets = HashMap::default();
            self.generations.push_back(Generation { first, offsets, last: number, last_at: at });
            self.sieve.grow(&self.generations);
        }
        let newest = self.generations.back_mut().expect("there is one now");
        let offset = u32::try_from(number - first).expect("below GENERATION");
        let before = newest.offsets.insert(id, offset);
        // CMD-1: a command has one answer.
        assert!(before.is_none(), "command {id:x} is answered twice");
        (newest.last, newest.last_at) = (number, at);
        let mark = newest.mark();
        self.sieve.add(id, mark);
        self.count += 1;
    }

    /// The number of a command's answer.
    pub fn find(&self, command: CommandId) -> Option<u64> {
        let id = Self::id(command);
        let marks = self.sieve.marks(id);
        let maybe = self.generations.iter().rev().filter(|held| held.mark() & marks != 0);
        let mut found = maybe.filter_map(|generation| {
            let offset = generation.offsets.get(&id)?;
            Some(generation.first + u64::from(*offset))
        });
        found.next()
    }

    /// What of a command's id is kept.
    pub fn id(command: CommandId) -> u64 {
        u64::try_from(command.0 & u128::from(u64::MAX)).expect("masked to 64 bits")
    }

    /// No answer with a number below this one is known.
    pub fn from(&self) -> Option<u64> {
        self.generations.front().map(|oldest| oldest.first)
    }

    /// The number behind the last.
    pub(crate) fn to(&self) -> u64 {
        self.generations.back().map_or(0, |newest| newest.last + 1)
    }

    /// Forgets generations that ended more than `memory` before `time`, and the oldest while others
    /// have `ids_max` already, not counting the answers from `kept_from` on, which are in memory.
    pub(crate) fn forget(
        &mut self,
        time: UnixMillis,
        memory: DurationMs,
        ids_max: u32,
        kept_from: u64,
    ) {
        while let Some(oldest) = self.generations.front() {
            let kept = usize::try_from(self.to().saturating_sub(kept_from)).unwrap_or(usize::MAX);
            let many = usize::try_from(ids_max).expect("a limit of memory fits into it");
            let crowded = many + oldest.offsets.len() + kept <= self.count;
            let old = oldest.last_at + memory < time;
            if kept_from <= oldest.last || !(old || crowded) {
                break;
            }
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let oldest = self.generations.pop_front().expect("the caller has seen it");
        self.count -= oldest.offsets.len();
        let mark = oldest.mark();
        if self.generations.len() < 2 {
            self.sieve = Sieve::default();
        } else if self.generations.iter().all(|held| held.mark() != mark) {
            self.sieve.clear(mark);
        }
    }

    /// Sums over each of the generations.
    pub(crate) fn inspect(&self) -> Vec<IdsView> {
        self.generations.iter().map(Generation::inspect).collect()
    }

    /// In any order: the id with the number of its answer.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.generations.iter().flat_map(|generation| {
            let number = |offset: u32| generation.first + u64::from(offset);
            generation.offsets.iter().map(move |(&id, &offset)| (id, number(offset)))
        })
    }
}

impl Generation {
    fn inspect(&self) -> IdsView {
        let number = |offset: u32| self.first + u64::from(offset);
        let hashes = self.offsets.iter().map(|(&id, &offset)| IdsView::hash(id, number(offset)));
        let sum = hashes.fold(0, u64::wrapping_add);
        let count = u64::try_from(self.offsets.len()).expect("a count in memory");
        IdsView { first: self.first, last: self.last, count, sum }
    }

    /// Its bit in the sieve; another may have the same.
    fn mark(&self) -> u16 {
        1 << (self.first / GENERATION % u64::from(u16::BITS))
    }
}

impl From<VecDeque<Generation>> for AnsweredIds {
    fn from(generations: VecDeque<Generation>) -> Self {
        let mut sieve = Sieve::default();
        sieve.grow(&generations);
        let count = generations.iter().map(|generation| generation.offsets.len()).sum();
        Self { generations, sieve, count }
    }
}

impl From<AnsweredIds> for VecDeque<Generation> {
    fn from(ids: AnsweredIds) -> Self {
        ids.generations
    }
}

/// Says in which generations an id may be, so that a fresh command is looked for in hardly any: one
/// read of memory instead of one for each generation.
///
/// Bloom filters (Bloom 1970), one for each generation, laid side by side so that all of them are
/// asked at once, with both probes of an id in one cache line (as Putze, Sanders and Singler block
/// them, 2007). Of 2^18 ids of a generation one in 50 others is taken for one of them. 8 MB; none
/// while there is one generation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Sieve {
    cells: Vec<u16>,
}

/// A power of two.
const CELLS: usize = 1 << 22;
/// Cells of a cache line.
const LINE: usize = 32;

impl Sieve {
    /// Begins when there is a second generation.
    fn grow(&mut self, generations: &VecDeque<Generation>) {
        if generations.len() < 2 || !self.cells.is_empty() {
            return;
        }
        self.cells = vec![0; CELLS];
        for generation in generations {
            generation.offsets.keys().for_each(|&id| self.add(id, generation.mark()));
        }
    }

    fn add(&mut self, id: u64, mark: u16) {
        if !self.cells.is_empty() {
            let [one, other] = Self::cells_of(id);
            self.cells[one] |= mark;
            self.cells[other] |= mark;
        }
    }

    /// The marks of generations in which the id may be.
    fn marks(&self, id: u64) -> u16 {
        if self.cells.is_empty() {
            return u16::MAX;
        }
        let [one, other] = Self::cells_of(id);
        self.cells[one] & self.cells[other]
    }

    fn clear(&mut self, mark: u16) {
        self.cells.iter_mut().for_each(|cell| *cell &= !mark);
    }

    /// Ids are random or hashes, so their bits are taken as they are.
    fn cells_of(id: u64) -> [usize; 2] {
        let bits = usize::try_from(id & 0xFFFF_FFFF).expect("masked to 32 bits");
        let line = bits % (CELLS / LINE) * LINE;
        [line + (bits >> 17) % LINE, line + (bits >> 22) % LINE]
    }
}

#[cfg(test)]
mod tests {
    use super::{AnsweredIds, CELLS, GENERATION, LINE, Sieve};
    use crate::digest::mix;
    use schema::{CommandId, DurationMs, UnixMillis};

    const DAY: DurationMs = DurationMs(86_400_000);
    /// Above all numbers here: no answer is in memory.
    const NONE_KEPT: u64 = u64::MAX;

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis(seconds * 1_000)
    }

    fn ids() -> AnsweredIds {
        let mut ids = AnsweredIds::default();
        ids.push(1, 0, at(0));
        ids.push(2, GENERATION - 1, at(10));
        ids.push(3, GENERATION, at(20));
        ids.push(4, 5 * GENERATION + 7, at(30));
        ids
    }

    fn known(ids: &AnsweredIds) -> Vec<Option<u64>> {
        (1..=4).map(|id| ids.find(CommandId(id))).collect()
    }

    #[test]
    fn a_command_is_known_by_the_number_of_its_answer() {
        let (last, later) = (GENERATION - 1, 5 * GENERATION + 7);
        assert_eq!(known(&ids()), [Some(0), Some(last), Some(GENERATION), Some(later)]);
        assert_eq!(ids().find(CommandId(5)), None);
        assert_eq!(ids().iter().count(), 4);
        assert_eq!(ids().to(), later + 1);
    }

    #[test]
    fn none_is_forgotten_before_its_time_and_each_soon_after() {
        let mut ids = ids();
        ids.forget(at(10) + DAY, DAY, 100, NONE_KEPT);
        assert_eq!(ids.from(), Some(0), "the last of the first generation is a day old");
        ids.forget(at(11) + DAY, DAY, 100, NONE_KEPT);
        assert_eq!(ids.from(), Some(GENERATION));
        assert_eq!(known(&ids)[..2], [None, None]);
        ids.forget(at(31) + DAY, DAY, 100, NONE_KEPT);
        assert_eq!(ids, AnsweredIds::default());
    }

    #[test]
    fn none_is_forgotten_while_its_answer_is_in_memory() {
        let mut ids = ids();
        ids.forget(at(11) + DAY, DAY, 0, GENERATION - 1);
        assert_eq!(ids.from(), Some(0));
        ids.forget(at(11) + DAY, DAY, 100, GENERATION);
        assert_eq!(ids.from(), Some(GENERATION));
    }

    #[test]
    fn the_oldest_make_room_when_the_others_are_enough() {
        let mut ids = ids();
        ids.forget(at(30), DAY, 3, NONE_KEPT);
        assert_eq!(ids.from(), Some(0), "without the first generation there would be two");
        ids.forget(at(30), DAY, 2, NONE_KEPT);
        assert_eq!(ids.from(), Some(GENERATION));
    }

    #[test]
    fn every_id_is_found_through_the_sieve_while_generations_come_and_go() {
        let mut ids = AnsweredIds::default();
        let id = |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        // More generations than marks, few ids in each.
        let numbers: Vec<u64> =
            (0..40).flat_map(|round| (0..300).map(move |at| round * GENERATION + at)).collect();
        for &number in &numbers {
            ids.push(id(number), number, at(number));
        }
        for gone in 0..40 {
            let found = numbers.iter().map(|&number| ids.find(CommandId(id(number).into())));
            let known = |number: u64| (gone * GENERATION <= number).then_some(number);
            assert!(found.eq(numbers.iter().map(|&number| known(number))), "without {gone}");
            ids.drop_oldest();
        }
        assert_eq!(ids, AnsweredIds::default());
    }

    #[test]
    fn a_full_generation_is_hardly_ever_asked_for_what_it_has_not() {
        let mut sieve = Sieve { cells: vec![0; CELLS] };
        let id = |number: u64| mix(0, number);
        (0..GENERATION).for_each(|number| sieve.add(id(number), 4));
        let fresh = (GENERATION..2 * GENERATION).filter(|&number| sieve.marks(id(number)) == 4);
        assert!(fresh.count() < 262_144 / 45, "one in 50");
        let [one, other] = Sieve::cells_of(id(9));
        assert_eq!(one / LINE, other / LINE, "one read of memory");
    }
}
