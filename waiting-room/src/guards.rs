//! How often each place may poll.

use schema::DurationMs;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use waiting_room_core::{NUMBER_MAX, PollGuard};

/// Numbers in one block: 16 KiB.
const BLOCK: u64 = 4_096;

/// Blocks in one shelf, and shelves of a room: 16 KiB each.
const SHELF: u64 = 1_024;
const SHELVES: u64 = 1_024;

const _: () = assert!(NUMBER_MAX / BLOCK / SHELF < SHELVES);

type Block = Box<[AtomicU32]>;
type Shelf = Box<[OnceLock<Block>]>;

/// Next free times of polls by number, in ms since the instance started: 4 bytes a place.
///
/// A table of tables and not a map: nobody who polls writes what others read, but the own time.
#[derive(Debug)]
pub(crate) struct PollGuards(Box<[OnceLock<Shelf>]>);

impl Default for PollGuards {
    fn default() -> Self {
        Self((0..SHELVES).map(|_| OnceLock::new()).collect())
    }
}

impl PollGuards {
    /// Lets a poll of the place pass, or says how long to wait.
    ///
    /// # Panics
    /// For a number above [`NUMBER_MAX`], which no place has.
    pub(crate) fn pass(&self, number: u64, now_ms: u32) -> Result<(), DurationMs> {
        let (block, place) = (number / BLOCK, number % BLOCK);
        let blocks = self.0[at(block / SHELF)].get_or_init(fresh_shelf);
        let block = blocks[at(block % SHELF)].get_or_init(fresh_block);
        let call = |next: u32| PollGuard::call(next, now_ms);
        // Relaxed: each place's guard stands alone.
        let passed = block[at(place)]
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| call(next).ok());
        match passed {
            Ok(_) => Ok(()),
            Err(next) => call(next).map(drop),
        }
    }
}

fn at(idx: u64) -> usize {
    usize::try_from(idx).expect("tables fit in memory")
}

fn fresh_shelf() -> Shelf {
    (0..SHELF).map(|_| OnceLock::new()).collect()
}

fn fresh_block() -> Block {
    (0..BLOCK).map(|_| AtomicU32::new(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::PollGuards;
    use waiting_room_core::NUMBER_MAX;

    #[test]
    fn each_place_has_a_guard_of_its_own_up_to_the_last_number() {
        let guards = PollGuards::default();
        for number in [1, 4_095, 4_096, 4_194_304, NUMBER_MAX] {
            for poll in 0..10 {
                assert_eq!(guards.pass(number, 1_000), Ok(()), "{number}: {poll}");
            }
            assert!(guards.pass(number, 1_000).is_err(), "{number}");
        }
    }
}
