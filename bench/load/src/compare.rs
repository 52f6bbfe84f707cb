//! `usher-bench compare` and `usher-bench flat`: turns in one go on a system of our own.
//!
//! `compare` lets Usher and what people would use instead take turns; `flat` lets Usher take turns
//! with itself, in houses and lines of several sizes.

mod command;
mod costs;
mod fault;
mod flat;
mod meter;
mod outcome;
mod pairs;
mod process;
mod sides;
mod sums;
mod work;

pub use command::compare;
pub use flat::flat;
