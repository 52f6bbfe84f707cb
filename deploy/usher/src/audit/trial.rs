//! Reads one shard's journal and holds each witness against it at the moment that the witness
//! speaks of.

use super::answers::{Answers, known_from};
use super::compare::{self, Witness};
use super::journal::{Books, EventBooks};
use super::listed::Places;
use allocator::{CheckpointView, EventView, OwnerView};
use schema::{Applied, Batch, EventId, InvariantId, ShardId, Step, codec, subject};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The newest checkpoint of a shard; without a view when it cannot be read.
pub struct Stored {
    pub sequence: u64,
    pub view: Option<CheckpointView>,
}

pub struct Trial {
    pub shard: ShardId,
    /// Where the journal ended before the owner and Postgres were asked: both know all up to here.
    pub from: u64,
    pub only: Option<EventId>,
    pub books: Books,
    /// Of the catalogue.
    places: Arc<BTreeMap<EventId, Places>>,
    /// The shard's, where all of its events are audited.
    answers: Option<Answers>,
    pub differences: BTreeSet<String>,
    /// Until it has been compared.
    checkpoint: Option<Stored>,
    pub has_checkpoint: bool,
    /// Until it has been compared.
    pub owner: Option<OwnerView>,
    marked: bool,
    /// The sequence of the newest epoch record.
    epoch: u64,
    applied: Applied,
}

impl Trial {
    pub fn new(
        shard: ShardId,
        from: u64,
        only: Option<EventId>,
        checkpoint: Option<Stored>,
        places: Arc<BTreeMap<EventId, Places>>,
    ) -> Self {
        let kept = checkpoint.as_ref().and_then(|stored| stored.view.as_ref());
        let wanted_from = kept.map_or(u64::MAX, |view| view.answers.from);
        Self {
            shard,
            from,
            answers: only.is_none().then(|| Answers::new(wanted_from)),
            only,
            places,
            books: Books::default(),
            differences: BTreeSet::new(),
            has_checkpoint: checkpoint.is_some(),
            checkpoint,
            owner: None,
            marked: false,
            epoch: 0,
            applied: Applied::default(),
        }
    }

    /// Has the owner's answer, before the journal is read.
    pub fn listen(&mut self, owner: OwnerView) {
        if let (Some(answers), Some(view)) = (&mut self.answers, &owner.answers) {
            answers.want(known_from(view));
        }
        self.owner = Some(owner);
    }

    /// Begins with a checkpoint, where the journal does not begin with its first batch.
    pub fn begin(&mut self, base: &CheckpointView) {
        self.books.begin(&base.events);
        if let Some(answers) = &mut self.answers {
            answers.begin(&base.answers);
        }
        (self.applied, self.epoch) = (base.applied, base.applied.epoch);
        self.hear(base.applied.sequence);
    }

    /// Takes the next message of the journal.
    pub fn take(&mut self, sequence: u64, name: &str, payload: &[u8]) {
        if name == subject::journal_epoch(self.shard) {
            self.epoch = sequence;
        } else if name == subject::journal(self.shard) {
            self.batch(sequence, payload);
        }
        self.hear(sequence);
    }

    /// Hears the witnesses that speak of this moment of the journal.
    fn hear(&mut self, sequence: u64) {
        if self.checkpoint.as_ref().is_some_and(|stored| stored.sequence <= sequence) {
            self.hear_checkpoint(sequence);
        }
        if self.from <= sequence {
            if !self.marked {
                self.books.mark();
                self.marked = true;
            }
            self.hear_owner(sequence);
        }
    }

    fn batch(&mut self, sequence: u64, payload: &[u8]) {
        let shard = self.shard;
        let Ok(batch) = codec::decode_checked::<Batch>(payload) else {
            self.say(format!("journal {shard} at {sequence}: not a batch"));
            return;
        };
        let Batch { epoch, number, .. } = batch;
        if epoch == 0 || number == 0 || self.epoch < epoch {
            self.say(format!("FENCE-1 journal {shard} at {sequence}: no owner has epoch {epoch}"));
            return;
        }
        match self.applied.step(&batch, sequence) {
            Step::Apply => {}
            Step::Gap => self.say(format!("journal {shard} at {sequence}: a batch is missing")),
            Step::Skip => {
                let what = format!("batch {number} of epoch {epoch} is out of turn");
                self.say(format!("FENCE-1 journal {shard} at {sequence}: {what}"));
                return;
            }
        }
        self.applied = Applied { epoch, number, sequence };
        self.books.take(sequence, &batch);
        if let Some(answers) = &mut self.answers {
            answers.take(&batch);
        }
    }

