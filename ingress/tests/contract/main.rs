//! The gateway over HTTP on real servers. The owners are played by the test: what is tested is this
//! stage.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says what failed")]

mod accounts;
mod bench_door;
mod bookings;
mod channels;
mod check_in;
mod client;
mod keys;
mod operators;
mod owner;
mod pending;
mod pools;
mod provider_events;
mod rig;
mod sells;
mod shape;
mod statements;
mod store;
mod strict;
mod webhooks;
