//! Which commands have been answered, as the journal knows it: for a start that finds a hole in the
//! archive, and the journal's beginning trimmed.

use crate::archive::Archive;
use crate::checkpoint::Position;
use crate::error::Error;
use allocator_core::AnsweredIds;
use chassis::telemetry::chain;
use chassis::{Nats, Stored};
use schema::{Applied, Batch, Step, UnixMillis, codec, limits, subject};
use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

/// How long the reading may stand still.
const READ_PATIENCE: Duration = Duration::from_secs(10);

/// The commands whose answers have a number below those that are `remembered` at `position`; `None`
/// when they are not all known, and when the journal leads on from its beginning anyway.
///
/// # Errors
/// When Postgres does not tell.
pub(crate) async fn answered_ids(
    nats: &Nats,
    archive: &Archive,
    position: Position,
    known: Range<u64>,
    remembered: Range<u64>,
) -> Result<Option<AnsweredIds>, Error> {
    let shard = archive.shard;
    let asked = read(nats, archive, position).await.unwrap_or_else(|error| {
        tracing::warn!(%shard, error = %chain(&error), "the journal was not read");
        None
    });
    let Some(asked) = asked else { return Ok(None) };
    let Some(first) = asked.first_number(&remembered) else { return Ok(None) };
    let older = if first == 0 || asked.covers_a_day() {
        AnsweredIds::default()
    } else {
        // What only the archive has must be whole there.
        let Some(older) = archive.ids_of(known.start.min(first)..first).await? else {
            return Ok(None);
        };
        older
    };
    tracing::warn!(%shard, first, "answered commands were read from the journal");
    Ok(Some(asked.put(older, first, remembered.start)))
}

/// Reads all that the journal keeps up to `position`; `None` when that is not to be used.
async fn read(
    nats: &Nats,
    archive: &Archive,
    position: Position,
) -> Result<Option<AskedFor>, chassis::Error> {
    let (stream, all) =
        (subject::journal_stream(archive.shard), subject::journal_all(archive.shard));
    let batches = subject::journal(archive.shard);
    let mut stored = Stored::open(nats, &stream, &all, READ_PATIENCE).await?;
    let mut asked = None;
    while let Some(message) = stored.next().await? {
        if position.applied.sequence < message.sequence {
            break;
        }
        if message.subject != batches {
            continue;
        }
        let Ok(batch) = codec::decode_checked::<Batch>(&message.payload) else { return Ok(None) };
        let begun = asked.get_or_insert_with(|| AskedFor::begin(&batch));
        if !begun.take(&batch, message.sequence) {
            return Ok(None);
        }
    }
    Ok(asked.filter(|asked: &AskedFor| asked.applied == position.applied))
}

/// The commands that the journal says were answered, in its order, those of a day.
#[derive(Debug)]
struct AskedFor {
    begins: UnixMillis,
    /// The time of the last outcome.
    time: UnixMillis,
    applied: Applied,
    ids: VecDeque<(u64, UnixMillis)>,
}

impl AskedFor {
    fn begin(first: &Batch) -> Self {
        let (begins, applied) = (first.time, Applied::default());
        Self { begins, time: begins, applied, ids: VecDeque::new() }
    }

    /// Takes a batch; `false` when what is read cannot stand for the state: a batch is missing, or
    /// the first one is the first ever.
    fn take(&mut self, batch: &Batch, sequence: u64) -> bool {
        let is_first = self.applied == Applied::default();
        match (self.applied.step(batch, sequence), is_first) {
            (Step::Skip, _) => return true,
            (Step::Gap, true) | (Step::Apply, false) => {}
            (Step::Gap, false) | (Step::Apply, true) => return false,
        }
        self.applied = Applied::at(batch, sequence);
        if batch.outcomes.is_empty() {
            return true;
        }
        self.time = batch.time;
        let asked = batch.outcomes.iter().filter_map(|outcome| outcome.asked);
        self.ids.extend(asked.map(|asked| (AnsweredIds::id(asked.command), batch.time)));
        while self.ids.front().is_some_and(|(_, at)| *at + limits::ANSWER_MEMORY < self.time) {
            self.ids.pop_front();
        }
        true
    }

