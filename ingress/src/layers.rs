//! What happens to every request around its handler, in one layer.
//!
//! From the outside in: measured and named, limited by address, shed when too many run at once, put
//! off while the events are not known yet, then routed. On the way back an error of a library gets
//! the form of all others, and security headers go on at the very end, on every answer.
//!
//! One layer and not one for each: a router copies its layers for every request, and each copies
//! all that are within it.

mod around;
mod limit;
mod name;
mod shortcut;
mod start;

pub use around::{Checks, around};
pub use limit::Limiter;
pub use name::RequestId;
pub use shortcut::Layered;
pub use start::Start;
