//! The line on the terminal.

use super::text::{clock, count, took};
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

/// Where nobody watches, a line now and then is enough for a log.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// How far a run is. Counts are since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    pub at: Duration,
    pub in_line: u64,
    pub admitted: u64,
    pub reserved: u64,
    pub sold: u64,
    /// Answers that no scenario wishes for: neither a success nor a told refusal.
    pub errors: u64,
    /// Of the last second.
    pub p99: Duration,
}

/// One line that is written over on a terminal; plain lines, and fewer, elsewhere.
pub struct Progress {
    terminal: bool,
    /// When the next plain line is due.
    due: Duration,
    open: bool,
}

impl Progress {
    pub fn new() -> Self {
        Self { terminal: std::io::stdout().is_terminal(), due: Duration::ZERO, open: false }
    }

    /// To be called once a second.
    pub fn show(&mut self, standing: &Standing) {
        if let Some(text) = self.text(standing) {
            write(&text);
        }
    }

    /// Leaves the last line standing.
    pub fn done(&mut self) {
        if std::mem::take(&mut self.open) {
            write("\n");
        }
    }

    fn text(&mut self, standing: &Standing) -> Option<String> {
        let line = line(standing);
        if self.terminal {
            self.open = true;
            // To the left edge, and nothing left of a longer line.
            return Some(format!("\r{line}\u{1b}[K"));
        }
        if standing.at < self.due {
            return None;
        }
        self.due = standing.at + PLAIN_EVERY;
        Some(line + "\n")
    }
}

fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that has gone is no reason to stop.
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

fn line(standing: &Standing) -> String {
    let Standing { at, in_line, admitted, reserved, sold, errors, p99 } = *standing;
    let [in_line, admitted, reserved, sold, errors] =
        [in_line, admitted, reserved, sold, errors].map(count);
    format!(
        "{:>7}  line {in_line}  admitted {admitted}  reserved {reserved}  sold {sold}  \
         errors {errors}  p99 {}",
        clock(at.as_secs()),
        took(p99)
    )
}

#[cfg(test)]
mod tests {
    use super::{Progress, Standing};
    use std::time::Duration;

    fn standing(second: u64) -> Standing {
        Standing {
            at: Duration::from_secs(second),
            in_line: 987_654,
            admitted: 1_200,
            reserved: 40,
            sold: 3,
            errors: 0,
            p99: Duration::from_micros(12_340),
        }
    }

    #[test]
    fn a_terminal_sees_one_line_that_is_written_over() {
        let mut progress = Progress { terminal: true, due: Duration::ZERO, open: false };
        let text = progress.text(&standing(7)).unwrap();
        assert_eq!(
            text,
            "\r    7 s  line 987,654  admitted 1,200  reserved 40  sold 3  \
            errors 0  p99 12.3 ms\u{1b}[K"
        );
        assert!(progress.text(&standing(8)).is_some() && progress.open);
    }

    #[test]
    fn a_log_gets_a_plain_line_now_and_then() {
        let mut progress = Progress { terminal: false, due: Duration::ZERO, open: false };
        let shown: Vec<u64> =
            (0..12).filter(|second| progress.text(&standing(*second)).is_some()).collect();
        assert_eq!(shown, [0, 5, 10]);
        let text = progress.text(&standing(20)).unwrap();
        assert!(text.ends_with("ms\n") && !text.contains(['\r', '\u{1b}']));
    }
}
