//! What happens to every request around its handler.
//!
//! From the outside in: measured and named ([`observe`]), limited by address, shed when too many
//! run at once, put off while the events are not known yet ([`started`]), then routed. Security
//! headers go on at the very end, on every answer.

mod limit;
mod observe;
mod start;

pub use limit::{Limiter, limit};
pub use observe::{RequestId, observe};
pub use start::{Start, started};
