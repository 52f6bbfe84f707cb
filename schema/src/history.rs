//! What became of one seat, as its shard's journal tells it.

use crate::codec;
use crate::command::OwnerKind;
use crate::id::{AccountId, EventId, HoldId, SeatIdx, ShardId};
use crate::journal::{Applied, Batch, Step};
use crate::money::Money;
use crate::outcome::{Held, Outcome, OutcomeBody, Payment, Released};
use crate::refusal::Refusal;
use crate::subject;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many turns of a seat are kept, the newest ones: a seat is held a few times in a sale, and a
/// thousand times only by somebody who plays.
const TURNS_MAX: usize = 1_000;

/// How many of those who were refused one after the other are named.
///
/// More would make a history of a seat that a crowd wants some megabytes long; fewer would not show
/// who plays.
const REFUSED_ACCOUNTS_MAX: usize = 8;

/// The history of one seat, read batch by batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatHistory {
    event: EventId,
    seat: SeatIdx,
    /// The event's.
    shard: ShardId,
    applied: Applied,
    /// Journal time of the last batch.
    time: UnixMillis,
    /// Whether it goes on behind a bookmark and has not seen yet that this is the journal that it
    /// was read from.
    is_resumed: bool,
    turns: VecDeque<SeatTurn>,
    /// Older turns that are not kept.
    omitted: u64,
    /// Journal time of the first batch, where the journal has been trimmed before it.
    kept_from: Option<UnixMillis>,
    owner: Option<Owner>,
}

/// One thing that happened to a seat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatTurn {
    /// Journal time, and where in the journal it stands.
    pub at: UnixMillis,
    pub sequence: u64,
    /// The hold that it happened to; of a refusal the one that had the seat, where one had.
    pub hold: Option<HoldId>,
    /// Whose hold that is.
    pub account: Option<AccountId>,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Held {
        by: OwnerKind,
        /// `None` for what is set aside without an end.
        until: Option<UnixMillis>,
        price: Money,
    },
    PaymentStarted {
        attempt: u32,
    },
    /// Set aside for money that came late.
    Reseated {
        /// The hold that the money was for.
        before: Option<HoldId>,
        price: Money,
    },
    PaymentDeclined {
        attempt: u32,
        until: UnixMillis,
    },
    /// An outage was added to the deadline.
    Prolonged {
        until: UnixMillis,
    },
    /// Its owner asked for more time.
    Extended {
        until: UnixMillis,
    },
    Sold,
    Released(Released),
    /// Its partner gave it back.
    Returned,
    /// Its owner took other places instead.
    SwappedAway,
    /// So often somebody asked for this very seat, one after the other, and heard the same no.
    Refused {
        /// [`Refusal::code`] of it.
        code: &'static str,
        count: u64,
        last: UnixMillis,
        /// The first who heard it, each once.
        accounts: Vec<AccountId>,
    },
}

/// Where a history goes on that was not read to its end, and what it knows there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bookmark {
    event: EventId,
    seat: SeatIdx,
    applied: Applied,
    /// Of the batch that it lies behind. Epochs and numbers begin again in a journal that is
    /// created anew, its time does not.
    time: UnixMillis,
    kept_from: Option<UnixMillis>,
    owner: Option<Owner>,
}

/// Who has the seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    hold: HoldId,
    account: AccountId,
    /// While it is held and not being paid.
    until: Option<UnixMillis>,
}

/// Why a history cannot be told: what follows could be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("read the journal at {0}: not a batch")]
    Unreadable(u64),
    #[error("read the journal at {0}: the batch before is missing")]
    Missing(u64),
    /// What was read is trimmed, or of another journal: it has to be read from its beginning.
    #[error("read the journal on behind {0}: this batch is gone")]
    Gone(u64),
}

impl SeatHistory {
    /// `shard` is the event's.
    pub fn new(event: EventId, seat: SeatIdx, shard: ShardId) -> Self {
        Self {
            event,
            seat,
            shard,
            applied: Applied::default(),
            time: UnixMillis::default(),
            is_resumed: false,
            turns: VecDeque::new(),
            omitted: 0,
            kept_from: None,
            owner: None,
        }
    }

    /// Where it has come to.
    pub fn bookmark(&self) -> Bookmark {
        let Self { event, seat, applied, time, kept_from, owner, .. } = self.clone();
        Bookmark { event, seat, applied, time, kept_from, owner }
    }

