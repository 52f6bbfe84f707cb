//! The allocator: gives every seat to exactly one buyer.
//!
//! Commands come from the bus, one decider thread a shard decides them in memory, batches of
//! outcomes are journaled behind a fence, and only then is anyone answered. A follower of the
//! journal makes checkpoints and is what the next owner starts from.

mod catalog;
mod checkpoint;
mod clock;
mod config;
mod decider;
mod error;
mod inspect;
mod intake;
mod metrics;
mod owner;
mod replica;
mod stage;
mod writer;

pub use allocator_core::HoldPhase;
pub use config::Config;
pub use error::Error;
pub use inspect::{OwnedSeat, OwnerView};
pub use stage::{Deps, run};
