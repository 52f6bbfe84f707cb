//! Replies: how the asker of a command hears its outcome.

use crate::id::CommandId;
use crate::outcome::Outcome;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// The replies of one journal batch to one asker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyBatch {
    /// The owner's journal time when it answered. Deadlines are in journal time: what is left of a
    /// hold is its deadline less this, whatever the asker's clock says.
    pub time: UnixMillis,
    pub replies: Vec<(CommandId, Reply)>,
}

/// What the owner says about a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The answer, journaled at `sequence` of the shard's journal.
    Done {
        sequence: u64,
        /// Whether the command had been answered before this time.
        replayed: bool,
        outcome: Box<Outcome>,
    },
    /// The id is known with another fingerprint than the one asked with, which is told, so that
    /// whoever asks under the same id now does not take it for its own answer. Not remembered.
    Mismatch { asked: u64 },
    /// The command came after its deadline and was not carried out. Not an answer: it may be asked
    /// again.
    TooLate,
    /// A queue of the owner is full. Not an answer: it may be asked again.
    Busy,
}

impl Reply {
    /// Whether it is an answer to a command with this fingerprint. Two commands with one id differ
    /// in it, and the reply to the earlier one may come when the later one waits.
    pub fn is_to(&self, fingerprint: u64) -> bool {
        match self {
            Self::Done { outcome, .. } => {
                outcome.asked.is_some_and(|asked| asked.fingerprint == fingerprint)
            }
            Self::Mismatch { asked } => *asked == fingerprint,
            Self::TooLate | Self::Busy => true,
        }
    }
}