    /// Goes on behind a bookmark, without the turns before it; `None` if it is of another seat.
    ///
    /// Only refusals are told otherwise than in one piece: those of a crowd are two turns where the
    /// bookmark lies between them.
    pub fn resume(event: EventId, seat: SeatIdx, shard: ShardId, from: Bookmark) -> Option<Self> {
        let Bookmark { applied, time, kept_from, owner, .. } = from;
        let same = from.event == event && from.seat == seat;
        let new = Self::new(event, seat, shard);
        let is_resumed = applied != Applied::default();
        same.then(|| Self { applied, time, is_resumed, kept_from, owner, ..new })
    }

    /// Behind which message of the journal the reading is to begin. A bookmark's own batch is read
    /// again: it shows that this is the journal that the bookmark lies in.
    pub fn begins_behind(&self) -> u64 {
        self.applied.sequence.saturating_sub(u64::from(self.is_resumed))
    }

    /// Checks, when the journal has been read to its end, that it was the right one.
    ///
    /// # Errors
    /// [`Broken::Gone`] where it ends before the bookmark.
    pub fn end(&self) -> Result<(), Broken> {
        if self.is_resumed { Err(Broken::Gone(self.applied.sequence)) } else { Ok(()) }
    }

    /// Takes the next message of the shard's journal.
    ///
    /// # Errors
    /// [`Broken`]; nothing more can be told then.
    pub fn take(&mut self, sequence: u64, name: &str, payload: &[u8]) -> Result<(), Broken> {
        if name != subject::journal(self.shard) {
            return Ok(());
        }
        let batch = codec::decode_checked(payload).map_err(|_| Broken::Unreadable(sequence))?;
        self.read(sequence, &batch)
    }

    fn read(&mut self, sequence: u64, batch: &Batch) -> Result<(), Broken> {
        if self.is_resumed {
            let is_last = (Applied::at(batch, sequence), batch.time) == (self.applied, self.time);
            self.is_resumed = !is_last;
            return self.end();
        }
        match self.applied.step(batch, sequence) {
            Step::Skip => return Ok(()),
            // The journal begins later than it was begun: what is gone is not told.
            Step::Gap if self.applied == Applied::default() => {
                self.kept_from = Some(batch.time);
                self.applied = Applied::at(batch, sequence);
            }
            Step::Gap => return Err(Broken::Missing(sequence)),
            Step::Apply => self.applied.advance(batch, sequence),
        }
        self.time = batch.time;
        for outcome in &batch.outcomes {
            if outcome.event == self.event {
                self.outcome(batch.time, outcome);
            }
        }
        Ok(())
    }

    /// The turns from the oldest to the newest.
    pub fn turns(&self) -> impl ExactSizeIterator<Item = &SeatTurn> {
        self.turns.iter()
    }

    /// How many turns before those are not kept.
    pub fn omitted(&self) -> u64 {
        self.omitted
    }

    /// From when on the journal tells it; `None` where the journal has its beginning.
    pub fn kept_from(&self) -> Option<UnixMillis> {
        self.kept_from
    }

    /// Up to where the journal was read; 0 before its first batch.
    pub fn sequence(&self) -> u64 {
        self.applied.sequence
    }

    fn outcome(&mut self, at: UnixMillis, outcome: &Outcome) {
        match &outcome.body {
            OutcomeBody::SeatsHeld(held) => self.hold(at, held),
            OutcomeBody::HoldReleased { hold, why } => {
                if self.tell(at, *hold, What::Released(*why)) {
                    self.owner = None;
                }
            }
            OutcomeBody::PaymentStarted(Payment { held, attempt, .. }) => {
                self.meet(held);
                if self.tell(at, held.hold, What::PaymentStarted { attempt: *attempt }) {
                    self.set_until(None);
                }
            }
            OutcomeBody::PaymentDeclined { hold, attempt, deadline } => {
                let what = What::PaymentDeclined { attempt: *attempt, until: *deadline };
                if self.tell(at, *hold, what) {
                    self.set_until(Some(*deadline));
                }
            }
            OutcomeBody::HoldExtended { hold, deadline } => {
                if self.tell(at, *hold, What::Extended { until: *deadline }) {
                    self.set_until(Some(*deadline));
                }
            }
            OutcomeBody::SeatsSwapped(held) => self.swap(at, held),
            OutcomeBody::SeatsSold { hold, .. } => {
                if self.tell(at, *hold, What::Sold) {
                    self.set_until(None);
                }
            }
            OutcomeBody::AllotmentReduced { parts } => {
                let part = parts.iter().find(|part| part.seats.contains(&self.seat));
                if part.is_some_and(|part| self.tell(at, part.hold, What::Returned)) {
                    self.owner = None;
                }
            }
            OutcomeBody::SaleReduced { places, .. } => {
                let is_in = places.seats.contains(&self.seat);
                let what = What::Released(Released::Refunded);
                if is_in && self.tell(at, places.hold, what) {
                    self.owner = None;
                }
            }
            OutcomeBody::DeadlinesMoved { by } => {
                let Some(Owner { hold, until: Some(until), .. }) = self.owner else { return };
                let until = until + *by;
                self.tell(at, hold, What::Prolonged { until });
                self.set_until(Some(until));
            }
            OutcomeBody::Refused(refusal) => {
                self.refused(at, outcome.asked.map(|asked| asked.account), refusal);
            }
            OutcomeBody::Reseated(payment) => self.reseat(at, payment),
            // Its partner's allotment had it, or it was free.
            OutcomeBody::AllottedSold { payment, .. } => self.hold(at, &payment.held),
            OutcomeBody::PaymentAwaited(_)
            | OutcomeBody::SeatsUnchanged
            | OutcomeBody::Unchanged { .. } => {}
        }
    }

