//! Reservations and bookings.

mod body;
mod cancel;
mod confirm;
mod orders;
mod reservation;
mod reserve;
mod stored;
mod swap;
mod wait;
mod want;

pub use body::{PlaceNames, TicketBody, TicketStatus, money};
pub(crate) use cancel::{__path_cancel, __path_cancel_ticket};
pub use cancel::{cancel, cancel_ticket};
pub(crate) use confirm::__path_confirm;
pub use confirm::{confirm, is_sold};
pub(crate) use orders::{__path_booking, __path_bookings};
pub use orders::{booking, bookings, was_sold};
pub(crate) use reservation::{__path_extend, __path_release, __path_reservation};
pub use reservation::{extend, release, reservation};
pub(crate) use reserve::__path_reserve;
pub use reserve::reserve;
pub use stored::Bookings;
pub(crate) use swap::__path_swap;
pub use swap::swap;
