//! What the draws of a room take from outside, as operators have said it.

use chassis::keys::sha256;
use schema::admission::{Beacons, Witnesses};
use std::sync::{Mutex, MutexGuard, PoisonError};
use waiting_room_core::revealed;

#[derive(Debug, Default)]
pub(crate) struct Outside {
    beacons: Mutex<Beacons>,
    witnesses: Mutex<Witnesses>,
}

impl Outside {
    /// Whether the draws of pre-queues that begin now wait for a beacon.
    pub(crate) fn needs_beacon(&self) -> bool {
        lock(&self.beacons).required
    }

    /// The beacon that was given for the draw of the cohort with `root`.
    pub(crate) fn beacon(&self, root: &[u8; 32]) -> Option<String> {
        lock(&self.beacons).of(root).map(str::to_owned)
    }

    pub(crate) fn set_beacons(&self, beacons: Beacons) {
        *lock(&self.beacons) = beacons;
    }

    /// The commitments of those whose secrets the next draw waits for.
    pub(crate) fn witnesses(&self) -> Vec<[u8; 32]> {
        lock(&self.witnesses).commitments.clone()
    }

    pub(crate) fn set_witnesses(&self, witnesses: Witnesses) {
        *lock(&self.witnesses) = witnesses;
    }

    /// The secret behind each of a draw's commitments, where it was revealed for the cohort with
    /// `root`. Who reveals for another one may not have known this root.
    pub(crate) fn secrets(
        &self,
        root: Option<[u8; 32]>,
        commitments: &[[u8; 32]],
    ) -> Vec<Option<[u8; 32]>> {
        let known = lock(&self.witnesses);
        let is_for_it = root == Some(known.root);
        revealed(sha256, commitments, if is_for_it { &known.secrets } else { &[] })
    }
}

// Nothing panics while it is held but what ends the process.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