    fn hold(&mut self, at: UnixMillis, held: &Held) {
        let Some(seat) = held.seats.iter().find(|seat| seat.seat == self.seat) else { return };
        // What is being paid from the beginning ends by no deadline.
        let until = held.deadline.filter(|_| held.owner != OwnerKind::PartnerSale);
        let account = held.account;
        self.owner = Some(Owner { hold: held.hold, account, until });
        let price = Money::new(seat.price, held.currency);
        self.tell(at, held.hold, What::Held { by: held.owner, until, price });
    }

    fn reseat(&mut self, at: UnixMillis, payment: &Payment) {
        let held = &payment.held;
        let Some(seat) = held.seats.iter().find(|seat| seat.seat == self.seat) else { return };
        self.owner = Some(Owner { hold: held.hold, account: held.account, until: None });
        let (before, price) = (payment.token.parse().ok(), Money::new(seat.price, held.currency));
        self.tell(at, held.hold, What::Reseated { before, price });
    }

    /// A seat that stays in its hold has no turn.
    fn swap(&mut self, at: UnixMillis, held: &Held) {
        if self.owner.as_ref().is_none_or(|owner| owner.hold != held.hold) {
            self.hold(at, held);
        } else if !held.has_seat(self.seat) && self.tell(at, held.hold, What::SwappedAway) {
            self.owner = None;
        }
    }

    /// Takes who pays for the seat for its owner, whose hold was told before the journal begins.
    fn meet(&mut self, held: &Held) {
        if self.owner.is_none() && held.seats.iter().any(|seat| seat.seat == self.seat) {
            self.owner = Some(Owner { hold: held.hold, account: held.account, until: None });
        }
    }

    fn set_until(&mut self, until: Option<UnixMillis>) {
        if let Some(owner) = &mut self.owner {
            owner.until = until;
        }
    }

    /// Notes what happened to the seat if `hold` has it, and says whether it does.
    fn tell(&mut self, at: UnixMillis, hold: HoldId, what: What) -> bool {
        let Some(owner) = self.owner.as_ref().filter(|owner| owner.hold == hold) else {
            return false;
        };
        let account = owner.account;
        self.add(at, Some(hold), Some(account), what);
        true
    }

    fn add(
        &mut self,
        at: UnixMillis,
        hold: Option<HoldId>,
        account: Option<AccountId>,
        what: What,
    ) {
        if self.turns.len() == TURNS_MAX {
            self.turns.pop_front();
            self.omitted += 1;
        }
        self.turns.push_back(SeatTurn { at, sequence: self.applied.sequence, hold, account, what });
    }

    /// A crowd that wants the same seat and hears the same is one turn.
    fn refused(&mut self, at: UnixMillis, asker: Option<AccountId>, refusal: &Refusal) {
        if !refusal.seats().contains(&self.seat) {
            return;
        }
        let now = refusal.code().code;
        if let Some(What::Refused { code, count, last, accounts }) =
            self.turns.back_mut().map(|turn| &mut turn.what)
            && *code == now
        {
            *count += 1;
            *last = at;
            let fresh = asker.filter(|asker| !accounts.contains(asker));
            accounts.extend(fresh.filter(|_| accounts.len() < REFUSED_ACCOUNTS_MAX));
            return;
        }
        let (hold, account) = self.owner.as_ref().map(|owner| (owner.hold, owner.account)).unzip();
        let accounts = asker.into_iter().collect();
        self.add(at, hold, account, What::Refused { code: now, count: 1, last: at, accounts });
    }
}

#[cfg(test)]
mod tests;
