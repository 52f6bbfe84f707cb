//! Partners: blocks of places set aside for them, and sold by them, in streams of operations.

mod allotments;
mod atomic;
mod buyer;
mod items;
mod operation;
mod perform;
mod sale;
mod stream;

pub(crate) use allotments::__path_allotments;
pub use allotments::{allotments, holds_of};
pub use buyer::Buyer;
pub(crate) use stream::__path_allocations;
pub use stream::allocations;
