//! Tickets: who holds them, as pictures for the entrance, given away, and checked at the entrances.

mod check_in;
mod show;
mod stored;
mod transfer;

pub(crate) use check_in::__path_check_in;
pub use check_in::{CHECK_IN_BYTES_MAX, check_in};
pub(crate) use show::{__path_ticket, __path_tickets};
pub use show::{ticket, tickets};
pub(crate) use transfer::__path_transfer;
pub use transfer::transfer;
