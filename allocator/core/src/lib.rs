//! The decisions of the allocator: who gets which places, until when, and what becomes of them.
//!
//! Pure: no input or output, no clock, no chance, no lock. One [`Shard`] is the state of one shard; its
//! single writer calls [`Shard::decide`] and [`Shard::tick`], and every follower of the journal calls
//! [`Shard::apply`]. Both ways lead to the same state, which [`Shard::digest`] shows.

mod limits;
mod seat_word;
mod shard;

pub use limits::Limits;
pub use seat_word::{SeatState, SeatWord};
pub use shard::{CatalogueError, Decision, HoldPhase, HoldView, Shard, Snapshot};
