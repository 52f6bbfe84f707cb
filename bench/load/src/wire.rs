//! HTTP as a stranger speaks it: kept-alive connections from several local addresses.

mod connection;
mod door;
mod question;
mod socket;

pub use connection::Connection;
pub use door::{Door, SOURCES_MAX};
pub use question::{Answer, Question};
pub use socket::{Reply, Socket};

#[cfg(test)]
mod tests;
