//! What the system did and took, second by second.

mod sampler;
mod samples;

pub use sampler::{Live, Sampler, Watched};
pub use samples::{Inside, Process, Samples};
