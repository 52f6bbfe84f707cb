//! The catalogue of promises, checked from outside: by what the journal, the answers, settlement's
//! store and the provider say, with a model of its own that shares no code with the cores.

mod answers;
mod best;
mod book;
mod guards;
mod hold;
mod late;
mod ledger;
mod lifetimes;
mod meant;
mod money;
mod passes;
mod payments;
mod refusals;

use crate::happening::Tally;
use crate::journal::Record;
use crate::owner::Answer;
use crate::provider::Provider;
use crate::store::Store;
use allocator_core::Shard;
use answers::Answers;
use book::Book;
pub use guards::guard_of;
pub use meant::is_for_best;
use schema::admission::PassClaims;
use schema::{
    Applied, Batch, Command, CommandId, EventId, HoldId, InvariantId, OrderId, Outcome,
    PlaceCounts, UnixMillis, codec,
};
use std::collections::{BTreeMap, BTreeSet};

/// A promise that was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub promise: InvariantId,
    pub says: String,
}

/// The result of a check.
type Checked = Result<(), Finding>;

fn expect(promise: InvariantId, holds: bool, says: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Finding { promise, says: says() }) }
}

/// A batch by its epoch and number.
pub type BatchId = (u64, u64);

/// Whether the owner and its followers are compared whole behind a batch: the first of an epoch,
/// and some of the others, because a difference stays and a digest goes through all answers.
fn is_compared((_, number): BatchId) -> bool {
    number % 8 == 1
}

#[derive(Debug, Default)]
pub struct Promises {
    /// The first broken promise: what comes after it proves nothing.
    finding: Option<Finding>,
    /// Every command that was ever sent, by id and fingerprint.
    asked: BTreeMap<(CommandId, u64), Command>,
    book: Book,
    answers: Answers,
    newest_epoch: u64,
    stored: BTreeSet<BatchId>,
    /// What owners' states were when they closed a batch.
    digests: BTreeMap<BatchId, u64>,
    /// Orders that were answered as CONFIRMED, and those whose fans want their money back.
    confirmed: BTreeSet<OrderId>,
    refund_asked: BTreeSet<OrderId>,
}

impl Promises {
    pub fn finding(&self) -> Option<&Finding> {
        self.finding.as_ref()
    }

    /// Notes a broken promise.
    pub fn break_promise(&mut self, promise: InvariantId, says: String) {
        self.take(Err(Finding { promise, says }));
    }

    fn take(&mut self, checked: Checked) {
        if let Err(finding) = checked {
            self.finding.get_or_insert(finding);
        }
    }

    pub fn asked(&mut self, command: &Command) {
        self.asked.insert((command.id, command.fingerprint), command.clone());
    }

    /// The event has a waiting room.
    pub fn needs_pass(&mut self, event: &EventId) {
        self.book.passes.need(event);
    }

    /// A waiting room has given out a pass.
    pub fn pass_claimed(&mut self, claims: &PassClaims) {
        self.book.passes.claimed(claims);
    }

    /// An owner decides a command, when it is `journal` by its clock and `wall` by the other.
    pub fn decides(&mut self, command: CommandId, journal: UnixMillis, wall: UnixMillis) {
        self.book.passes.decides(command, journal, wall);
    }

    /// The journal has a new message.
    pub fn journaled(
        &mut self,
        now: UnixMillis,
        sequence: u64,
        record: &Record,
        store: &Store,
        tally: &mut Tally,
    ) {
        let checked = match record {
            Record::Epoch { .. } => {
                self.newest_epoch = sequence;
                Ok(())
            }
            Record::Batch(bytes) => {
                let batch: Batch = codec::decode_checked(bytes).expect("an owner encoded it");
                self.batch(now, &batch, store, tally)
            }
        };
        self.take(checked);
    }

    fn batch(
        &mut self,
        now: UnixMillis,
        batch: &Batch,
        store: &Store,
        tally: &mut Tally,
    ) -> Checked {
        let (epoch, newest) = (batch.epoch, self.newest_epoch);
        expect(InvariantId::Fence1, epoch == newest, || {
            format!("epoch {epoch} appends although {newest} has begun")
        })?;
        self.stored.insert((epoch, batch.number));
        for outcome in &batch.outcomes {
            let asked = self.command_of(outcome)?.cloned();
            self.answers.journaled(batch.time, outcome)?;
            self.book.take(now, batch.time, outcome, asked.as_ref(), tally)?;
            money::verdict_is_true(outcome, store)?;
        }
        self.book.close((epoch, batch.number));
        if is_compared((epoch, batch.number)) {
            self.book.close_passes((epoch, batch.number));
        }
        Ok(())
    }

