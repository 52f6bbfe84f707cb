//! The decisions of the allocator: who gets which places, until when, and what becomes of them.
//!
//! Pure: no input or output, no clock, no chance, no lock. One [`Shard`] is the state of one
//! shard; its single writer calls [`Shard::decide`] and [`Shard::tick`], and every follower of
//! the journal calls [`Shard::apply`]. Both ways lead to the same state, which [`Shard::digest`]
//! shows. Hash maps are never gone through to decide anything, so that their order does not
//! matter.

mod allotment_rules;
mod answered;
mod answers;
mod audit;
mod best_available;
mod bits;
mod catalogue;
mod channels;
mod deadlines;
mod digest;
mod effects;
mod ended;
mod guard_rules;
mod hold_rules;
mod holds;
mod inspect;
mod limits;
mod log;
mod map;
mod numbered;
mod one_row;
mod part_rules;
mod payment_rules;
mod plan_tables;
mod preferred;
mod reseat_rules;
mod rules;
mod sale;
mod seat_map;
mod seat_word;
mod sell_rules;
mod shape;
#[cfg(test)]
mod shapes;
mod shard;
mod shown;
mod sight;
mod snapshot;
mod split;
mod spread;
mod swap_rules;
mod sync;

pub use answered::AnsweredIds;
pub use answers::Answer;
pub use audit::Difference;
pub use best_available::{Choice, Tally, claim_best, claim_best_of};
pub use catalogue::CatalogueError;
pub use ended::Ended;
pub use holds::{Hold, HoldPhase, PaymentTerms};
pub use inspect::{CountsView, EventView, IdsView, SeatView};
pub use limits::Limits;
pub use numbered::Numbered;
pub use plan_tables::{PlanTables, RowTable};
pub use preferred::{preferred, successor};
pub use sale::PassUse;
pub use seat_map::{Contention, SeatMap};
pub use seat_word::{GENERATION_MAX, SeatState, SeatWord, generation_after};
pub use shard::{Decision, HoldView, Shard};
pub use snapshot::{EventSnapshot, Snapshot};
