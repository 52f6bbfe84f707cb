//! Commands whose answers have left the memory: that they were answered, and as the how-manieth of
//! their journal. The answers themselves are with whoever archives them.
//!
//! A command that is known here is never decided again, whether or not its answer can be found.

use crate::map::HashMap;
use schema::{CommandId, DurationMs, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Answers that are forgotten together. A power of two, and many enough that a fresh command is
/// looked for in few places.
const GENERATION: u64 = 1 << 18;

/// Ids of answered commands with the numbers of their answers, counted from the first of the
/// journal.
///
/// An id is known by its lower 64 bits, at 18 bytes each. That two of four million agree in them
/// happens once in two million such sets; the later command would find no answer of its own then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedIds {
    /// In order of number, the gaps between them left out.
    generations: VecDeque<Generation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Generation {
    /// The first number that belongs to it, a multiple of [`GENERATION`].
    first: u64,
    /// How far behind `first` each one's number is.
    offsets: HashMap<u64, u32>,
    /// The latest time of an answer.
    last_at: UnixMillis,
}

impl ArchivedIds {
    /// Adds a command that was answered at `at`. Numbers only rise.
    pub fn push(&mut self, id: u64, number: u64, at: UnixMillis) {
        let first = number / GENERATION * GENERATION;
        if self.generations.back().is_none_or(|newest| newest.first != first) {
            let fresh = Generation { first, offsets: HashMap::default(), last_at: at };
            self.generations.push_back(fresh);
        }
        let newest = self.generations.back_mut().expect("there is one now");
        let offset = u32::try_from(number - first).expect("below GENERATION");
        newest.offsets.insert(id, offset);
        newest.last_at = at;
    }

    /// The number of a command's answer.
    pub fn find(&self, command: CommandId) -> Option<u64> {
        let id = Self::id(command);
        self.generations.iter().rev().find_map(|generation| {
            let offset = generation.offsets.get(&id)?;
            Some(generation.first + u64::from(*offset))
        })
    }

    /// What of a command's id is kept.
    pub fn id(command: CommandId) -> u64 {
        u64::try_from(command.0 & u128::from(u64::MAX)).expect("masked to 64 bits")
    }

    /// No answer with a number below this one is known.
    pub fn from(&self) -> Option<u64> {
        self.generations.front().map(|oldest| oldest.first)
    }

    /// Forgets generations that ended more than `memory` before `time`, and the oldest while others
    /// have `ids_max` already.
    pub(crate) fn forget(&mut self, time: UnixMillis, memory: DurationMs, ids_max: u32) {
        let many = usize::try_from(ids_max).expect("a limit of memory fits into it");
        while let Some(oldest) = self.generations.front() {
            let crowded = many + oldest.offsets.len() <= self.len();
            if time <= oldest.last_at + memory && !crowded {
                break;
            }
            self.generations.pop_front();
        }
    }

    /// In any order: the id with the number of its answer.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.generations.iter().flat_map(|generation| {
            let number = |offset: u32| generation.first + u64::from(offset);
            generation.offsets.iter().map(move |(&id, &offset)| (id, number(offset)))
        })
    }

    fn len(&self) -> usize {
        self.generations.iter().map(|generation| generation.offsets.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{ArchivedIds, GENERATION};
    use schema::{CommandId, DurationMs, UnixMillis};

    const DAY: DurationMs = DurationMs(86_400_000);

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis(seconds * 1_000)
    }

    fn ids() -> ArchivedIds {
        let mut ids = ArchivedIds::default();
        ids.push(1, 0, at(0));
        ids.push(2, GENERATION - 1, at(10));
        ids.push(3, GENERATION, at(20));
        ids.push(4, 5 * GENERATION + 7, at(30));
        ids
    }

    fn known(ids: &ArchivedIds) -> Vec<Option<u64>> {
        (1..=4).map(|id| ids.find(CommandId(id))).collect()
    }

    #[test]
    fn a_command_is_known_by_the_number_of_its_answer() {
        let (last, later) = (GENERATION - 1, 5 * GENERATION + 7);
        assert_eq!(known(&ids()), [Some(0), Some(last), Some(GENERATION), Some(later)]);
        assert_eq!(ids().find(CommandId(5)), None);
        assert_eq!(ids().iter().count(), 4);
    }

    #[test]
    fn none_is_forgotten_before_its_time_and_each_soon_after() {
        let mut ids = ids();
        ids.forget(at(10) + DAY, DAY, 100);
        assert_eq!(ids.from(), Some(0), "the last of the first generation is a day old");
        ids.forget(at(11) + DAY, DAY, 100);
        assert_eq!(ids.from(), Some(GENERATION));
        assert_eq!(known(&ids)[..2], [None, None]);
        ids.forget(at(31) + DAY, DAY, 100);
        assert_eq!(ids, ArchivedIds::default());
    }

    #[test]
    fn the_oldest_make_room_when_the_others_are_enough() {
        let mut ids = ids();
        ids.forget(at(30), DAY, 3);
        assert_eq!(ids.from(), Some(0), "without the first generation there would be two");
        ids.forget(at(30), DAY, 2);
        assert_eq!(ids.from(), Some(GENERATION));
    }
}
