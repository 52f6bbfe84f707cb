//! The waiting room on real servers, spoken to as a fan would.
#![expect(clippy::unwrap_used, reason = "a panic is the message of a failed test")]

mod adapt;
mod attacks;
mod draw;
mod ends;
mod eviction;
mod flow;
mod giving_back;
mod honesty;
mod keys;
mod leaving;
mod loss;
mod metrics;
mod modes;
mod persons;
mod proxy;
mod rates;
mod returns;
mod shortcut;
mod standing;
mod world;
