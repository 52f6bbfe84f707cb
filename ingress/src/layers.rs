//! What happens to every request around its handler.
//!
//! From the outside in: measured and named ([`observe`]), limited by address, shed when too many
//! run at once, then routed. Security headers go on at the very end, on every answer.

mod limit;
mod observe;

pub use limit::{Limiter, limit};
pub use observe::{RequestId, observe};
