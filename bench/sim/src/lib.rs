//! Plays a whole sale in virtual time, over the real cores, with everything failing that may fail,
//! and looks after every step whether the promises hold.
//!
//! A run follows from its seed alone: no thread, no clock, no map whose order is by chance. What is
//! around the cores (the owner's shell, the journal's server, the bus, settlement's drivers and
//! database) is written here once more, small and without waiting, by the rules of the real ones.
//! What people and servers see is checked by a model of its own, which shares no code with the
//! cores. [`Mutation`] breaks one rule at a time, and each must be noticed.

mod archive;
mod asker;
mod bus;
mod checkpoint;
mod clock;
mod common;
mod dice;
mod fan;
mod front;
mod hall;
mod happening;
mod journal;
mod ledger;
mod looker;
mod mutation;
mod owner;
mod partner;
mod process;
mod promises;
mod provider;
mod provider_event;
mod replica;
mod room;
mod run;
mod sabotage;
mod settlement;
mod spread;
mod standing;
mod store;
mod trace;
mod wire;
mod world;

pub use happening::{Happening, Tally};
pub use mutation::Mutation;
pub use promises::Finding;
pub use run::{Broken, Play, Report, run};
pub use world::{Dead, Ending};

#[cfg(test)]
mod tests;
