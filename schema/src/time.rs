//! Points in time and spans, in milliseconds.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// Milliseconds since 1970-01-01T00:00:00 UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

/// A span in milliseconds.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct DurationMs(pub u64);

/// The last time with a four-digit year, which RFC 3339 can show: 9999-12-31T23:59:59.999Z.
pub const TIME_MAX: UnixMillis = UnixMillis(253_402_300_799_999);

impl UnixMillis {
    /// Returns the span from `earlier` to this time, zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> DurationMs {
        DurationMs(self.0.saturating_sub(earlier.0))
    }

    /// Parses RFC 3339 text; `None` for other text and for times before 1970 or after [`TIME_MAX`].
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        let millis = u64::try_from(parsed.unix_timestamp_nanos() / 1_000_000).ok()?;
        (millis <= TIME_MAX.0).then_some(Self(millis))
    }

    /// Shows the time as RFC 3339 UTC with milliseconds. Times after [`TIME_MAX`] show as it.
    pub fn to_rfc3339(self) -> String {
        let millis = i64::try_from(self.0.min(TIME_MAX.0)).expect("TIME_MAX is below i64::MAX");
        let at = OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(millis);
        let (date, time) = (at.date(), at.time());
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.millisecond()
        )
    }
}

impl Add<DurationMs> for UnixMillis {
    type Output = Self;

    fn add(self, span: DurationMs) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<DurationMs> for UnixMillis {
    type Output = Self;

    fn sub(self, span: DurationMs) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Add for DurationMs {
    type Output = Self;

    fn add(self, span: Self) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl DurationMs {
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds * 1_000)
    }
}

impl From<DurationMs> for std::time::Duration {
    fn from(span: DurationMs) -> Self {
        Self::from_millis(span.0)
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::{TIME_MAX, UnixMillis};

    #[test]
    fn a_time_survives_the_way_to_text_and_back() {
        for millis in [0, 1, 1_800_000_000_123, TIME_MAX.0] {
            let time = UnixMillis(millis);
            assert_eq!(UnixMillis::parse_rfc3339(&time.to_rfc3339()), Some(time));
        }
        assert_eq!(UnixMillis(1_800_000_000_123).to_rfc3339(), "2027-01-15T08:00:00.123Z");
    }

    #[test]
    fn an_offset_is_brought_to_utc_and_other_text_is_refused() {
        let parsed = UnixMillis::parse_rfc3339("1970-01-01T01:00:00+01:00");
        assert_eq!(parsed, Some(UnixMillis(0)));
        for text in ["", "yesterday", "1969-12-31T23:59:59Z", "2027-01-15"] {
            assert_eq!(UnixMillis::parse_rfc3339(text), None, "{text:?}");
        }
    }
}
