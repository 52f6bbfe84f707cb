//! Holds what a crowd was told against what was promised, and asks the system itself.
//!
//! A crowd knows the times between which something was true. What it may call broken was false at
//! every one of them: an owner counts only as long as it was certainly one, and explains a refusal
//! as long as it was possibly one.

mod auditor;
mod booked;
mod check;
mod events;
mod findings;
mod holds;
mod line;
mod map;
mod numbers;
mod owners;
mod refusals;
mod runs;
mod span;
mod steps;

pub use auditor::audited;
pub use check::{Checked, Checks, Forged, check};
pub use numbers::{Numbered, judge_numbers, jumped, twice};

#[cfg(test)]
pub mod tests;
