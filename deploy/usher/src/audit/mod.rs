//! `usher audit`: checks the promises over the journal, Postgres and the live owners.
//!
//! The journal is folded here by rules of its own, not by the allocator's code: an auditor who
//! borrows the books' arithmetic finds no error in it.

mod compare;
mod journal;
mod look;

use crate::cli::Audit;
use crate::{config, output};
use look::Looker;
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

/// How often the system is looked at. It goes on selling meanwhile, so a difference counts only
/// when every look shows it.
const LOOKS: usize = 3;

/// Between two looks: longer than a verdict takes from Postgres to the journal.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

pub async fn audit(audit: Audit) -> anyhow::Result<ExitCode> {
    let config = config::load_for(audit.target.config.as_deref(), &audit.target.data)?;
    chassis::telemetry::init(&config.log)?;
    let looker = Looker::connect(&config).await?;
    let mut lasting: Option<BTreeSet<String>> = None;
    let mut checked = 0;
    for look in 0..LOOKS {
        if 0 < look {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        let seen = looker.look(audit.event.as_ref()).await?;
        checked = seen.events;
        lasting = Some(match lasting {
            None => seen.differences,
            Some(before) => before.intersection(&seen.differences).cloned().collect(),
        });
        if lasting.as_ref().is_some_and(BTreeSet::is_empty) {
            break;
        }
    }
    let lasting = lasting.unwrap_or_default();
    for difference in &lasting {
        output::line(difference);
    }
    let count = lasting.len();
    output::line(&format!("audited {checked} events, {count} differences"));
    Ok(if lasting.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
