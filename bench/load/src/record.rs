//! What a crowd asked and was told: times, codes, and the deals that promises are checked on.

mod deal;
mod deed;
mod latency;
mod tally;
mod verdict;

pub use deal::{Deal, Dealt, Place};
pub use deed::Deed;
pub use latency::Latency;
pub use tally::{Heard, Second, Tally};
pub use verdict::{Shown, Verdict};

/// The system did what it was asked.
pub fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}
