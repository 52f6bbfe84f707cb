//! What a crowd asked and was told: times, codes, and the deals that promises are checked on.

mod deal;
mod deed;
mod latency;
mod tally;

pub use deal::{Deal, Dealt, Place};
pub use deed::Deed;
pub use latency::Latency;
pub use tally::{Heard, Second, Tally};
