//! CMD-1: what was answered to each command, by the journal and by owners.

use super::{Checked, Finding, expect};
use crate::owner::Answer;
use schema::limits::ANSWER_MEMORY;
use schema::{Command, CommandId, InvariantId, Outcome, Reply, UnixMillis};
use std::collections::BTreeMap;

/// Answers in the order of their journaling: more than one only where the first is a day old.
#[derive(Debug, Default)]
pub struct Answers(BTreeMap<CommandId, Vec<(UnixMillis, Outcome)>>);

impl Answers {
    pub fn journaled(&mut self, time: UnixMillis, outcome: &Outcome) -> Checked {
        let Some(asked) = outcome.asked else { return Ok(()) };
        let known = self.0.entry(asked.command).or_default();
        let forgotten = known.last().is_none_or(|(before, _)| *before + ANSWER_MEMORY < time);
        expect(InvariantId::Cmd1, forgotten, || {
            format!("{} is decided again: {outcome:?}", asked.command)
        })?;
        known.push((time, outcome.clone()));
        Ok(())
    }

    /// An owner says it.
    pub fn said(&self, answer: &Answer) -> Checked {
        let all = self.0.get(&answer.asked.command).map_or(&[][..], Vec::as_slice);
        let broken = |says: &str| {
            let says = format!("{} {says}", answer.asked.command);
            Err(Finding { promise: InvariantId::Cmd1, says })
        };
        match &answer.reply {
            Reply::Done { outcome, .. } => {
                let own = outcome.asked.is_some_and(|a| a == answer.asked);
                match all.iter().any(|(_, known)| *known == **outcome) {
                    true if own => Ok(()),
                    true => broken("is answered what another one asked"),
                    false => broken("is answered before the journal has it"),
                }
            }
            Reply::Mismatch { .. } => {
                let mut asked = all.iter().filter_map(|(_, known)| known.asked);
                let other = asked.any(|asked| asked != answer.asked);
                if other { Ok(()) } else { broken("is called another one's id, and is not") }
            }
            Reply::TooLate | Reply::Busy => Ok(()),
        }
    }

    /// An asker takes it for its own.
    pub fn heard(&self, command: &Command, outcome: &Outcome) -> Checked {
        let known = self.0.get(&command.id).into_iter().flatten();
        let mut known = known.map(|(_, known)| known);
        expect(InvariantId::Cmd1, known.any(|known| known == outcome), || {
            format!("{} hears what the journal does not have: {outcome:?}", command.id)
        })?;
        let own = outcome.asked.is_some_and(|asked| asked.fingerprint == command.fingerprint);
        expect(InvariantId::Cmd1, own, || {
            format!("{} hears the answer to what else was asked under its id", command.id)
        })
    }
}
