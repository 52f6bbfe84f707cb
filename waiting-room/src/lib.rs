//! The waiting room: holds the crowd in a fair line and lets people in at the pace the rest can
//! bear.
//!
//! Every instance answers joins, polls and claims of every room from what it follows: the
//! catalogue, the settings, the rooms' streams and the leaders' ticks. One instance leads each
//! room, behind a fence: it decides whom to call and journals that before anybody hears of it.
//! Redis holds the next number and who is alive, which tokens and the stream could replace, and for
//! ten minutes which key of a join got which number, which they could not.

mod append;
mod away;
mod boot;
mod cohorts;
mod config;
mod document;
mod drawn;
mod enqueue;
mod enter;
mod error;
mod eviction;
mod follow;
mod give_back;
mod guards;
mod http;
mod joiner;
mod journal;
mod last;
mod leader;
mod loads;
mod metrics;
mod outside;
mod passes;
mod pulse;
mod rehearse;
mod remembered;
mod room;
mod rooms;
mod seal;
mod seats;
mod secret;
mod stage;
mod store;
mod verify;

pub use config::{Config, Deps};
pub use error::Error;
pub use http::openapi;
pub use rehearse::{
    Course, FANS_MAX, Minute, Rehearsal, RehearsalFault, Release, Spread, Total, rehearse,
};
pub use stage::{Stage, start};
pub use verify::{DrawFile, DrawFiles, Finding, Verdict, verify_draw};
