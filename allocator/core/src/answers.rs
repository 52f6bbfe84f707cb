//! The memory of commands: what was answered to each, so that a repeated command hears the same.
//! The older ones are only known to have been answered.

use crate::Limits;
use crate::answered::AnsweredIds;
use crate::log::Log;
use crate::numbered::Numbered;
use schema::{CommandId, DurationMs, Outcome, UnixMillis};
use serde::{Deserialize, Serialize};
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
    in_order: Log<Answer>,
    forgotten: u64,
    /// The numbers of all that are known, in memory or not.
    ids: AnsweredIds,
}

/// What is known of an answered command.
#[derive(Debug)]
pub(crate) enum Known<'a> {
    Here(&'a Outcome),
    /// The answer with this number is not in memory any more.
    Archived(u64),
}

impl Answers {
    /// `ids` are those of the answers before, and maybe of these too.
    pub fn restore(answers: Numbered<Answer>, ids: AnsweredIds) -> Self {
        let mut restored = Self { forgotten: answers.from, ids, ..Self::default() };
        for answer in answers.entries {
            restored.push(answer);
        }
        restored
    }

    /// The numbers of those that are remembered.
    pub fn numbers(&self) -> Range<u64> {
        self.forgotten..self.next_number()
    }

    /// The number of the first that is not too old at `time`. O(log answers).
    pub fn kept_from(&self, time: UnixMillis, memory: DurationMs) -> u64 {
        let old = self.in_order.partition_point(|answer| answer.at + memory < time);
        self.forgotten + u64::try_from(old).expect("a count in memory")
    }

    /// The remembered answers with this number or a higher one.
    pub fn since(&self, number: u64) -> Numbered<Answer> {
        Numbered::since(self.forgotten, &self.in_order, number)
    }

    pub fn find(&self, command: CommandId) -> Option<Known<'_>> {
        let number = self.ids.find(command)?;
        let Some(at) = number.checked_sub(self.forgotten) else {
            return Some(Known::Archived(number));
        };
        let answer = self.in_order.get(usize::try_from(at).expect("a position in memory"));
        Some(Known::Here(&answer.expect("ids are of answers").outcome))
    }

    /// Remembers the answer to a command; an outcome that nobody asked for is not remembered.
    pub fn push(&mut self, answer: Answer) {
        let Some(asked) = answer.outcome.asked else { return };
        let number = self.next_number();
        if self.ids.to() <= number {
            self.ids.push(AnsweredIds::id(asked.command), number, answer.at);
        }
        self.in_order.push(answer);
    }

    /// The commands that were answered.
    pub fn ids(&self) -> &AnsweredIds {
        &self.ids
    }

    /// Forgets what is older than `answer_memory` at `time`, and the oldest beyond `answers_max`:
    /// of those the id is still known.
    pub fn forget(&mut self, time: UnixMillis, limits: &Limits) {
        let count_max =
            usize::try_from(limits.answers_max).expect("a limit of memory fits into it");
        while let Some(oldest) = self.in_order.first() {
            if time <= oldest.at + limits.answer_memory && self.in_order.len() <= count_max {
                break;
            }
            self.in_order.forget_first();
            self.forgotten += 1;
        }
        self.ids.forget(time, limits.archived_memory, limits.archived_max, self.forgotten);
    }

    fn next_number(&self) -> u64 {
        self.forgotten + u64::try_from(self.in_order.len()).expect("a count in memory")
    }

    pub fn iter(&self) -> impl Iterator<Item = &Answer> {
        self.in_order.iter()
    }
}
