//! The line on the terminal.

use std::time::Duration;

/// How far a run is. Counts are since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    pub at: Duration,
    pub in_line: u64,
    pub admitted: u64,
    pub reserved: u64,
    pub sold: u64,
    /// Answers that no scenario wishes for: 5xx and none at all.
    pub errors: u64,
    /// Of the last second.
    pub p99: Duration,
}

/// One line that is written over on a terminal; plain lines, and fewer, elsewhere.
pub struct Progress;

impl Progress {
    pub fn new() -> Self {
        Self
    }

    /// To be called once a second.
    pub fn show(&mut self, standing: &Standing) {
        drop(*standing);
    }

    /// Leaves the last line standing.
    pub fn done(&mut self) {}
}
