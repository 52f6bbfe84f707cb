//! Answers of the last commit, kept until the next one.
//!
//! In a sale most people ask the same few questions, and between two commits each has one answer.
//! What is kept is never older than what a search would find: a commit ends it.

use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::answer::Question;
use crate::config::ANSWERS_KEPT_MAX;

/// A question as it came.
pub(crate) type Asked = (Question, Bytes);

/// Answers of one commit at a time.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Answers>);

#[derive(Default)]
struct Answers {
    /// The commit that they are of, as tantivy numbers what searches see.
    generation: u64,
    by_question: HashMap<Asked, Bytes>,
}

impl Kept {
    /// Returns the answer to `asked` if it was given from `generation`.
    pub(crate) fn find(&self, asked: &Asked, generation: u64) -> Option<Bytes> {
        self.of(generation)?.by_question.get(asked).cloned()
    }

    /// Keeps an answer of `generation` or later, unless a later one has begun; begins anew when
    /// there are too many.
    pub(crate) fn put(&self, asked: Asked, generation: u64, answer: Bytes) {
        let Some(mut answers) = self.of(generation) else { return };
        if answers.by_question.len() == ANSWERS_KEPT_MAX {
            answers.by_question.clear();
        }
        answers.by_question.insert(asked, answer);
    }

    /// The answers of `generation`, which is the newest that was heard of; `None` if it is not.
    fn of(&self, generation: u64) -> Option<MutexGuard<'_, Answers>> {
        // Each change leaves them whole.
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.generation < generation {
            *answers = Answers { generation, by_question: HashMap::new() };
        }
        (answers.generation == generation).then_some(answers)
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Kept};
    use crate::answer::Question;
    use crate::config::ANSWERS_KEPT_MAX;
    use bytes::Bytes;

    fn asked(text: &str) -> Asked {
        (Question::Search, Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn an_answer_is_kept_until_the_next_commit() {
        let kept = Kept::default();
        kept.put(asked("a"), 1, Bytes::from_static(b"old"));
        assert_eq!(kept.find(&asked("a"), 1), Some(Bytes::from_static(b"old")));
        assert_eq!(kept.find(&asked("b"), 1), None);
        let suggested = (Question::Suggest, asked("a").1);
        assert_eq!(kept.find(&suggested, 1), None, "another question of the same words");
        assert_eq!(kept.find(&asked("a"), 2), None);
        assert_eq!(kept.find(&asked("a"), 1), None, "what was committed over is gone");
    }

    #[test]
    fn a_search_that_ends_after_a_commit_leaves_nothing() {
        let kept = Kept::default();
        assert_eq!(kept.find(&asked("a"), 2), None);
        kept.put(asked("a"), 1, Bytes::from_static(b"old"));
        assert_eq!((kept.find(&asked("a"), 1), kept.find(&asked("a"), 2)), (None, None));
    }

    #[test]
    fn so_many_are_kept_and_the_next_begins_anew() {
        let kept = Kept::default();
        for number in 0..=ANSWERS_KEPT_MAX {
            kept.put(asked(&number.to_string()), 1, Bytes::new());
        }
        assert_eq!(kept.find(&asked("0"), 1), None);
        assert_eq!(kept.find(&asked(&ANSWERS_KEPT_MAX.to_string()), 1), Some(Bytes::new()));
    }
}
