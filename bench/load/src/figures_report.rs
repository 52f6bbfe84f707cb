//! What was measured, as a table and as JSON.

use crate::closed_loop::Measured;
use crate::processes::Process;
use serde::Serialize;
use std::fmt::Write as _;

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    pub what: String,
    #[serde(flatten)]
    pub measured: Measured,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub target: String,
    pub connections: usize,
    pub seconds: u64,
    /// How the load behaves.
    pub load: &'static str,
    pub lines: Vec<Line>,
    pub start_up_ms: Option<u64>,
    pub processes: Vec<Process>,
}

impl Report {
    pub fn add(&mut self, what: &str, measured: Measured) {
        say(&format!("{what}: {}/s", measured.per_second));
        self.lines.push(Line { what: what.to_owned(), measured });
    }

    pub fn table(&self) -> String {
        let mut text = format!(
            "\n{} connections, {} s each, {}\n\n{:<34}{:>10}{:>11}{:>11}{:>11}  other answers\n",
            self.connections, self.seconds, self.load, "", "per s", "p50 ms", "p99 ms", "max ms"
        );
        for Line { what, measured } in &self.lines {
            let [p50, p99, max] = [measured.p50_us, measured.p99_us, measured.max_us].map(millis);
            let other = &measured.other;
            let other = if other.is_empty() { String::new() } else { format!("{other:?}") };
            let rate = measured.per_second;
            put(&mut text, &format!("{what:<34}{rate:>10}{p50:>11}{p99:>11}{max:>11}  {other}"));
        }
        text.push('\n');
        if let Some(start_up_ms) = self.start_up_ms {
            put(&mut text, &format!("start-up {start_up_ms} ms"));
        }
        for Process { name, resident_kib, peak_kib, .. } in &self.processes {
            let (resident, peak) = (resident_kib / 1_024, peak_kib / 1_024);
            put(&mut text, &format!("{name}: {resident} MiB resident, peak {peak} MiB"));
        }
        text
    }

    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data is JSON")
    }
}

fn put(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a String takes all text");
}

/// Microseconds as milliseconds with two digits.
fn millis(micros: u64) -> String {
    format!("{}.{:02}", micros / 1_000, micros % 1_000 / 10)
}

/// Prints what a person at the terminal reads.
#[expect(clippy::print_stdout, reason = "the figures are this program's answer")]
pub fn say(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::millis;

    #[test]
    fn microseconds_show_as_milliseconds() {
        assert_eq!(millis(12_345), "12.34");
        assert_eq!(millis(45), "0.04");
    }
}
