//! Partners: blocks of places set aside for them, in streams of operations.

mod allotments;
mod atomic;
mod items;
mod operation;
mod perform;
mod stream;

pub(crate) use allotments::__path_allotments;
pub use allotments::{allotments, holds_of};
pub(crate) use stream::__path_allocations;
pub use stream::allocations;
