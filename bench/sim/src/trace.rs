//! What happened, as one number and as the last lines of a story.

use schema::UnixMillis;
use std::collections::VecDeque;
use std::fmt::{self, Write};

/// How many lines are kept for people: enough to see what led to a broken promise.
const LINES_MAX: usize = 60;

/// The story of a run. Two runs with one hash did the same.
#[derive(Debug)]
pub struct Trace {
    /// FNV-1a over all lines.
    hash: u64,
    lines: VecDeque<String>,
    start: UnixMillis,
}

impl Trace {
    pub fn new(start: UnixMillis) -> Self {
        Self { hash: 0xCBF2_9CE4_8422_2325, lines: VecDeque::new(), start }
    }

    /// Adds a line.
    pub fn note(&mut self, now: UnixMillis, what: fmt::Arguments<'_>) {
        let mut line = String::with_capacity(96);
        let written = write!(line, "{:>7} ms  {what}", now.since(self.start).0);
        written.expect("a text in memory takes all");
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The last lines, oldest first.
    pub fn tail(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}
