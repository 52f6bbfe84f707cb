//! What the system did and took, second by second.

mod live;
mod proc_files;
mod process;
mod sampler;
mod samples;
mod scrape;
mod slope;

pub use live::Live;
pub use process::{cpu, named, resident_kib};
pub use sampler::{Sampler, Watched};
pub use samples::{Inside, Process, Samples};
