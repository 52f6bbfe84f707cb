//! `usher audit`: checks the promises over the journal, the checkpoints, Postgres and the live
//! owners.
//!
//! The journal is folded here by rules of its own, not by the allocator's code: an auditor who
//! borrows the books' arithmetic finds no error in it. A checkpoint and an owner name the batch
//! that they include and are compared at exactly that one; Postgres is compared with all moments
//! of the journal in which it was asked.

mod answers;
mod compare;
mod journal;
mod listed;
mod look;
mod owner;
mod stored;
mod trial;

use crate::cli::Audit;
use crate::{config, output};
use compare::likeness;
use look::{Looker, Seen};
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

/// How often the system is looked at. It goes on selling meanwhile: a refund reaches the journal
/// after Postgres, and a shard may be between two owners. So a difference counts only when every
/// look shows it.
const LOOKS: usize = 5;

/// Between two looks. Four of them are longer than a verdict takes from Postgres to the journal,
/// one repetition included, and longer than a shard is without an owner.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// When a part could not be read.
const NOT_AUDITED: u8 = 2;

pub async fn audit(audit: Audit) -> anyhow::Result<ExitCode> {
    let config = config::load_for(audit.target.config.as_deref(), &audit.target.data)?;
    chassis::telemetry::init(&config.log)?;
    let seen = match look_again(config, &audit).await {
        Ok(seen) => seen,
        Err(error) => {
            output::line(&format!("not audited: {error:#}"));
            return Ok(ExitCode::from(NOT_AUDITED));
        }
    };
    for line in seen.notes.iter().chain(&seen.differences) {
        output::line(line);
    }
    let (events, checkpoints, count) = (seen.events, seen.checkpoints, seen.differences.len());
    let what = format!("audited {events} events and {checkpoints} checkpoints");
    output::line(&format!("{what}, {count} differences"));
    Ok(if seen.differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Looks until a look shows no difference that all before it have shown.
async fn look_again(config: config::Config, audit: &Audit) -> anyhow::Result<Seen> {
    let looker = Looker::connect(config).await?;
    let mut seen = looker.look(audit.event.as_ref()).await?;
    for _ in 1..LOOKS {
        if seen.differences.is_empty() {
            break;
        }
        for difference in &seen.differences {
            tracing::info!(difference, "seen, looking again");
        }
        tokio::time::sleep(LOOK_PAUSE).await;
        let before: BTreeSet<String> = seen.differences.iter().map(|line| likeness(line)).collect();
        seen = looker.look(audit.event.as_ref()).await?;
        seen.differences.retain(|line| before.contains(&likeness(line)));
    }
    Ok(seen)
}
