//! The demo catalogue: a season of real clubs in real parks, and four events that tests and tours
//! rely on.
//!
//! Pure: the same `now` gives the same catalogue. `demo/ATTRIBUTION.md` names the source of the
//! data.

mod arena;
mod geometry;
mod load;
mod named;
mod park;
mod season;

pub use load::{LOGINS, demo, load_once};
use schema::{EventId, EventListing, RoomSettings, SeatingPlan, UnixMillis};

/// Most places an account may own of a demo event: one person at a tour tries more than a fan
/// would.
const ACCOUNT_PLACES_MAX: u16 = 40;

/// What a first start loads. Plans come first: every event names one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    pub plans: Vec<SeatingPlan>,
    pub events: Vec<EventListing>,
    /// The settings of the rooms that are on.
    pub rooms: Vec<(EventId, RoomSettings)>,
}

/// Generates the catalogue for a system that starts for the first time at `now`.
pub fn catalogue(now: UnixMillis) -> Catalogue {
    let mut catalogue = named::catalogue(now);
    season::extend(&mut catalogue, now);
    catalogue
}

#[cfg(test)]
mod tests;
