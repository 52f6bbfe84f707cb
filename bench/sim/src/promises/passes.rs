//! LINE-4: a pass buys once, for one event, for its bearer, and for one hold at a time.

use super::book::Book;
use super::{BatchId, Checked, Finding, expect};
use allocator_core::Shard;
use schema::admission::PassClaims;
use schema::{
    AccountId, Command, CommandBody, CommandId, EventId, Held, HoldId, InvariantId, OwnerKind,
    Pass, PassPlace, Refusal, UnixMillis,
};
use std::collections::{BTreeMap, BTreeSet};

/// A place in the line of one event.
type Place = (EventId, PassPlace);

/// Places as the owner of the shard is to know them: the account, the live hold, whether it has
/// bought.
type Known = BTreeMap<Place, (AccountId, Option<HoldId>, bool)>;

#[derive(Debug, Default)]
pub struct Passes {
    /// The events for which nobody may hold places without one.
    needed: BTreeSet<EventId>,
    /// What rooms have given out.
    claimed: BTreeMap<Place, PassClaims>,
    /// The first account that held places with it.
    bearers: BTreeMap<Place, AccountId>,
    /// Those with which places were bought, whatever became of the order.
    spent: BTreeSet<Place>,
    /// Journal time and wall clock whenever an owner decided the command.
    decided: BTreeMap<CommandId, Vec<(UnixMillis, UnixMillis)>>,
    /// How they stood behind the batches that are compared.
    closed: BTreeMap<BatchId, Known>,
}

impl Passes {
    pub fn need(&mut self, event: &EventId) {
        self.needed.insert(event.clone());
    }

    pub fn claimed(&mut self, claims: &PassClaims) {
        self.claimed.insert((claims.event.clone(), claims.pass().place), claims.clone());
    }

    /// The hold of `account` has begun. Says whether the pass had one before.
    pub fn bind(&mut self, event: &EventId, account: AccountId, place: PassPlace) -> bool {
        let place = (event.clone(), place);
        let is_known = self.bearers.contains_key(&place);
        self.bearers.entry(place).or_insert(account);
        is_known
    }

    /// Its hold is sold, or was and is refunded.
    pub fn spend(&mut self, event: &EventId, pass: Option<PassPlace>) {
        self.spent.extend(pass.map(|place| (event.clone(), place)));
    }

    pub fn decides(&mut self, command: CommandId, journal: UnixMillis, wall: UnixMillis) {
        self.decided.entry(command).or_default().push((journal, wall));
    }

    /// Whether an owner that decided the command at `time` found that it was `until` by the wall
    /// clock, or not. A deposed owner may have decided it too.
    fn may_be_over(
        &self,
        asked: &Command,
        until: UnixMillis,
        time: UnixMillis,
        over: bool,
    ) -> bool {
        let decided = self.decided.get(&asked.id).into_iter().flatten();
        let mut found = decided.map(|&(journal, wall)| until.0 + journal.0 <= time.0 + wall.0);
        found.any(|found| found == over)
    }

    fn is_others(&self, place: &Place, named: Option<AccountId>, account: AccountId) -> bool {
        let mut owners = named.iter().chain(self.bearers.get(place));
        owners.any(|owner| *owner != account)
    }
}

impl Book {
    /// Whether a hold may begin with the pass that it has, by what its room gave out.
    pub fn may_begin(
        &self,
        time: UnixMillis,
        event: &EventId,
        asked: Option<&Command>,
        held: &Held,
    ) -> Checked {
        let broken = |says: &str| {
            let says = format!("{} of {event} with {:?} {says}", held.hold, held.pass);
            Err(Finding { promise: InvariantId::Line4, says })
        };
        let is_needed = held.owner == OwnerKind::Fan && self.passes.needed.contains(event);
        let Some(place) = held.pass else {
            return if is_needed { broken("needs a pass") } else { Ok(()) };
        };
        let Some(asked) =
            asked.filter(|&asked| pass_of(Some(asked)).map(|pass| pass.place) == held.pass)
        else {
            return broken("was asked for with another pass");
        };
        let place = (event.clone(), place);
        match self.passes.claimed.get(&place).filter(|_| is_needed) {
            None => broken("has a pass of no such room"),
            Some(claims) if self.passes.is_others(&place, claims.sub, held.account) => {
                broken("has the pass of another account")
            }
            Some(_) if self.passes.spent.contains(&place) => broken("buys with it once more"),
            Some(claims) if !self.passes.may_be_over(asked, claims.pass_until, time, false) => {
                broken("begins behind its end")
            }
            Some(_) if self.holder(&place).is_some() => broken("is its second hold"),
            Some(_) => Ok(()),
        }
    }

    /// Whether a refusal of a pass is true.
    pub fn pass_is_refused(&self, time: UnixMillis, asked: &Command, refusal: &Refusal) -> bool {
        let Some(pass) = pass_of(Some(asked)) else { return false };
        let place = (asked.event.clone(), pass.place);
        match refusal {
            Refusal::PassForeign => self.passes.is_others(&place, pass.account, asked.account),
            Refusal::PassSpent => self.passes.spent.contains(&place),
            Refusal::PassExpired => self.passes.may_be_over(asked, pass.expires_at, time, true),
            Refusal::PassInUse => self.holder(&place).is_some(),
            _ => false,
        }
    }

    /// Whether a pass is refused that has bought, and whose places were given back since.
    pub fn is_for_a_refunded(&self, asked: &Command, refusal: &Refusal) -> bool {
        let place = pass_of(Some(asked)).map(|pass| (asked.event.clone(), pass.place));
        let is_free = place.is_some_and(|place| self.holder(&place).is_none());
        *refusal == Refusal::PassSpent && is_free
    }

    /// The live hold of a place.
    fn holder(&self, (event, place): &Place) -> Option<HoldId> {
        let mut own = self.of_event(event).filter(|(_, hold)| hold.pass == Some(*place));
        own.next().map(|(id, _)| *id)
    }

    /// Remembers how passes stand behind a batch.
    pub fn close_passes(&mut self, batch: BatchId) {
        let known = self.passes.bearers.iter().map(|(place, account)| {
            let is_spent = self.passes.spent.contains(place);
            (place.clone(), (*account, self.holder(place), is_spent))
        });
        let known = known.collect();
        self.passes.closed.insert(batch, known);
    }

    /// The real shard knows of passes what the model knew behind the same batch.
    pub fn knows_passes(&self, shard: &Shard, batch: BatchId) -> Checked {
        let Some(known) = self.passes.closed.get(&batch) else { return Ok(()) };
        let mut found = Known::new();
        for event in &self.passes.needed {
            let passes = shard.snapshot_event(event).passes.into_iter();
            found.extend(passes.map(|(place, used)| {
                ((event.clone(), place), (used.account, used.hold, used.spent))
            }));
        }
        expect(InvariantId::Line4, found == *known, || {
            format!("passes behind {batch:?} are {found:?}, not {known:?}")
        })
    }
}

fn pass_of(asked: Option<&Command>) -> Option<Pass> {
    match &asked?.body {
        CommandBody::HoldSeats(ask) => ask.pass,
        _ => None,
    }
}
