//! The streams of the bus: what each keeps, for how long, and what happens when it is full.
//!
//! All but the catalogue refuse when full (discard new): dropping the oldest would silently lose
//! what a reader has not seen. The catalogue is no queue but the newest word on each subject, and a
//! newer one takes the place of the older.

use crate::codec::MESSAGE_BYTES_MAX;
use crate::id::{EventId, ShardId};
use crate::limits;
use crate::subject;
use crate::time::DurationMs;

/// What a stream is, in terms any client can create it from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSpec {
    pub name: String,
    pub subjects: Vec<String>,
    pub storage: Storage,
    /// `None` keeps messages for ever.
    pub age_max: Option<DurationMs>,
    /// Most messages of one subject; `None` is no limit.
    pub subject_messages_max: Option<SubjectMax>,
    pub message_bytes_max: usize,
    /// How long a message id is recognised.
    pub duplicate_window: DurationMs,
}

/// Where messages are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// Gone when the server restarts, and sequences start again.
    Memory,
    File,
}

/// What happens to more messages of one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectMax {
    /// Only the newest is kept.
    KeepLast,
    /// A message beyond this count is refused.
    Refuse(i64),
}

/// Commands under way: in memory, because an unanswered command is sent again.
pub fn commands() -> StreamSpec {
    StreamSpec {
        name: subject::COMMANDS.into(),
        subjects: vec![subject::COMMANDS_ALL.into()],
        storage: Storage::Memory,
        age_max: Some(limits::COMMAND_AGE_MAX),
        subject_messages_max: Some(SubjectMax::Refuse(limits::COMMANDS_WAITING_MAX)),
        message_bytes_max: limits::COMMANDS_BYTES_MAX,
        // The shortest the server takes: commands carry no message id, a repetition must reach the
        // owner.
        duplicate_window: DurationMs(100),
    }
}

/// The journal of a shard: file, without age or size eviction, trimmed only behind every follower.
pub fn journal(shard: ShardId) -> StreamSpec {
    StreamSpec {
        name: subject::journal_stream(shard),
        subjects: vec![subject::journal_all(shard)],
        storage: Storage::File,
        age_max: None,
        subject_messages_max: None,
        message_bytes_max: MESSAGE_BYTES_MAX,
        duplicate_window: limits::JOURNAL_DUPLICATE_WINDOW,
    }
}

/// The catalogue: the newest listing of each event, and every plan.
pub fn catalog() -> StreamSpec {
    StreamSpec {
        name: subject::CATALOG.into(),
        subjects: vec![subject::CATALOG_ALL.into()],
        storage: Storage::File,
        age_max: None,
        subject_messages_max: Some(SubjectMax::KeepLast),
        message_bytes_max: MESSAGE_BYTES_MAX,
        duplicate_window: DurationMs(120_000),
    }
}

/// The admission record of a room: what its cursor, window and counts are rebuilt from.
pub fn admission(event: &EventId) -> StreamSpec {
    StreamSpec {
        name: subject::admission_stream(event),
        subjects: vec![subject::admission_all(event)],
        storage: Storage::File,
        age_max: None,
        subject_messages_max: None,
        message_bytes_max: MESSAGE_BYTES_MAX,
        duplicate_window: limits::JOURNAL_DUPLICATE_WINDOW,
    }
}

#[cfg(test)]
mod tests {
    use super::{Storage, commands, journal};
    use crate::ShardId;

    #[test]
    fn what_is_the_truth_is_kept_and_what_is_asked_again_is_not() {
        let journal = journal(ShardId(3));
        assert_eq!(journal.name, "JOURNAL_3");
        assert_eq!((journal.storage, journal.age_max), (Storage::File, None));
        assert_eq!(commands().storage, Storage::Memory);
    }
}
