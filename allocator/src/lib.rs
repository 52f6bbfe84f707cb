//! The allocator: gives every seat to exactly one buyer.
//!
//! Commands come from the bus, one decider thread a shard decides them in memory, batches of
//! outcomes are journaled behind a fence, and only then is anyone answered. A follower of the
//! journal makes checkpoints and is what the next owner starts from.

mod archive;
mod catalog;
mod checkpoint;
mod clock;
mod config;
mod decider;
#[cfg(all(feature = "testing", debug_assertions))]
mod door;
mod error;
mod inspect;
mod intake;
mod load;
mod metrics;
mod owner;
mod parts;
mod recall;
mod replica;
mod reread;
mod spread;
mod stage;
mod store;
mod tell;
mod trim;
mod writer;

pub use allocator_core::{
    AnsweredIds, CountsView, EventView, HoldPhase, IdsView, Numbered, PassUse, SeatView,
};
pub use checkpoint::CheckpointView;
pub use config::Config;
#[cfg(all(feature = "testing", debug_assertions))]
pub use door::Plant;
pub use error::Error;
pub use inspect::{AnswerView, AnswersView, Inspect, OwnerView};
pub use stage::{Deps, run};
pub use store::{newest_checkpoint, oldest_checkpoint};
