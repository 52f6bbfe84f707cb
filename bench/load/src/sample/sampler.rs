//! Looks once a second, on a thread of its own.

use super::samples::{Inside, Samples};
use crate::wire::Door;
use std::path::PathBuf;
use std::time::Instant;

/// What is looked at. A system elsewhere shows less of itself.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// The data folder, for `usher.json`.
    pub data: Option<PathBuf>,
    /// The address of the metrics page.
    pub metrics: Option<String>,
    pub live: Option<Live>,
}

/// The operator's view of some events.
#[derive(Debug, Clone)]
pub struct Live {
    pub door: Door,
    /// The first eight are watched.
    pub events: Vec<String>,
    /// An account token with the role operator.
    pub operator: String,
}

pub struct Sampler;

impl Sampler {
    /// Times of the samples count from `began`.
    pub fn start(watched: Watched, began: Instant) -> anyhow::Result<Self> {
        anyhow::bail!("not yet: {watched:?} {began:?}")
    }

    /// The newest look at the first event; zeros before there is one.
    pub fn latest(&self) -> Inside {
        Inside::default()
    }

    pub async fn stop(self) -> anyhow::Result<Samples> {
        anyhow::bail!("not yet")
    }
}
