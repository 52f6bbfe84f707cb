//! Somebody else's Stripe for tests of this and other crates, and a network in front of it that
//! does to calls what networks do.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its failure message")]

mod kept;
mod local;
mod proxy;

pub use local::{AtStripe, LocalStripe};
pub use proxy::{Deed, Fault, Network, Passed, Proxy};