    /// The command that an outcome says it answers; `None` when nobody asked.
    fn command_of(&self, outcome: &Outcome) -> Result<Option<&Command>, Finding> {
        let Some(asked) = outcome.asked else { return Ok(None) };
        let command = self.asked.get(&(asked.command, asked.fingerprint));
        let meant = command.filter(|c| c.account == asked.account && c.event == outcome.event);
        meant.map(Some).ok_or_else(|| meant::unasked(outcome))
    }

    /// An owner has closed a batch.
    pub fn closed(&mut self, batch: BatchId, shard: &Shard) {
        if is_compared(batch) {
            self.digests.insert(batch, shard.digest());
        }
    }

    /// A replica has applied a batch: it is what the owner was, what the model is, and sound.
    pub fn followed(&mut self, shard: &Shard, applied: Applied) {
        let batch = (applied.epoch, applied.number);
        self.take(self.book.knows_passes(shard, batch));
        if let Some(&digest) = self.digests.get(&batch) {
            let checked = expect(InvariantId::Cmd1, digest == shard.digest(), || {
                format!("a replica differs from the owner behind batch {batch:?}")
            });
            self.take(checked);
        }
        self.take(self.book.equals(shard, batch));
        if let Some(difference) = shard.audit().into_iter().next() {
            self.break_promise(difference.promise, difference.says);
        }
    }

    /// A view has come behind a batch: it shows what the model counts there.
    pub fn viewed(&mut self, counts: &BTreeMap<EventId, PlaceCounts>, applied: Applied) {
        let batch = (applied.epoch, applied.number);
        self.take(self.book.is_shown(counts, batch));
    }

    /// An owner says an answer. `batch` is what it waited for.
    pub fn answered(
        &mut self,
        now: UnixMillis,
        time: UnixMillis,
        epoch: u64,
        batch: Option<BatchId>,
        answer: &Answer,
    ) {
        let covered = batch.is_some_and(|batch| self.stored.contains(&batch));
        let newest = self.newest_epoch;
        let checked = expect(InvariantId::Fence1, covered || epoch == newest, || {
            format!("epoch {epoch} answers {} although {newest} has begun", answer.asked.command)
        });
        self.take(checked);
        self.take(self.answers.said(answer));
        self.book.told(now, time, answer);
    }

    /// An asker takes an answer for that of its command.
    pub fn heard(&mut self, command: &Command, outcome: &Outcome) {
        self.take(self.answers.heard(command, outcome));
    }

    /// An owner was fenced off.
    pub fn deposed(&mut self, epoch: u64) {
        let checked = expect(InvariantId::Fence1, epoch < self.newest_epoch, || {
            format!("epoch {epoch} is fenced off although none has begun after it")
        });
        self.take(checked);
    }

    pub fn confirmed(&mut self, hold: HoldId, store: &Store) {
        self.confirmed.insert(OrderId::from(hold));
        self.take(money::confirmed_orders_live(&self.confirmed, &self.refund_asked, store));
    }

    pub fn refund_asked(&mut self, order: OrderId) {
        self.refund_asked.insert(order);
    }

    /// What holds at every instant of settlement.
    pub fn check_money(&mut self, store: &Store, provider: &Provider) {
        self.take(money::confirmed_orders_live(&self.confirmed, &self.refund_asked, store));
        self.take(money::orders_are_whole(store, provider));
        self.take(payments::charged_once(provider));
        self.take(payments::found_is_booked(store));
        self.take(ledger::is_kept(store));
    }

    /// A fault strikes; until the calm has lasted nothing counts as time that holds had.
    pub fn trouble_begins(&mut self) {
        self.book.trouble_begins();
    }

    /// Time goes on in a calm that has lasted: what takes a moment has had it.
    pub fn calm_lasts(&mut self, now: UnixMillis, by: schema::DurationMs, store: &Store) {
        let ended = self.book.calm_lasts(by);
        self.take(ended);
        self.take(money::sales_meet(&self.book, store, now));
    }

    /// Everybody has come to rest.
    pub fn at_the_end(&mut self, store: &Store, provider: &Provider) {
        self.take(self.book.has_come_to_rest());
        self.take(money::everything_is_settled(store));
        self.take(payments::have_come_to_rest(&self.book, store, provider));
        self.take(ledger::is_settled(store));
    }
}
