//! The scenarios that are part of the program.

use super::Scenario;
use super::read::read;
use anyhow::Context as _;
use std::path::Path;

const KNOWN: [(&str, &str); 8] = [
    ("smoke", include_str!("../../../scenarios/smoke.toml")),
    ("flash-sale", include_str!("../../../scenarios/flash-sale.toml")),
    ("stadium", include_str!("../../../scenarios/stadium.toml")),
    ("hot-seat", include_str!("../../../scenarios/hot-seat.toml")),
    ("many-events", include_str!("../../../scenarios/many-events.toml")),
    ("seed-target", include_str!("../../../scenarios/seed-target.toml")),
    ("overload", include_str!("../../../scenarios/overload.toml")),
    ("soak", include_str!("../../../scenarios/soak.toml")),
];

/// One scenario as `usher-bench list` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub name: &'static str,
    pub about: String,
}

/// All known scenarios.
pub fn list() -> anyhow::Result<Vec<Listed>> {
    let listed = KNOWN.iter().map(|(name, text)| {
        let scenario = read(text, false)?;
        Ok(Listed { name, about: scenario.about })
    });
    listed.collect()
}

/// The scenario of this name, or in the file of this path, with its text.
pub fn find(name: &str, quick: bool) -> anyhow::Result<(Scenario, String)> {
    let text = if let Some((_, text)) = KNOWN.iter().find(|(known, _)| *known == name) {
        (*text).to_owned()
    } else {
        let names = KNOWN.map(|(name, _)| name).join(", ");
        let neither = || format!("{name:?} is neither a known scenario ({names}) nor a file");
        std::fs::read_to_string(Path::new(name)).with_context(neither)?
    };
    Ok((read(&text, quick)?, text))
}

#[cfg(test)]
mod tests {
    use super::{KNOWN, list, read};
    use crate::engine::LAST_ANSWERS;
    use std::time::Duration;

    #[test]
    fn every_known_scenario_is_valid_and_its_quick_form_ends_within_a_minute() {
        for (name, text) in KNOWN {
            let whole = read(text, false).unwrap_or_else(|error| panic!("{name}: {error:#}"));
            assert_eq!(whole.name, name);
            let quick = read(text, true).unwrap_or_else(|error| panic!("{name}: {error:#}"));
            // Before it the system starts, is prepared and probed; after it come the last answers,
            // the checks, the audit and the end.
            let (before, after) = (Duration::from_secs(12), Duration::from_secs(8));
            let plays = Duration::from_secs(quick.seconds_max.into());
            assert!(before + plays + LAST_ANSWERS + after <= Duration::from_mins(1), "{name}");
        }
        assert_eq!(list().unwrap().len(), KNOWN.len());
    }
}
