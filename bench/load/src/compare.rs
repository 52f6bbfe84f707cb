//! `usher-bench compare`, `flat` and `failover`: turns in one go on a system of our own.
//!
//! `compare` lets Usher and what people would use instead take turns; `flat` lets Usher take turns
//! with itself, in houses and lines of several sizes; `failover` lets a second allocator come and
//! go.

mod command;
mod commits;
mod costs;
mod failover;
mod fault;
mod flat;
mod lanes;
mod meter;
mod outcome;
mod pairs;
mod process;
mod sides;
mod sums;
mod work;

pub use command::compare;
pub use failover::failover;
pub use flat::flat;
