//! `usher-bench compare`: Usher and what people would use instead, in turns, in one go.

mod command;
mod fault;
mod meter;
mod outcome;
mod pairs;
mod process;
mod sides;
mod sums;
mod work;

pub use command::compare;
