//! What polls are told from, as of one moment: made once after each change of a room, and looked at
//! by many threads without any of them writing where the others read.
//!
//! Polls of one room on two cores would otherwise meet at a dozen locks each, and a lock that is
//! only read is a line of memory that is written.

use super::{Outlook, Room, lock, read, write};
use crate::config::STATUS_AGE_MAX;
use crate::rooms::Rooms;
use chassis::clock::Monotonic;
use schema::EventId;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use waiting_room_core::{Ceilings, LiveIndex, Positions};

/// How many rooms a thread remembers; a crowd asks about few at a time.
///
/// With more of them a poll looks its room up in the list of all, which costs what it did before.
const ROOMS_MAX: usize = 8;

const _: () = assert!(0 < ROOMS_MAX);

/// A room as polls of waiting places see it.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// [`Room::version`] before anything was read: what changed later makes another view.
    pub(crate) version: u64,
    pub(crate) index: Arc<LiveIndex>,
    pub(crate) positions: Positions,
    pub(crate) outlook: Outlook,
    pub(crate) rate_per_minute: u32,
    /// The longest that anybody is told to wait before the next poll.
    pub(crate) poll_ceilings: Ceilings,
    /// No number above it has bought, or given its pass back.
    completed_last: Option<u64>,
    pub(crate) has_seats: bool,
    /// Whether what the stream held when this process came has been read.
    pub(crate) has_begun: bool,
    /// The horizon of the leader's last word, and when that was heard.
    pub(crate) horizon: Option<(u64, Monotonic)>,
}

impl View {
    /// Whether a place that waits is not asked to check in; `None` is one before its draw. In doubt
    /// it is near: the leader waits for those who were told a far one's pause, and for no others.
    pub(crate) fn is_far(&self, number: Option<u64>) -> bool {
        let fresh = self.horizon.filter(|(_, heard)| heard.elapsed() <= STATUS_AGE_MAX);
        fresh.is_some_and(|(horizon, _)| number.is_none_or(|number| horizon < number))
    }

    /// Whether the place has bought, or given its pass back. Hardly any has to be looked up.
    pub(crate) fn has_completed(&self, room: &Room, number: u64) -> bool {
        self.completed_last.is_some_and(|last| number <= last) && room.has_completed(number)
    }
}

impl Room {
    /// Rises after each change of what a [`View`] shows.
    pub(crate) fn version(&self) -> u64 {
        // Acquire: pairs with the Release in `changed`; what was changed before is seen.
        self.version.load(Ordering::Acquire)
    }

    pub(super) fn changed(&self) {
        // Release: pairs with the Acquire in `version`.
        self.version.fetch_add(1, Ordering::Release);
    }

    /// The room as polls of waiting places see it now.
    pub(crate) fn view(&self) -> Arc<View> {
        let version = self.version();
        let known = Arc::clone(&read(&self.view));
        if known.version == version {
            return known;
        }
        // One lock after the other, and each is given back at once: whoever holds one while waiting
        // for another that somebody wants to write may wait for ever.
        // The index comes before the cursor, so that it begins at that or below.
        let index = Arc::clone(&read(&self.index));
        let positions = self.ledger().positions();
        let outlook = *read(&self.outlook);
        let rate_per_minute = self.settings().admission_rate_per_minute;
        let poll_ceilings = self.poll_ceilings();
        // Whether all is read comes before what was read.
        let (has_seats, has_begun) = (self.listing().has_seats(), *self.begun.borrow());
        let completed_last = lock(&self.completed).numbers.last();
        let horizon = read(&self.status).as_ref().map(|(said, at)| (said.check_in_horizon, *at));
        let view = Arc::new(View {
            version,
            index,
            positions,
            outlook,
            rate_per_minute,
            poll_ceilings,
            completed_last,
            has_seats,
            has_begun,
            horizon,
        });
        let mut newest = write(&self.view);
        // Another thread may have looked later.
        if newest.version < version {
            *newest = Arc::clone(&view);
        }
        view
    }
}

/// A room that this thread was asked about.
struct Seen {
    /// Which list of rooms it is of: a process of tests has several.
    rooms: u64,
    room: Arc<Room>,
    view: Arc<View>,
}

thread_local! {
    static SEEN: RefCell<Vec<Seen>> = const { RefCell::new(Vec::new()) };
}

/// Lets `look` see the event's room as it is now; `None` if it has none.
///
/// Must not be called within `look`.
pub(crate) fn of_room<T>(
    rooms: &Rooms,
    event: &str,
    look: impl FnOnce(&Arc<Room>, &View) -> Option<T>,
) -> Option<T> {
    SEEN.with_borrow_mut(|seen| {
        let is_it = |seen: &Seen| seen.rooms == rooms.id && seen.room.event.as_str() == event;
        if let Some(at) = seen.iter().position(is_it) {
            // Who is asked about most is found first.
            seen.swap(at, at.saturating_sub(1));
            let seen = &mut seen[at.saturating_sub(1)];
            if seen.view.version != seen.room.version() {
                seen.view = seen.room.view();
            }
            return look(&seen.room, &seen.view);
        }
        let event: EventId = event.parse().ok()?;
        // A room that is open stays so for the life of the process.
        let room = rooms.find(&event)?;
        let view = room.view();
        seen.truncate(ROOMS_MAX - 1);
        seen.insert(0, Seen { rooms: rooms.id, room, view });
        look(&seen[0].room, &seen[0].view)
    })
}
