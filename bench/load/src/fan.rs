//! People as state machines: told the time and what was answered, they say what to do next.
//!
//! Nothing here asks for the time, waits, or speaks HTTP. A person is small: a million fit into
//! a few hundred megabytes, tokens included.

mod ask;
mod bots;
mod buyer;
mod line;
mod operator;
mod partner;
mod person;
mod plan;
mod purchase;
mod shopper;
#[cfg(test)]
mod testing;

pub use ask::{Ask, Card, News, PlaceState, Status, Step, Want, What};
pub use person::{Inside, Papers, Person, Scene};
pub use plan::{Plan, Row};
