//! The memory of commands: what was answered to each, so that a repeated command hears the same.
//! The older ones are only known to have been answered.

use crate::Limits;
use crate::archived::ArchivedIds;
use crate::map::HashMap;
use crate::numbered::Numbered;
use schema::{CommandId, Outcome, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::ops::Range;

/// A remembered answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The time of the batch it was journaled in.
    pub at: UnixMillis,
    /// An outcome that was asked for.
    pub outcome: Outcome,
}

/// Answers in journal order. What is forgotten follows from the journal alone, so that every
/// follower forgets the same at the same position.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    in_order: VecDeque<Answer>,
    /// The number of each command's answer, counted from the first of the journal.
    numbers: HashMap<CommandId, u64>,
    forgotten: u64,
    /// Those whose answers are not here any more.
    archived: ArchivedIds,
}

impl Answers {
    pub fn restore(answers: Numbered<Answer>, archived: ArchivedIds) -> Self {
        let mut restored = Self { forgotten: answers.from, archived, ..Self::default() };
        for answer in answers.entries {
            restored.push(answer);
        }
        restored
    }

    /// The numbers of those that are remembered.
    pub fn numbers(&self) -> Range<u64> {
        self.forgotten..self.next_number()
    }

    /// The remembered answers with this number or a higher one.
    pub fn since(&self, number: u64) -> Numbered<Answer> {
        Numbered::since(self.forgotten, &self.in_order, number)
    }

    pub fn get(&self, command: CommandId) -> Option<&Outcome> {
        let number = self.numbers.get(&command)? - self.forgotten;
        let at = usize::try_from(number).expect("a position in memory");
        self.in_order.get(at).map(|answer| &answer.outcome)
    }

    /// Remembers the answer to a command; an outcome that nobody asked for is not remembered.
    pub fn push(&mut self, answer: Answer) {
        let Some(asked) = answer.outcome.asked else { return };
        let number = self.next_number();
        // CMD-1: a command has one answer.
        let before = self.numbers.insert(asked.command, number);
        assert!(before.is_none(), "command {} is answered twice", asked.command);
        self.in_order.push_back(answer);
    }

    /// The commands that were answered and whose answers are not here any more.
    pub fn archived(&self) -> &ArchivedIds {
        &self.archived
    }

    /// Forgets what is older than `answer_memory` at `time`, and the oldest beyond `answers_max`:
    /// of those the id is still known.
    pub fn forget(&mut self, time: UnixMillis, limits: &Limits) {
        let count_max =
            usize::try_from(limits.answers_max).expect("a limit of memory fits into it");
        while let Some(oldest) = self.in_order.front() {
            if time <= oldest.at + limits.answer_memory && self.in_order.len() <= count_max {
                break;
            }
            let asked = oldest.outcome.asked.expect("only asked outcomes are remembered");
            let number = self.numbers.remove(&asked.command);
            assert!(number == Some(self.forgotten));
            self.archived.push(ArchivedIds::id(asked.command), self.forgotten, oldest.at);
            self.in_order.pop_front();
            self.forgotten += 1;
        }
        self.archived.forget(time, limits.archived_memory, limits.archived_max);
    }

    fn next_number(&self) -> u64 {
        self.forgotten + u64::try_from(self.in_order.len()).expect("a count in memory")
    }

    pub fn iter(&self) -> impl Iterator<Item = &Answer> {
        self.in_order.iter()
    }
}
