//! The archive of answers that leave the memory of owners, by the rules of the real one: followers
//! fill it, an owner looks up what is repeated, and a start reads which commands were answered.

use crate::common::Common;
use crate::hall::ANSWERS_MAX;
use crate::happening::Happening;
use crate::mutation::Mutation;
use allocator_core::{Answer, AnsweredIds, Numbered, Shard};
use schema::{Asked, DurationMs, InvariantId, Reply, UnixMillis};
use std::collections::BTreeMap;
use std::ops::Range;

/// How many answers a follower lets come before it archives them, and how long it lets fewer wait.
const UNARCHIVED_MIN: u64 = ANSWERS_MAX as u64 / 4;
const ARCHIVE_EVERY: DurationMs = DurationMs(5_000);

/// How many there are at most when the database is away: the batches that come meanwhile do not
/// fill the memory.
const UNARCHIVED_MAX: u64 = ANSWERS_MAX as u64 / 2;

/// Answers by number.
#[derive(Debug, Default)]
pub struct Archive(BTreeMap<u64, Answer>);

impl Archive {
    /// The number behind the last answer.
    pub fn to(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(number, _)| number + 1)
    }

    /// The commands whose answers have these numbers; `None` when one is missing.
    pub fn ids_of(&self, numbers: Range<u64>) -> Option<AnsweredIds> {
        let mut known = AnsweredIds::default();
        for number in numbers {
            let answer = self.0.get(&number)?;
            known.push(AnsweredIds::id(asked_of(answer).command), number, answer.at);
        }
        Some(known)
    }

    fn store(&mut self, answers: Numbered<Answer>) {
        let numbers = answers.from..;
        self.0.extend(numbers.zip(answers.entries));
    }
}

/// Archives what a follower remembers and nobody has archived, once its time has come.
pub fn fill_at_times(shard: &Shard, next: &mut UnixMillis, common: &mut Common) {
    if *next <= common.now {
        *next = common.now + ARCHIVE_EVERY;
        fill_or_fail(shard, 1, common);
    }
}

/// The same, if it is much.
pub fn fill_if_much(shard: &Shard, common: &mut Common) {
    fill_or_fail(shard, UNARCHIVED_MIN, common);
}

/// The same, before a batch of `time` makes the shard forget what nobody has archived: journal time
/// leaps over an outage.
pub fn fill_before(shard: &Shard, time: UnixMillis, common: &mut Common) {
    let forgets = common.archive.to() < shard.answers_kept_at(time);
    if forgets && !common.is_broken(Mutation::ArchiveLate) {
        fill(shard, 1, common);
    }
}

/// The database may be away, but not until the memory is full.
fn fill_or_fail(shard: &Shard, count_min: u64, common: &mut Common) {
    let waiting = shard.answers_remembered().end.saturating_sub(common.archive.to());
    if UNARCHIVED_MAX <= waiting || !common.happens(30) {
        fill(shard, count_min, common);
    }
}

/// Archives what a follower remembers and nobody has archived, if there is so much.
fn fill(shard: &Shard, count_min: u64, common: &mut Common) {
    let from = common.archive.to();
    let waiting = shard.answers_remembered().end.saturating_sub(from);
    if waiting < count_min {
        return;
    }
    let answers = shard.answers_since(from);
    if answers.from != from {
        let says = format!("answers {from} to {} are forgotten by all", answers.from);
        common.promises.break_promise(InvariantId::Cmd1, says);
    }
    common.note(Happening::Archived, format_args!("answers {from} to {}", answers.to()));
    common.archive.store(answers);
}

/// What is told to who asks again what has left the memory, as of the owner's last batch.
pub fn recall(number: u64, asked: Asked, sequence: u64, common: &mut Common) -> Reply {
    let number = if common.is_broken(Mutation::RecallAnother) { number ^ 1 } else { number };
    let lost = common.happens(50);
    let any = common.is_broken(Mutation::RecallAnother);
    let found = common.archive.0.get(&number).filter(|_| !lost);
    let found = found.filter(|found| any || asked_of(found).command == asked.command).cloned();
    let Some(answer) = found else {
        common.note(Happening::NotRecalled, format_args!("{} is to ask again", asked.command));
        return Reply::Busy;
    };
    if asked_of(&answer) != asked && !any && !common.is_broken(Mutation::RecallOtherFingerprint) {
        common.tally.add(Happening::Mismatch);
        return Reply::Mismatch { asked: asked.fingerprint };
    }
    common.note(Happening::Recalled, format_args!("{} is answer {number}", asked.command));
    Reply::Done { sequence, replayed: true, outcome: Box::new(answer.outcome) }
}

fn asked_of(answer: &Answer) -> Asked {
    answer.outcome.asked.expect("only asked outcomes are remembered")
}
