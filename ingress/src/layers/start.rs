//! Nothing is said about events before they are known.

use std::sync::atomic::{AtomicBool, Ordering};

use chassis::{Health, Problem};

use crate::catalog::CATALOGUE;
use crate::rooms::ROOM_SETTINGS;

/// Whether this process has read what it must know of every event.
#[derive(Debug)]
pub struct Start {
    health: Health,
    over: AtomicBool,
}

impl Start {
    pub fn new(health: &Health) -> Self {
        Self { health: health.clone(), over: AtomicBool::new(false) }
    }

    /// Once over it stays so: a reader that fails later still knows what it has read.
    fn is_over(&self) -> bool {
        // Relaxed, here and below: the lists have locks of their own; nothing is ordered by this.
        if self.over.load(Ordering::Relaxed) {
            return true;
        }
        let missing = self.health.missing();
        let over = [CATALOGUE, ROOM_SETTINGS].iter().all(|name| !missing.contains_key(*name));
        if over {
            self.over.store(true, Ordering::Relaxed);
        }
        over
    }

    /// The 503 that is all to be heard until the catalogue and the rooms' settings are read.
    ///
    /// Before, an event in the middle of its sale would be called unknown, and a room that an
    /// operator has switched on would let everybody in.
    pub(super) fn refusal(&self) -> Option<Problem> {
        let detail = "the events are not read yet; try again";
        let starting = || Problem::retryable(503, "STARTING", "The service starts", detail, 1);
        (!self.is_over()).then(starting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_of_events_until_catalogue_and_rooms_are_read() {
        let health = Health::new();
        let (catalogue, rooms) = (health.register(CATALOGUE), health.register(ROOM_SETTINGS));
        let start = Start::new(&health);
        let status = || start.refusal().map(|problem| problem.status);
        assert_eq!(status(), Some(503));
        catalogue.set_ready();
        assert_eq!(status(), Some(503));
        rooms.set_ready();
        assert_eq!(status(), None);
        catalogue.set_failing("NATS is gone");
        assert_eq!(status(), None, "what was read is still known");
    }
}
