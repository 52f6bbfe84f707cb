//! One event's places as the journal has them: the state of each seat, what areas have given out,
//! the counts.
//!
//! Nothing here knows the plan: seats and areas are positions, and a position never mentioned is
//! free. So an outcome can be applied before the event's listing has arrived, and an event nobody
//! bought costs nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use schema::{AreaIdx, PlaceCounts, SeatIdx};
use tokio::sync::broadcast;

/// What the seat map shows of a seat. The values are the two bits of the compact form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum SeatStatus {
    #[default]
    Free = 0,
    /// Held or being paid.
    Held = 1,
    Sold = 2,
    /// Set aside without a deadline: allotments and kills.
    Blocked = 3,
}

impl SeatStatus {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Held => "held",
            Self::Sold => "sold",
            Self::Blocked => "blocked",
        }
    }
}

/// What one journal batch changed of an event.
#[derive(Debug, PartialEq, Eq)]
pub struct Delta {
    /// The batch's sequence in the journal of the event's shard.
    pub version: u64,
    pub seats: Vec<(SeatIdx, SeatStatus)>,
    /// Areas that it changed, in any order.
    pub areas: Vec<AreaIdx>,
    /// What areas have given out after it, also those that it did not change: they may share a
    /// pool. Empty if it changed none.
    pub areas_taken: Vec<u32>,
}

/// How many deltas an event keeps for readers that come back, and how many a reader may lag behind.
///
/// At two batches a second a reader may be away for two minutes. More costs memory on every hot
/// event; fewer sends whole snapshots to readers that only changed their network.
pub const DELTAS_KEPT: usize = 256;

/// The places of one event.
#[derive(Debug, Default)]
pub struct EventSeats {
    /// The sequence of the last batch that changed it.
    pub version: u64,
    /// Free places after the last outcome; `None` before the first.
    pub free: Option<u32>,
    /// The places that are not free, by state. `free` of these counts stays zero.
    pub counts: PlaceCounts,
    pub seats: Vec<SeatStatus>,
    pub areas_taken: Vec<u32>,
    delta: Option<Delta>,
    deltas: VecDeque<Arc<Delta>>,
    readers: Option<broadcast::Sender<Arc<Delta>>>,
}

/// A copy for a reader, taken at one journal position.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub version: u64,
    pub seats: Vec<SeatStatus>,
    pub areas_taken: Vec<u32>,
}

impl Snapshot {
    pub fn status(&self, seat: SeatIdx) -> SeatStatus {
        self.seats.get(position(seat.0)).copied().unwrap_or_default()
    }

    pub fn area_taken(&self, area: AreaIdx) -> u32 {
        taken_of(&self.areas_taken, area)
    }
}

/// Where a reader of changes begins.
#[derive(Debug)]
pub enum Start {
    /// Everything: the reader is new, or has been away for longer than the deltas kept.
    Snapshot(Snapshot),
    /// What the reader has missed.
    Deltas(Vec<Arc<Delta>>),
}

impl EventSeats {
    pub fn set_seat(&mut self, seat: SeatIdx, status: SeatStatus) {
        let at = position(seat.0);
        if self.seats.len() <= at {
            self.seats.resize(at + 1, SeatStatus::Free);
        }
        self.seats[at] = status;
        if let Some(delta) = &mut self.delta {
            delta.seats.push((seat, status));
        }
    }

    pub fn take_area(&mut self, area: AreaIdx, quantity: u32) {
        self.change_area(area, |taken| taken.saturating_add(quantity));
    }

    pub fn free_area(&mut self, area: AreaIdx, quantity: u32) {
        self.change_area(area, |taken| taken.saturating_sub(quantity));
    }

    fn change_area(&mut self, area: AreaIdx, change: impl FnOnce(u32) -> u32) {
        let at = usize::from(area.0);
        if self.areas_taken.len() <= at {
            self.areas_taken.resize(at + 1, 0);
        }
        self.areas_taken[at] = change(self.areas_taken[at]);
        if let Some(delta) = &mut self.delta {
            delta.areas.push(area);
        }
    }

    /// Opens the delta of the batch at `version`; a second call for the same batch changes nothing.
    pub fn begin(&mut self, version: u64) {
        if self.delta.is_none() {
            let (seats, areas, areas_taken) = (Vec::new(), Vec::new(), Vec::new());
            self.delta = Some(Delta { version, seats, areas, areas_taken });
        }
    }

    /// Closes the batch's delta and hands it to the readers.
    pub fn finish(&mut self) {
        let Some(mut delta) = self.delta.take() else { return };
        if delta.seats.is_empty() && delta.areas.is_empty() {
            return;
        }
        if !delta.areas.is_empty() {
            delta.areas_taken.clone_from(&self.areas_taken);
        }
        self.version = delta.version;
        let delta = Arc::new(delta);
        if self.deltas.len() == DELTAS_KEPT {
            self.deltas.pop_front();
        }
        self.deltas.push_back(Arc::clone(&delta));
        let Some(readers) = &self.readers else { return };
        // No receiver is left: stop to copy for nobody.
        if readers.send(delta).is_err() {
            self.readers = None;
        }
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            version: self.version,
            seats: self.seats.clone(),
            areas_taken: self.areas_taken.clone(),
        }
    }

    /// Begins to read changes behind version `after`; start and receiver meet without a gap.
    pub fn read(&mut self, after: Option<u64>) -> (Start, broadcast::Receiver<Arc<Delta>>) {
        let readers = self.readers.get_or_insert_with(|| broadcast::Sender::new(DELTAS_KEPT));
        let receiver = readers.subscribe();
        (self.start(after), receiver)
    }

    fn start(&self, after: Option<u64>) -> Start {
        let Some(after) = after else { return Start::Snapshot(self.snapshot()) };
        if after == self.version {
            return Start::Deltas(Vec::new());
        }
        // The reader's own delta must be among those kept: else some between may be gone.
        let Some(at) = self.deltas.iter().position(|delta| delta.version == after) else {
            return Start::Snapshot(self.snapshot());
        };
        Start::Deltas(self.deltas.iter().skip(at + 1).cloned().collect())
    }
}

/// Positions beyond the list have given out nothing.
pub fn taken_of(areas_taken: &[u32], area: AreaIdx) -> u32 {
    areas_taken.get(usize::from(area.0)).copied().unwrap_or_default()
}

fn position(idx: u32) -> usize {
    usize::try_from(idx).expect("positions have at most 32 bits and so has usize")
}
