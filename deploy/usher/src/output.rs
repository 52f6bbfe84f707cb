//! Standard output: what scripts read. Log lines go to standard error.

use std::io::Write;

/// Prints a line at once. A reader that has gone is no reason to stop.
pub fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    if let Err(error) = written {
        tracing::debug!(%error, "nobody reads standard output");
    }
}
