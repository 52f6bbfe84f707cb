//! `usher-bench connections`: many open connections, each of which is asked in turn.
//!
//! A process has 20,000 file handles, on either side: processes of this program share the
//! connections, and targets too where several are named.

mod command;
mod crowd;
mod part;
mod told;

pub use command::connections;
pub use crowd::hold_part;
