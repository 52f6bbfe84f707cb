//! All checks of a run, one after the other.

use super::events::{self, Event, events};
use super::findings::Findings;
use super::holds::Booking;
use super::{auditor, booked, line};
use crate::engine::Account;
use crate::record::Tally;
use crate::results::{Finding, Kept};
use crate::sample::Inside;
use crate::wire::Door;
use std::collections::BTreeMap;
use std::path::Path;

/// What the checks look at besides the deals.
#[derive(Debug, Clone, Copy)]
pub struct Checked<'a> {
    pub door: &'a Door,
    /// The data folder of the running system, to have it audited.
    pub data: Option<&'a Path>,
    /// Those of the deals.
    pub accounts: &'a [Account],
    /// Nobody else has bought meanwhile. Otherwise refusals are not judged: a stranger may have
    /// been in the way.
    pub alone: bool,
    /// By event.
    pub inside: &'a BTreeMap<String, Vec<Inside>>,
    /// None without such bots.
    pub forged: Option<Forged>,
}

/// What came of all checks.
#[derive(Debug, Default)]
pub struct Checks {
    /// One for each promise.
    pub findings: Vec<Finding>,
    /// Checks that could not be made, and why.
    pub unmade: Vec<String>,
}

impl Checks {
    /// Every check that was begun could be made, and found nothing.
    pub fn are_clean(&self) -> bool {
        let held = |finding: &Finding| finding.kept == Kept::Held;
        self.findings.iter().all(held) && self.unmade.is_empty()
    }
}

/// What bots tried with forged tokens and others' passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forged {
    pub tries: u64,
    pub let_in: u64,
}

/// Checks what can be checked while the system still runs.
pub async fn check(tally: &Tally, checked: &Checked<'_>) -> Checks {
    let mut findings = Findings::default();
    let mut unmade = Vec::new();
    let events = events(checked.door, &tally.deals, &mut unmade).await;
    events::owners(&events, &mut findings);
    if checked.alone {
        events::refusals(&events, &mut findings);
    }
    events::sold(&events, &mut findings);
    unmade.extend(bookings(&events, checked, &mut findings).await);
    line::judge(checked.inside, &mut findings);
    if let Some(Forged { tries, let_in }) = checked.forged {
        let what =
            format!("{let_in} of {tries} tries with forged tokens and others' passes got in");
        match let_in {
            0 => findings.held("LINE-4", what),
            _ => findings.broken("LINE-4", what),
        }
    }
    if let Some(data) = checked.data
        && let Err(error) = auditor::audit(data, &mut findings).await
    {
        unmade.push(format!("audit: {error:#}"));
    }
    Checks { findings: findings.into_list(), unmade }
}

/// ORD-1. Returns what could not be looked at.
async fn bookings(
    events: &[Event<'_>],
    checked: &Checked<'_>,
    findings: &mut Findings,
) -> Vec<String> {
    let live = events.iter().flat_map(|event| events::live(&event.ledger.holds));
    let live: Vec<&Booking> = live.collect();
    let looked = booked::look(checked.door, checked.accounts, &live).await;
    let faulty = u64::try_from(looked.faults.len()).expect("64 bits fit");
    if 0 < looked.found + faulty {
        let (found, of) = (looked.found, looked.found + faulty);
        let seen = format!("{found} of {of} bookings answered as confirmed found again");
        findings.judge("ORD-1", &seen, "confirmed bookings were lost", &looked.faults);
    }
    looked.unanswered
}
