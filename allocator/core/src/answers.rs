//! The memory of commands: what was answered to each, so that a repeated command hears the same.

use schema::{CommandId, DurationMs, Outcome, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};

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
    /// The number of each command's answer, counted from the first that was ever remembered.
    numbers: HashMap<CommandId, u64>,
    forgotten: u64,
}

impl Answers {
    pub fn restore(answers: Vec<Answer>) -> Self {
        let mut restored = Self::default();
        for answer in answers {
            restored.push(answer);
        }
        restored
    }

    pub fn get(&self, command: CommandId) -> Option<&Outcome> {
        let number = self.numbers.get(&command)? - self.forgotten;
        let at = usize::try_from(number).expect("a position in memory");
        self.in_order.get(at).map(|answer| &answer.outcome)
    }

    /// Remembers the answer to a command; an outcome that nobody asked for is not remembered.
    pub fn push(&mut self, answer: Answer) {
        let Some(asked) = answer.outcome.asked else { return };
        let number =
            self.forgotten + u64::try_from(self.in_order.len()).expect("a count in memory");
        // CMD-1: a command has one answer.
        let before = self.numbers.insert(asked.command, number);
        assert!(before.is_none(), "command {} is answered twice", asked.command);
        self.in_order.push_back(answer);
    }

    /// Forgets what is older than `memory` at `time`, and the oldest beyond `count_max`.
    pub fn forget(&mut self, time: UnixMillis, memory: DurationMs, count_max: usize) {
        while let Some(oldest) = self.in_order.front() {
            if time <= oldest.at + memory && self.in_order.len() <= count_max {
                break;
            }
            let asked = oldest.outcome.asked.expect("only asked outcomes are remembered");
            let number = self.numbers.remove(&asked.command);
            assert!(number == Some(self.forgotten));
            self.in_order.pop_front();
            self.forgotten += 1;
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Answer> {
        self.in_order.iter()
    }
}
