//! LINE-2: in no 60 s are more called than the cap, and passes never exceed theirs.

use super::findings::Findings;
use crate::sample::Inside;
use std::collections::BTreeMap;
use std::time::Duration;

const WINDOW: Duration = Duration::from_mins(1);

/// How old a figure may be beyond what it says of itself: one is sent each second.
const AGE_MAX: Duration = Duration::from_secs(2);

/// How old the word of a room may be that does not say.
const LAG_UNKNOWN: Duration = Duration::from_secs(5);

/// How much earlier or later than it was seen a setting may have come into force.
const SETTING_AGE_MAX: Duration = Duration::from_secs(10);

/// Judges the rooms with a cap; says nothing where there is none.
pub fn judge(inside: &BTreeMap<String, Vec<Inside>>, findings: &mut Findings) {
    let mut faults = Vec::new();
    let (mut rooms, mut called) = (0_u64, 0);
    for (event, samples) in inside {
        if samples.iter().all(|sample| sample.admission_per_minute.is_none()) {
            continue;
        }
        rooms += 1;
        let first = samples.first().map_or(0, |sample| sample.called);
        called += samples.last().map_or(0, |sample| sample.called).saturating_sub(first);
        faults.extend(too_fast(event, samples));
        faults.extend(too_many(event, samples));
    }
    if 0 < rooms {
        let seen = format!("{called} called in {rooms} rooms, never beyond their caps");
        findings.judge("LINE-2", &seen, "windows were beyond their cap", &faults);
    }
}

/// Finds samples that are certainly within 60 s of each other with more called between them than
/// the largest cap that was in force.
pub fn too_fast(event: &str, samples: &[Inside]) -> Option<String> {
    let mut from = 0;
    for (to, last) in samples.iter().enumerate() {
        let began = |sample: &Inside| {
            let lag = sample.room_lag.unwrap_or(LAG_UNKNOWN);
            sample.at.saturating_sub(lag).saturating_sub(AGE_MAX)
        };
        while WINDOW < last.at.saturating_sub(began(&samples[from])) && from < to {
            from += 1;
        }
        let called = last.called.saturating_sub(samples[from].called);
        let Some(cap) = cap(samples, samples[from].at, last.at) else { continue };
        if u64::from(cap) < called {
            let at = last.at.as_secs();
            return Some(format!(
                "{event} called {called} in the 60 s before {at} s, its cap was {cap}"
            ));
        }
    }
    None
}

/// The largest cap that was possibly in force; none if there possibly was none.
fn cap(samples: &[Inside], from: Duration, to: Duration) -> Option<u32> {
    let (from, to) = (from.saturating_sub(SETTING_AGE_MAX), to + SETTING_AGE_MAX);
    let first = samples.partition_point(|sample| sample.at < from);
    let end = samples.partition_point(|sample| sample.at <= to);
    let caps = samples[first..end].iter().map(|sample| sample.admission_per_minute);
    caps.collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// Finds a moment with more active than was ever allowed before: who is in when a cap is lowered
/// stays in.
fn too_many(event: &str, samples: &[Inside]) -> Option<String> {
    let until = |sample: &Inside| sample.at + SETTING_AGE_MAX;
    samples.iter().find_map(|sample| {
        let known = samples.partition_point(|other| other.at <= until(sample));
        let caps = samples[..known].iter().map(|other| other.active_max);
        let cap = caps.collect::<Option<Vec<_>>>()?.into_iter().max()?;
        let (active, at) = (sample.active, sample.at.as_secs());
        (cap < active).then(|| format!("{event} has {active} active at {at} s, its cap was {cap}"))
    })
}
