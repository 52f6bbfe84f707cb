//! Text for people: numbers, times, and characters that mean something in HTML.

use std::time::Duration;

/// What a number counts, and so how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Whole things, by this plural.
    Count(&'static str),
    /// Something that may be less than one, by its name.
    Amount(&'static str),
    Millis,
    Mib,
}

impl Unit {
    /// The name, for the axis.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count(name) | Self::Amount(name) => name,
            Self::Millis => "milliseconds",
            Self::Mib => "MiB",
        }
    }

    /// The value as exactly as anyone wants to know it.
    pub fn full(self, value: f64) -> String {
        match self {
            Self::Count(_) | Self::Mib if 100.0 <= value.abs() => grouped(value),
            Self::Millis => millis(value),
            _ => short(value),
        }
    }
}

/// Makes text harmless in HTML, also inside quotes.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Other control characters have no place in HTML.
            '\n' | '\t' => safe.push(character),
            _ if character.is_control() => safe.push('\u{fffd}'),
            _ => safe.push(character),
        }
    }
    safe
}

/// `1234567.8` as `1,234,568`.
pub fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    if value.round() < 0.0 {
        text.push('-');
    }
    for (idx, digit) in digits.chars().enumerate() {
        if 0 < idx && (digits.len() - idx).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub fn count(value: u64) -> String {
    // Precise below 2^53, far above anything that is counted here.
    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
    let value = value as f64;
    grouped(value)
}

/// Up to two digits after the point, without zeros at the end.
pub fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// For the axis: `1500000` as `1.5M`.
pub fn compact(value: f64) -> String {
    let (scaled, suffix) = match value.abs() {
        size if size < 1e3 => (value, ""),
        size if size < 1e6 => (value / 1e3, "k"),
        size if size < 1e9 => (value / 1e6, "M"),
        _ => (value / 1e9, "G"),
    };
    format!("{}{suffix}", short(scaled))
}

/// A time given in milliseconds, with its unit.
pub fn millis(value: f64) -> String {
    match value {
        _ if value < 1.0 => format!("{value:.2} ms"),
        _ if value < 100.0 => format!("{value:.1} ms"),
        _ if value < 10_000.0 => format!("{} ms", grouped(value)),
        _ => format!("{:.1} s", value / 1_000.0),
    }
}

/// A duration in milliseconds, with its unit.
pub fn took(time: Duration) -> String {
    millis(time.as_secs_f64() * 1_000.0)
}

/// Time since the start: `42 s`, from two minutes on `2:05`, from an hour on `1:00:00`.
pub fn clock(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..3_600 => format!("{minutes}:{rest:02}"),
        _ => format!("{hours}:{minutes:02}:{rest:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{clock, compact, escape, grouped, millis, short};

    #[test]
    fn hostile_text_is_harmless() {
        assert_eq!(
            escape("<script>a&b('\"')</script>"),
            "&lt;script&gt;a&amp;b(&#39;&quot;&#39;)&lt;/script&gt;"
        );
        assert_eq!(escape("a\u{0}b\nc"), "a\u{fffd}b\nc");
    }

    #[test]
    fn numbers_are_written_for_people() {
        let all = [0.0, 999.4, 1_000.0, 1_234_567.8, -4_500.0].map(grouped);
        assert_eq!(all, ["0", "999", "1,000", "1,234,568", "-4,500"]);
        assert_eq!([0.0, 1.5, 2_000.0, 1.5e6, 3e9].map(compact), ["0", "1.5", "2k", "1.5M", "3G"]);
        assert_eq!([0.25, -0.001, 3.10].map(short), ["0.25", "0", "3.1"]);
        let times = [0.123, 12.34, 1_500.0, 12_345.0].map(millis);
        assert_eq!(times, ["0.12 ms", "12.3 ms", "1,500 ms", "12.3 s"]);
        assert_eq!([59, 119, 125, 3_725].map(clock), ["59 s", "119 s", "2:05", "1:02:05"]);
    }
}
