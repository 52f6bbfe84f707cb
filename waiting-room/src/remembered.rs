//! This process' memory of joins by their `Idempotency-Key`: what is under way, and answers that
//! need not be asked for in Redis, where every process finds them.

use crate::config::{JOIN_KEYS_AGE, JOINS_REMEMBERED_MAX};
use chassis::clock::Monotonic;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A key with its event, hashed.
pub(crate) type KeyHash = [u8; 32];

/// Joins under way, and answers by key: the newest [`JOINS_REMEMBERED_MAX`], for [`JOIN_KEYS_AGE`].
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    joins: Mutex<Joins>,
}

#[derive(Debug, Default)]
struct Joins {
    by_key: HashMap<KeyHash, Join>,
    /// Those that were answered, in the order of that.
    order: VecDeque<(Monotonic, KeyHash)>,
}

#[derive(Debug, Clone)]
struct Join {
    at: Monotonic,
    fingerprint: [u8; 32],
    /// `None` while it is under way.
    token: Option<String>,
}

/// What is known of a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Recall {
    /// Nothing: the caller goes on, and says how it ended.
    Fresh,
    InFlight,
    Mismatch,
    Answered(String),
}

impl Remembered {
    pub(crate) fn begin(&self, key: KeyHash, fingerprint: [u8; 32]) -> Recall {
        let now = Monotonic::now();
        let mut joins = self.lock();
        joins.forget(now);
        match joins.by_key.get(&key) {
            Some(join) if join.fingerprint != fingerprint => Recall::Mismatch,
            Some(Join { token: Some(token), .. }) => Recall::Answered(token.clone()),
            Some(_) => Recall::InFlight,
            None => {
                joins.by_key.insert(key, Join { at: now, fingerprint, token: None });
                Recall::Fresh
            }
        }
    }

    /// Says what a join came to: its token, or `None` to forget that it was asked.
    pub(crate) fn end(&self, key: KeyHash, token: Option<String>) {
        let mut joins = self.lock();
        match token {
            Some(token) => {
                let now = Monotonic::now();
                if let Some(join) = joins.by_key.get_mut(&key) {
                    (join.at, join.token) = (now, Some(token));
                    joins.order.push_back((now, key));
                }
                joins.forget(now);
            }
            None => drop(joins.by_key.remove(&key)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Joins> {
        self.joins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Joins {
    fn forget(&mut self, now: Monotonic) {
        while let Some(&(at, key)) = self.order.front() {
            let is_old = JOIN_KEYS_AGE <= now.since(at);
            if !is_old && self.order.len() <= JOINS_REMEMBERED_MAX {
                return;
            }
            self.order.pop_front();
            // A key that was forgotten and used again has a younger entry of its own.
            if self.by_key.get(&key).is_some_and(|join| join.at == at) {
                self.by_key.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Recall, Remembered};
    use crate::config::JOINS_REMEMBERED_MAX;

    fn key(number: usize) -> [u8; 32] {
        chassis::keys::sha256(&[&number.to_be_bytes()])
    }

    #[test]
    fn a_key_gives_its_first_answer_and_only_to_the_same_request() {
        let joins = Remembered::default();
        assert_eq!(joins.begin(key(1), [1; 32]), Recall::Fresh);
        assert_eq!(joins.begin(key(1), [1; 32]), Recall::InFlight);
        joins.end(key(1), Some("token".to_owned()));
        assert_eq!(joins.begin(key(1), [1; 32]), Recall::Answered("token".to_owned()));
        assert_eq!(joins.begin(key(1), [2; 32]), Recall::Mismatch);
    }

    #[test]
    fn a_failed_join_is_not_remembered_and_old_keys_make_room() {
        let joins = Remembered::default();
        let answered = || Some("token".to_owned());
        let join = |number: usize, answer: Option<String>| {
            assert_eq!(joins.begin(key(number), [0; 32]), Recall::Fresh, "{number}");
            joins.end(key(number), answer);
        };
        assert_eq!(joins.begin(key(999_999), [0; 32]), Recall::Fresh);
        join(0, answered());
        // Refusals push out nothing.
        (1..=2 * JOINS_REMEMBERED_MAX).for_each(|number| join(number, None));
        (1..JOINS_REMEMBERED_MAX).for_each(|number| join(number, answered()));
        assert!(matches!(joins.begin(key(0), [0; 32]), Recall::Answered(_)));
        join(JOINS_REMEMBERED_MAX, answered());
        join(0, answered());
        assert_eq!(joins.begin(key(999_999), [0; 32]), Recall::InFlight, "it is not over yet");
    }
}