    /// Compares the checkpoint, once the journal has been read up to what it includes.
    fn hear_checkpoint(&mut self, sequence: u64) {
        let Some(Stored { sequence: at, view }) = self.checkpoint.take() else { return };
        let shard = self.shard;
        let Some(view) = view else {
            self.say(format!("CMD-1 checkpoint {shard} at {at}: it cannot be read"));
            return;
        };
        if sequence != at || self.applied != view.applied {
            let Applied { epoch, number, sequence } = view.applied;
            let what = format!("it ends with batch {number} of epoch {epoch} at {sequence}");
            self.say(format!("CMD-1 checkpoint {shard} at {at}: {what}, the journal does not"));
        }
        self.compare(Witness::Checkpoint, &view.events);
        let of_shard = self.answers.as_ref();
        let found = of_shard.map(|answers| answers.remembered(Witness::Checkpoint, &view.answers));
        self.say_of_answers(&found.unwrap_or_default());
    }

    /// Compares the owner, once the journal has been read up to what it includes.
    fn hear_owner(&mut self, sequence: u64) {
        let reached = |owner: &OwnerView| {
            let applied = (self.applied.epoch, self.applied.number);
            owner.epoch < self.epoch
                || (owner.epoch == self.epoch && owner.batch == 0)
                || (owner.epoch, owner.batch) <= applied
        };
        if !self.owner.as_ref().is_some_and(reached) {
            return;
        }
        let owner = self.owner.take().expect("looked at just above");
        let (shard, Applied { epoch, number, .. }) = (self.shard, self.applied);
        if owner.epoch < self.epoch {
            let what =
                format!("one of epoch {} answers, epoch {} has begun", owner.epoch, self.epoch);
            self.say(format!("FENCE-1 owner of shard {shard}: {what}"));
        } else if epoch == owner.epoch && owner.batch < number {
            let what = format!("batch {number} of epoch {epoch} is not its owner's");
            self.say(format!("FENCE-1 journal {shard} at {sequence}: {what}"));
        }
        self.compare(Witness::Owner, &owner.events);
        let of_shard = self.answers.as_ref().zip(owner.answers.as_ref());
        let found = of_shard.map(|(answers, view)| answers.owner(view));
        self.say_of_answers(&found.unwrap_or_default());
    }

    fn compare(&mut self, witness: Witness, views: &[EventView]) {
        let views: BTreeMap<&EventId, &EventView> =
            views.iter().map(|view| (&view.event, view)).collect();
        let named: BTreeSet<&EventId> =
            views.keys().copied().chain(self.books.events.keys()).collect();
        let none = EventBooks::default();
        for event in named {
            if self.only.as_ref().is_some_and(|only| only != event) {
                continue;
            }
            let books = self.books.events.get(event).unwrap_or(&none);
            let blank = EventView::blank(event);
            let view = views.get(event).copied().unwrap_or(&blank);
            let places = self.places.get(event);
            self.differences.extend(compare::state(event, witness, books, view, places));
        }
    }

    /// Says what could not be compared. The journal is read to its end.
    pub fn end(&mut self) {
        if !self.marked {
            self.books.mark();
        }
        let shard = self.shard;
        if let Some(stored) = self.checkpoint.take() {
            let at = stored.sequence;
            self.say(format!("CMD-1 checkpoint {shard} at {at}: the journal ends before it"));
        }
        if let Some(owner) = self.owner.take() {
            let what = format!("it is at batch {} of epoch {}", owner.batch, owner.epoch);
            self.say(format!("FENCE-1 owner of shard {shard}: {what}, the journal is not"));
        }
        self.differences.extend(self.books.differences.drain(..));
    }

    /// CMD-1: who repeats a command hears what the journal says.
    fn say_of_answers(&mut self, found: &[String]) {
        let (id, shard) = (InvariantId::Cmd1, self.shard);
        self.differences.extend(found.iter().map(|what| format!("{id} shard {shard}: {what}")));
    }

    pub fn say(&mut self, what: String) {
        self.differences.insert(what);
    }
}

#[cfg(test)]
mod tests;
