//! What a run plays: events, people, what an operator does, and what is expected of it.
//!
//! A scenario is a TOML file; the known ones are part of the program. Its `[quick]` table has the
//! same form and lies over the rest.

mod check;
mod library;
mod model;
mod read;

pub use check::PEOPLE_MAX;
pub use library::{find, list};
pub use model::{
    Act, Arrivals, DoorSpec, Event, Expect, Habits, Kind, Make, People, Range, Rate, Room,
    Scenario, Shape, Steering,
};
