//! Checks of the project that no compiler or lint makes: `cargo run -p xtask -- tidy`.

mod arrows;
mod files;
mod finding;
mod manifests;
mod providers;
mod rules;
mod scan;
mod tidy;

pub use finding::Finding;
pub use tidy::tidy;
