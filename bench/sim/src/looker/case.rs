//! What a looker does about one payment, a call at a time.

use super::{Unanswered, ask};
use crate::common::Common;
use crate::happening::Happening;
use crate::mutation::Mutation;
use crate::provider::{Listed, Verb};
use crate::store::MoneyOutcome;
use settlement_core::{Late, Remedy, Seen, Standing, Stray, late, remedy};

/// How likely a person is quicker, each time that late money is found to wait.
const BY_HAND_PERCENT: u64 = 20;

/// A payment that is looked at.
#[derive(Debug)]
pub struct Case {
    /// As it was told last.
    pub payment: Listed,
    pub stage: Stage,
    /// Of a payment that had ended without money: how many looks there were before.
    pub looks: Option<usize>,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy)]
pub enum Stage {
    Fetch,
    /// As `Fetch`, of found money without an outcome.
    End {
        was_taken: bool,
    },
    /// Compares what was told with how the orders know the payment.
    Compare,
    /// Asks once more: what was told may be older than what was compared with it.
    Again(Standing),
    /// Lets late money ask for its places.
    Climb,
    /// Notes the money before it is given back: whoever goes on after a crash finds it there.
    Note(Stray, Verb),
    GiveBack(Verb),
    Settle(MoneyOutcome),
}

impl Case {
    pub fn new(payment: Listed, stage: Stage) -> Self {
        Self { payment, stage, looks: None }
    }

    /// Does it; says what is next, if anything is.
    pub fn step(&mut self, common: &mut Common) -> Result<Option<Stage>, Unanswered> {
        let (key, stage) = (self.payment.key.clone(), self.stage);
        match stage {
            Stage::Fetch => {
                self.payment.seen = ask(&key, Verb::Fetch, common)?;
                Ok(Some(Stage::Compare))
            }
            Stage::End { was_taken } => {
                let seen = ask(&key, Verb::Fetch, common)?;
                self.payment.seen = seen.clone();
                // Money that was there is not gone because it is called off.
                if was_taken && seen == Seen::Cancelled {
                    return Ok(None);
                }
                Ok(Some(outcome_of(&seen).map_or(Stage::Compare, Stage::Settle)))
            }
            Stage::Compare => {
                let standing = common.store.standing(&key);
                let amiss =
                    |standing: &Standing| remedy(&self.payment.seen, *standing) != Remedy::Rest;
                Ok(standing.filter(amiss).map(Stage::Again))
            }
            Stage::Again(standing) => {
                self.payment.seen = ask(&key, Verb::Fetch, common)?;
                Ok(self.mend(standing, common))
            }
            Stage::Climb => Ok(self.climb(common)),
            Stage::Note(stray, verb) => Ok(self.note(stray, verb, common)),
            Stage::GiveBack(verb) => Ok(give_back(&self.payment, verb, common)),
            Stage::Settle(outcome) => {
                self.settle(outcome, common);
                Ok(None)
            }
        }
    }

    fn mend(&self, standing: Standing, common: &mut Common) -> Option<Stage> {
        let told = remedy(&self.payment.seen, standing);
        let Listed { key, order, .. } = &self.payment;
        common.write(format_args!("payment {key} for {order}: {told:?}"));
        match told {
            // What is missing or uneven is for a person: the promises say so when all rests.
            Remedy::Rest | Remedy::Missing | Remedy::Uneven => None,
            Remedy::Void(stray) => Some(Stage::Note(stray, Verb::Cancel)),
            Remedy::Refund(stray) => Some(Stage::Note(stray, Verb::Refund)),
            Remedy::Reseat if common.is_broken(Mutation::IgnoreLate) => None,
            Remedy::Reseat => Some(Stage::Climb),
        }
    }

    fn climb(&self, common: &mut Common) -> Option<Stage> {
        let (wall, now) = (common.wall(), common.now);
        let is_new = !common.store.beside.found.contains_key(&self.payment.key);
        common.store.note_found(&self.payment, Stray::Late, true, false);
        if is_new {
            common.note(Happening::LateMoney, format_args!("{} is late", self.payment.key));
        }
        let claim = common.store.ask_for_places(&self.payment, wall, now);
        match late(claim) {
            Late::Wait if common.is_broken(Mutation::SpendSpent) => {
                Some(Stage::Note(Stray::Late, Verb::Refund))
            }
            Late::Wait => {
                give_back_by_hand(&self.payment.key, common);
                None
            }
            Late::Rest => None,
            Late::GiveBack => Some(Stage::Note(Stray::Late, Verb::Refund)),
        }
    }

    fn note(&self, stray: Stray, verb: Verb, common: &mut Common) -> Option<Stage> {
        let blindly = common.is_broken(Mutation::TakeForOrphan);
        let taken = verb == Verb::Refund;
        let noted = common.store.note_found(&self.payment, stray, taken, blindly);
        if !noted {
            common.write(format_args!("payment {} has an order by now", self.payment.key));
        }
        noted.then_some(Stage::GiveBack(verb))
    }

    fn settle(&self, outcome: MoneyOutcome, common: &mut Common) {
        let key = &self.payment.key;
        let again = common.is_broken(Mutation::BookFoundAgain);
        if !common.store.settle_found(key, outcome, again) {
            return;
        }
        if common.is_broken(Mutation::FoundUnbooked) {
            common.store.ledger.beside.clear();
        }
        let why = common.store.beside.found[key].why;
        let happening = match (why, outcome) {
            (Stray::Orphan, MoneyOutcome::Voided) => Happening::OrphanVoided,
            (Stray::Orphan, _) => Happening::OrphanRefunded,
            (Stray::Duplicate, _) => Happening::DuplicateRefunded,
            (Stray::Late, _) => Happening::LateRefunded,
        };
        common.note(happening, format_args!("{key} is {outcome:?}"));
    }
}

/// A person sees late money that waits for an answer, and gives it back at the provider.
fn give_back_by_hand(key: &str, common: &mut Common) {
    if common.surprises(BY_HAND_PERCENT) {
        common.note(Happening::ByHand, format_args!("{key} is given back by hand"));
        common.provider.give_back_by_hand(key, common.now);
    }
}

fn give_back(payment: &Listed, verb: Verb, common: &mut Common) -> Option<Stage> {
    if verb == Verb::Refund && common.is_broken(Mutation::RefundFoundAgain) {
        common.provider.give_back(&payment.key, payment.amount.amount, true);
        return None;
    }
    // If it has changed meanwhile, or nobody knows, the next look sees how it is.
    let seen = ask(&payment.key, verb, common).ok()?;
    outcome_of(&seen).map(Stage::Settle)
}

/// What has become of found money whose payment is like that, if anything has.
fn outcome_of(seen: &Seen) -> Option<MoneyOutcome> {
    match seen {
        Seen::Cancelled | Seen::Declined { .. } => Some(MoneyOutcome::Voided),
        Seen::Refunded => Some(MoneyOutcome::Refunded),
        Seen::Created | Seen::Processing | Seen::Authorised | Seen::Captured => None,
    }
}
