//! What was answered to whom, as a shard's journal tells it.
//!
//! Answers belong to a shard. Their numbers count from the first of the journal, or go on from the
//! checkpoint that the books begin with; then nothing is said about those before.

use super::compare::Witness;
use allocator::{AnswerView, AnsweredIds, AnswersView, IdsView, Numbered};
use schema::limits::{ANSWER_MEMORY, ANSWERS_KNOWN_MAX};
use schema::{Batch, UnixMillis};

/// The answers that somebody remembers, from the first of them on.
#[derive(Debug, Default)]
pub struct Answers {
    wanted_from: u64,
    told: Numbered<AnswerView>,
    /// When the one before those was given, if there was one.
    before: Option<UnixMillis>,
    /// Of the last batch.
    time: UnixMillis,
}

impl Answers {
    /// Of those before `wanted_from` nothing will be asked.
    pub fn new(wanted_from: u64) -> Self {
        Self { wanted_from, ..Self::default() }
    }

    /// Somebody will ask for those from `number` on.
    pub fn want(&mut self, number: u64) {
        self.wanted_from = self.wanted_from.min(number);
    }

    /// Begins with those of a checkpoint.
    pub fn begin(&mut self, answers: &Numbered<AnswerView>) {
        self.told.from = answers.from;
        answers.entries.iter().for_each(|answer| self.push(*answer));
    }

    pub fn take(&mut self, batch: &Batch) {
        self.time = batch.time;
        for outcome in &batch.outcomes {
            if let Some(answer) = AnswerView::of(batch.time, outcome) {
                self.push(answer);
            }
        }
    }

    fn push(&mut self, answer: AnswerView) {
        if self.told.to() < self.wanted_from {
            assert!(self.told.entries.is_empty(), "numbers only rise");
            self.told.from += 1;
            self.before = Some(answer.at);
        } else {
            self.told.entries.push(answer);
        }
    }

    fn find(&self, number: u64) -> Option<&AnswerView> {
        let at = usize::try_from(number.checked_sub(self.told.from)?).ok()?;
        self.told.entries.get(at)
    }

    /// What differs in an owner's memory: answers, and the commands that are known to be answered.
    pub fn owner(&self, view: &AnswersView) -> Vec<String> {
        let place = Witness::Owner.place();
        let mut found = self.remembered(Witness::Owner, &view.remembered);
        found.extend(self.forgotten(place, known_from(view)));
        let ends = view.ids.iter().skip(1).map(|ids| ids.first).chain([self.told.to()]);
        for (ids, end) in view.ids.iter().zip(ends) {
            found.extend(self.known(place, ids, end));
        }
        found
    }

    /// What differs in the answers themselves.
    pub fn remembered(&self, witness: Witness, theirs: &Numbered<AnswerView>) -> Vec<String> {
        let place = witness.place();
        let (count, told) = (theirs.to(), self.told.to());
        if count != told {
            return vec![format!("{count} answers {place} and {told} in the journal")];
        }
        let mut found = Vec::new();
        for (number, answer) in (theirs.from..).zip(&theirs.entries) {
            let Some(told) = self.find(number).filter(|told| *told != answer) else { continue };
            let (one, other) = (answer.command, told.command);
            found.push(if one == other {
                format!("the answer to {one} is another {place} than in the journal")
            } else {
                format!("answer {number} is to {one} {place} and to {other} in the journal")
            });
        }
        found
    }

    /// What is not known any more though its time is not over.
    fn forgotten(&self, place: &str, known_from: u64) -> Option<String> {
        let newest = known_from.checked_sub(1)?;
        let at = match self.find(newest) {
            Some(answer) => answer.at,
            None if known_from == self.told.from => self.before?,
            None => return None,
        };
        let known = self.told.to().saturating_sub(known_from);
        let in_time = at + ANSWER_MEMORY < self.time || u64::from(ANSWERS_KNOWN_MAX) <= known;
        let says = || format!("commands up to answer {newest} of {at} are forgotten {place}");
        (!in_time).then(says)
    }

    /// What differs in the ids of the answers before number `end`.
    fn known(&self, place: &str, ids: &IdsView, end: u64) -> Option<String> {
        let first = usize::try_from(ids.first.checked_sub(self.told.from)?).ok()?;
        let told = self.told.entries.get(first..)?;
        let numbered = (ids.first..end).zip(told);
        let hash = |(number, answer): (u64, &AnswerView)| {
            IdsView::hash(AnsweredIds::id(answer.command), number)
        };
        let sum = numbered.map(hash).fold(0, u64::wrapping_add);
        let (count, known, from) = (end.saturating_sub(ids.first), ids.count, ids.first);
        let says = || {
            let journal = format!("{count} in the journal");
            format!("of the commands from answer {from} on {known} are known {place}, {journal}")
        };
        if known != count {
            return Some(says());
        }
        let others = || format!("from answer {from} on other commands are known {place}");
        (sum != ids.sum).then(others)
    }
}

/// The number of the first answer whose command an owner knows.
pub fn known_from(view: &AnswersView) -> u64 {
    view.ids.first().map_or(view.remembered.from, |ids| ids.first)
}

#[cfg(test)]
mod tests;
