//! What people would use instead of Usher, and what the machine could do at most.
//!
//! Each is as good as we know how to make it, speaks the same contract, and keeps its promises on
//! disk as Usher does. `bench/README.md` says what each does and what it is spared.

mod bare;
mod command;
mod contract;
mod conventional;
mod hall;
mod postgres_only;
mod provider;
mod raw_jetstream;
mod raw_postgres;
mod redis_zset;
mod serve;
mod servers;
mod shop;
mod store;
mod tokens;

pub use command::{READY_LINE, baseline};
pub use raw_jetstream::{Appending, append};
pub use raw_postgres::{Inserting, insert};
#[cfg(test)]
pub use serve::{listen, serve};
pub use servers::{Kind, Servers};

#[cfg(test)]
mod tests;
