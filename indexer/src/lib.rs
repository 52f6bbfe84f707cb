//! Keeps search true: catalogue and journals in, a tantivy index out, answers over NATS.
//!
//! The index holds nothing that the streams do not say. Its last commit carries the positions up to
//! which they were read, so index and position are one atom; a folder that is damaged, of another
//! format or of other streams is made anew from the streams. Search needs neither Postgres nor
//! Redis.

mod config;
mod error;

mod text;

mod record;

mod document;

mod position;

mod store;

mod writer;

mod condition;

mod collect;

mod search;

mod kept;

mod answer;

mod feed;

mod metrics;

mod run;

#[cfg(test)]
mod fixture;

pub use config::Config;
pub use error::Error;
pub use run::{Deps, run};