    /// Whether all that is older than the journal is too old to be known.
    fn covers_a_day(&self) -> bool {
        self.begins + limits::ANSWER_MEMORY < self.time
    }

    /// The number of the first answer that was read; `None` when the journal tells more of them
    /// than there are, or fewer than are remembered.
    fn first_number(&self, remembered: &Range<u64>) -> Option<u64> {
        let count = u64::try_from(self.ids.len()).expect("a count in memory");
        let first = remembered.end.checked_sub(count)?;
        (first <= remembered.start).then_some(first)
    }

    /// Adds what was read from number `first` on to what is known of before, up to `end`.
    fn put(self, mut known: AnsweredIds, first: u64, end: u64) -> AnsweredIds {
        for (number, (id, at)) in (first..end).zip(self.ids) {
            known.push(id, number, at);
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::AskedFor;
    use allocator_core::AnsweredIds;
    use schema::{
        AccountId, Asked, Batch, CommandId, Outcome, OutcomeBody, Refusal, UnixMillis, limits,
    };

    /// A batch that answers these commands, and one outcome that nobody asked for.
    fn batch(number: u64, previous: u64, time: u64, commands: &[u128]) -> Batch {
        let outcome = |asked| Outcome {
            asked,
            event: "EVT001".parse().unwrap(),
            free_after: 1,
            body: OutcomeBody::Refused(Refusal::SoldOut),
        };
        let asked = |command: &u128| {
            Some(Asked { command: CommandId(*command), fingerprint: 1, account: AccountId(2) })
        };
        let outcomes = commands.iter().map(asked).chain([None]).map(outcome).collect();
        Batch { epoch: 2, number, time: UnixMillis(time), outcomes, previous }
    }

    fn read(batches: &[Batch]) -> Option<AskedFor> {
        let mut asked = AskedFor::begin(&batches[0]);
        let mut sequences = 41..;
        let all = batches.iter().all(|batch| asked.take(batch, sequences.next().unwrap()));
        all.then_some(asked)
    }

    #[test]
    fn answers_are_numbered_back_from_the_newest() {
        let batches = [batch(7, 40, 10, &[101, 102]), batch(8, 41, 20, &[103, 104, 105])];
        let asked = read(&batches).unwrap();
        let remembered = 53..55;
        let first = asked.first_number(&remembered).unwrap();
        assert_eq!((first, asked.covers_a_day()), (50, false));
        let mut known = AnsweredIds::default();
        known.push(100, 49, UnixMillis(9));
        let known = asked.put(known, first, remembered.start);
        let numbers = (100..106).map(|command| known.find(CommandId(command)));
        let numbers: Vec<_> = numbers.collect();
        assert_eq!(numbers, [Some(49), Some(50), Some(51), Some(52), None, None]);
    }

    #[test]
    fn what_does_not_fit_the_checkpoint_is_not_used() {
        let batches = [batch(7, 40, 10, &[101, 102]), batch(8, 41, 20, &[103])];
        assert_eq!(read(&batches).unwrap().first_number(&(1..2)), None, "more than there are");
        assert_eq!(read(&batches).unwrap().first_number(&(5..9)), None, "fewer than remembered");
        assert!(read(&[batch(1, 0, 10, &[101])]).is_none(), "the journal has its beginning");
        assert!(read(&[batch(7, 40, 10, &[101]), batch(9, 42, 20, &[])]).is_none(), "a gap");
    }

    #[test]
    fn what_is_older_than_a_day_is_left_out() {
        let day = limits::ANSWER_MEMORY.0;
        let batches =
            [batch(7, 40, 10, &[101]), batch(8, 41, 20, &[102]), batch(9, 42, 15 + day, &[103])];
        let asked = read(&batches).unwrap();
        assert!(asked.covers_a_day());
        assert_eq!(asked.ids.len(), 2);
    }
}
