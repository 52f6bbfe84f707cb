//! Checkpoints: the state of a shard as of one batch of its journal, in parts.
//!
//! A part is stored once and named by each later checkpoint until what it says has changed, so that
//! a checkpoint costs what has changed since the one before. Each event is a part. The remembered
//! answers and ended holds come at one end and are forgotten at the other: each checkpoint adds a
//! part with those that have come.
//!
//! Parts belong to a base, and bases share nothing. A process begins one with its first checkpoint
//! and again after [`CHECKPOINTS_OF_BASE`](crate::config::CHECKPOINTS_OF_BASE). Of the two newest
//! the last checkpoint is kept: when a part of one is damaged, the other is there, with a longer
//! tail to replay.

use crate::inspect::{self, AnswerView};
use allocator_core::{
    Answer, AnsweredIds, Ended, EventSnapshot, EventView, Numbered, Shard, Snapshot,
};
use schema::sealed::{TooLarge, seal, unseal};
use schema::{Applied, EventId, ShardId, UnixMillis};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::ops::Range;

/// The stream sequence of the last batch that changed each event.
pub(crate) type Changed = BTreeMap<EventId, u64>;

/// Where in the journal a state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The last batch that it includes.
    pub applied: Applied,
    /// Journal time of that batch.
    pub time: Option<UnixMillis>,
}

/// What a replica starts from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub position: Position,
    pub snapshot: Snapshot,
    pub changed: Changed,
    /// The number of the first answer whose command is known at all.
    pub known_from: u64,
}

/// What a checkpoint consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub position: Position,
    /// The time of the last outcome.
    pub last_outcome: UnixMillis,
    /// The number of the first answer that is remembered, and of the first ended hold.
    pub answers_from: u64,
    pub ended_from: u64,
    pub parts: Vec<PartName>,
    /// The number of the first answer whose command is known at all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub known_from: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Says which part of the state it is, and as of when: in one base, parts of one name are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PartName {
    /// An event since the batch with this stream sequence.
    Event { event: EventId, sequence: u64 },
    /// Answers by number.
    Answers { from: u64, to: u64 },
    /// Ended holds by number.
    Ended { from: u64, to: u64 },
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event { event, sequence } => write!(f, "event/{event}/{sequence}"),
            Self::Answers { from, to } => write!(f, "answers/{from}/{to}"),
            Self::Ended { from, to } => write!(f, "ended/{from}/{to}"),
        }
    }
}

impl PartName {
    /// What the part says, from a state that is as new as the name.
    pub(crate) fn content(&self, shard: &Shard) -> Result<Vec<u8>, TooLarge> {
        match self {
            Self::Event { event, .. } => seal(&shard.snapshot_event(event)),
            &Self::Answers { from, to } => seal(&up_to(shard.answers_since(from), to)),
            &Self::Ended { from, to } => seal(&up_to(shard.ended_since(from), to)),
        }
    }
}

fn up_to<T>(mut log: Numbered<T>, to: u64) -> Numbered<T> {
    let count = usize::try_from(to.saturating_sub(log.from)).unwrap_or(usize::MAX);
    log.entries.truncate(count);
    log
}

/// The parts of a log that forgets its oldest, in order and without gaps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Segments(VecDeque<Range<u64>>);

impl Segments {
    /// Leaves out what is forgotten whole, and adds one part with what has come.
    fn advance(&mut self, remembered: &Range<u64>) {
        while self.0.front().is_some_and(|oldest| oldest.end <= remembered.start) {
            self.0.pop_front();
        }
        let from = self.0.back().map_or(remembered.start, |newest| newest.end);
        if from < remembered.end {
            self.0.push_back(from..remembered.end);
        }
    }
}

/// What the checkpoints of one base have named so far.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    /// The stream sequence of its first checkpoint.
    pub sequence: u64,
    pub checkpoints: u32,
    answers: Segments,
    ended: Segments,
}

impl Base {
    pub(crate) fn new(sequence: u64) -> Self {
        let (answers, ended) = (Segments::default(), Segments::default());
        Self { sequence, checkpoints: 0, answers, ended }
    }

    /// The next checkpoint of this base.
    pub(crate) fn next(&mut self, shard: &Shard, position: Position, changed: &Changed) -> Head {
        self.checkpoints += 1;
        let (answers, ended) = (shard.answers_remembered(), shard.ended_remembered());
        self.answers.advance(&answers);
        self.ended.advance(&ended);
        let events = changed.iter();
        let events =
            events.map(|(event, &sequence)| PartName::Event { event: event.clone(), sequence });
        let range = |range: &Range<u64>| (range.start, range.end);
        let answered = self.answers.0.iter().map(range);
        let answered = answered.map(|(from, to)| PartName::Answers { from, to });
        let over = self.ended.0.iter().map(range).map(|(from, to)| PartName::Ended { from, to });
        Head {
            position,
            last_outcome: shard.time(),
            answers_from: answers.start,
            ended_from: ended.start,
            parts: events.chain(answered).chain(over).collect(),
            known_from: shard.answers_known_from(),
        }
    }
}

impl Head {
    /// Puts the parts together, all but the archived ids; `None` when one is missing or damaged.
    pub(crate) fn assemble(
        self,
        shard: ShardId,
        contents: &HashMap<String, Vec<u8>>,
    ) -> Option<Checkpoint> {
        let mut changed = Changed::new();
        let mut events = Vec::new();
        let mut answers = Numbered { from: self.answers_from, entries: Vec::new() };
        let mut ended = Numbered { from: self.ended_from, entries: Vec::new() };
        for name in self.parts {
            let content = contents.get(&name.to_string())?;
            match name {
                PartName::Event { event, sequence } => {
                    let part: EventSnapshot = unseal(content)?;
                    if part.event != event {
                        return None;
                    }
                    if part.has_traces() {
                        events.push(part);
                    }
                    changed.insert(event, sequence);
                }
                PartName::Answers { to, .. } => follow::<Answer>(&mut answers, content, to)?,
                PartName::Ended { to, .. } => follow::<Ended>(&mut ended, content, to)?,
            }
        }
        let (time, answered) = (self.last_outcome, AnsweredIds::default());
        let snapshot = Snapshot { shard, time, events, ended, answers, answered };
        let known_from = self.known_from;
        Some(Checkpoint { position: self.position, snapshot, changed, known_from })
    }
}

/// Appends a part to a log, which ends with number `to` then.
fn follow<T: DeserializeOwned>(log: &mut Numbered<T>, content: &[u8], to: u64) -> Option<()> {
    (log.follow(unseal(content)?) && log.to() == to).then_some(())
}

/// What a checkpoint says, for auditors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointView {
    /// The last batch that it includes.
    pub applied: Applied,
    /// The events with traces of outcomes.
    pub events: Vec<EventView>,
    /// The answers that an owner who starts from it remembers.
    pub answers: Numbered<AnswerView>,
}

impl Checkpoint {
    /// `None` when a seat's word is none, so that no owner could start from it.
    pub(crate) fn view(self) -> Option<CheckpointView> {
        let events = self.snapshot.events.iter().map(EventSnapshot::inspect);
        let events = events.collect::<Option<Vec<_>>>()?;
        let answers = inspect::views(self.snapshot.answers);
        Some(CheckpointView { applied: self.position.applied, events, answers })
    }
}

#[cfg(test)]
mod tests;
