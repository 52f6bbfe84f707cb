//! How often each place may poll.

use dashmap::DashMap;
use schema::DurationMs;
use std::sync::atomic::{AtomicU32, Ordering};
use waiting_room_core::PollGuard;

/// Numbers in one block: 16 KiB.
const BLOCK: u64 = 4_096;

/// Next free times of polls by number, in ms since the instance started: 4 bytes a place.
#[derive(Debug, Default)]
pub(crate) struct PollGuards(DashMap<u64, Box<[AtomicU32]>>);

impl PollGuards {
    /// Lets a poll of the place pass, or says how long to wait.
    pub(crate) fn pass(&self, number: u64, now_ms: u32) -> Result<(), DurationMs> {
        let (block, idx) = (number / BLOCK, number % BLOCK);
        // Found by all but the first poll of a block, with a lock that polls share.
        let block = match self.0.get(&block) {
            Some(known) => known,
            None => self.0.entry(block).or_insert_with(fresh).downgrade(),
        };
        let place = &block[usize::try_from(idx).expect("below the block's size")];
        let call = |next: u32| PollGuard::call(next, now_ms);
        // Relaxed: each place's guard stands alone.
        let passed =
            place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| call(next).ok());
        match passed {
            Ok(_) => Ok(()),
            Err(next) => call(next).map(drop),
        }
    }
}

fn fresh() -> Box<[AtomicU32]> {
    (0..BLOCK).map(|_| AtomicU32::new(0)).collect()
}
