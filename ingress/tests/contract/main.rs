//! The gateway over HTTP on real servers. The owners are played by the test: what is tested is this stage.

mod accounts;
mod bookings;
mod client;
mod operators;
mod owner;
mod rig;
mod shape;
