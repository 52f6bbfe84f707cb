//! `usher-bench compare`, `flat`, `failover` and `storeloss`: turns in one go on a system of our
//! own.
//!
//! `compare` lets Usher and what people would use instead take turns; `flat` lets Usher take turns
//! with itself, in houses and lines of several sizes; `failover` lets a second allocator come and
//! go; `storeloss` takes Redis away from a long line.

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
mod storeloss;
mod sums;
mod work;

pub use command::compare;
pub use failover::failover;
pub use flat::flat;
pub use storeloss::storeloss;
