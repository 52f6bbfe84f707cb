//! Plays a crowd: an open loop of questions, each with the time at which it was meant to be asked.
//!
//! People are split over lanes, one thread each. A lane has a timer wheel with everybody who
//! sleeps, and connections that take whoever is due. Where all of them are busy people wait, and
//! that counts: latency is measured from the intended time.

mod answer;
mod board;
mod deals;
mod edge;
mod lane;
mod played;
mod question;
mod run;
mod wheel;
mod work;
mod world;

pub use board::{Board, Counts};
pub use played::{Group, Played};
pub use run::{LAST_ANSWERS, Play, lanes, run};
pub use world::{Account, Venue, World};

#[cfg(test)]
mod tests;
