//! `usher-bench compare`: Usher and what people would use instead, in turns, in one go.

mod command;
mod pairs;
mod process;
mod sides;
mod work;

pub use command::compare;
