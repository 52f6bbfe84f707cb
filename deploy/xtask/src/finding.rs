//! One place that breaks one rule.

use std::fmt;

/// A broken rule: where it is and what to do about it. Printed as `path:line: detail`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub path: String,
    /// 1-based; 0 means the file as a whole.
    pub line: usize,
    pub detail: String,
}

impl Finding {
    pub fn new(path: &str, line: usize, detail: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, detail: detail.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.detail),
            line => write!(f, "{}:{line}: {}", self.path, self.detail),
        }
    }
}
